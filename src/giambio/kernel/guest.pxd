from giambio.kernel.run_queue cimport BaseTask


cdef class Guest:
    cpdef bint _take(self, BaseTask task, object foreign) except -1
    cpdef object _entered(self)
    cpdef object _left(self)
    cpdef object _before_step(self, BaseTask task)
    cpdef object _after_step(self, BaseTask task)
    cpdef object _exited(self, BaseTask task)
    cpdef bint _accounts_for(self, BaseTask task, object cancellation) except -1
    cpdef object _check_caller(self, object what)
    cpdef list _roots(self)
    cpdef object _shut_down(self)
