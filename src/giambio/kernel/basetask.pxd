from giambio.drivers.source cimport Waiter
from giambio.kernel.runnable cimport Runnable


cdef class Park(Waiter):
    cdef bint abort(self) except -1
    cdef bint repeatable(self) noexcept
    cdef object interruption(self, BaseTask task)


cdef class BaseTask(Runnable):
    cdef readonly object coro
    cdef object context
    cdef readonly Park parked
    cdef Park aborted
    cdef Park asked
    cdef object thrown
    cdef object outcome
    cdef bint pending
    cdef list injected

    cpdef object interruption(self)
    cpdef object cancellation(self)
    cpdef bint cancelled_from_outside(self) except -1
    cpdef object exited(self, bint failed)
