from giambio.drivers.source cimport Waiter
from giambio.kernel.system_clock cimport system_time

cimport cython


cdef class Runnable(Waiter):
    cdef Runnable _following
    cdef bint _queued
    cdef bint _is_task

    cdef void _run(self) except *


cdef class Park(Waiter):
    cdef bint abort(self) except -1
    cdef bint repeatable(self) noexcept
    cdef object interruption(self, BaseTask task)


cdef class BaseTask(Runnable):
    cdef readonly object _coro
    cdef object _context
    cdef readonly Park _parked
    cdef Park _aborted
    cdef Park _asked
    cdef object _thrown
    cdef object _outcome
    cdef bint _pending
    cdef list _injected
    cdef readonly double _since
    cdef readonly double _seconds
    cdef readonly double _longest

    cpdef object _interruption(self)
    cpdef object _exited(self, bint failed)
    @cython.locals(seconds=double)
    cdef object _add_time(self, double began)


@cython.final
cdef class RunQueue:
    cdef Runnable _head
    cdef Runnable _tail
    cdef readonly Py_ssize_t length

    cpdef object append(self, Runnable item)
    @cython.locals(item=Runnable)
    cpdef Runnable pop(self)
    @cython.locals(item=Runnable)
    cpdef object shuffle(self, object random)
    @cython.locals(item=Runnable)
    cpdef list clear(self)
