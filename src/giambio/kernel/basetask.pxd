from giambio.drivers.source cimport Waiter
from giambio.kernel.runnable cimport Runnable


cdef class Park(Waiter):
    cdef bint abort(self) except -1
    cdef bint repeatable(self) noexcept
    cdef object interruption(self, BaseTask task)


cdef class BaseTask(Runnable):
    cdef readonly object coro
    cdef object _context
    cdef readonly Park _parked
    cdef Park _aborted
    cdef Park _asked
    cdef object _thrown
    cdef object _outcome
    cdef bint _pending
    cdef list _injected

    cpdef object _interruption(self)
    cpdef object _cancellation(self)
    cpdef bint _cancelled_from_outside(self) except -1
    cpdef object _exited(self, bint failed)
