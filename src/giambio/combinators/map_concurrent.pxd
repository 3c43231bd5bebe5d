from giambio.combinators.bounded cimport BoundedCollector
from giambio.combinators.base cimport Collector
from giambio.kernel.task cimport Task


cdef class Mapping(BoundedCollector):
    cdef dict _numbers
    cdef list _results

    cdef object began(self, Task task)
    cdef object take(self, Task task, object result)
    cdef object results(self)
