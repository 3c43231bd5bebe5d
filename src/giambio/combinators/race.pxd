from giambio.combinators.base cimport Collector, Together
from giambio.kernel.task cimport Task


cdef class Racing(Collector):
    cdef object _began(self, Task task)
    cdef object _take(self, Task task, object result)
    cdef object _outcome(self)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)
