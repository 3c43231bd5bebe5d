from giambio.combinators.feeding cimport Feeding
from giambio.combinators.together cimport Collector
from giambio.kernel.task cimport Task


cdef class Mapping(Feeding):
    cdef dict _numbers
    cdef list _results

    cdef object began(self, Task task)
    cdef object take(self, Task task, object result)
    cdef object results(self)
