from giambio.combinators.base cimport Collector
from giambio.kernel.task cimport Task


cdef class Racing(Collector):
    cdef bint _won
    cdef object _result

    cdef object began(self, Task task)
    cdef object take(self, Task task, object result)
    cdef object outcome(self)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)
