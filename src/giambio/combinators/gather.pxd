from giambio.combinators.given cimport Given
from giambio.combinators.base cimport Collector
from giambio.kernel.task cimport Task


cdef class Gathering(Given):
    cdef dict _numbers
    cdef list _results

    cdef object began(self, Task task, Py_ssize_t number)
    cdef object take(self, Task task, object result)
    cdef object results(self)
