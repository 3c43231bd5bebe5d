from giambio.kernel.run_queue cimport BaseTask, Park
from giambio.kernel.kernel cimport Kernel


cdef class ForeignPark(Park):
    cdef Kernel _kernel
    cdef BaseTask _task
    cdef object _abort
    cdef object _interruption

    cdef bint abort(self) except -1
    cdef object interruption(self, BaseTask task)
