from giambio.combinators.given cimport Given
from giambio.combinators.base cimport Collector
from giambio.kernel.task cimport Task


cdef class Racing(Given):
    cdef bint _won
    cdef object _result

    cdef object take(self, Task task, object result)
    cdef object results(self)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)
