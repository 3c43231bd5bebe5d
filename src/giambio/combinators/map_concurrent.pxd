from giambio.combinators.bounded cimport BoundedCollector
from giambio.kernel.task cimport Task


cdef class Mapping(BoundedCollector):
    cdef object take(self, Task task, object result)
