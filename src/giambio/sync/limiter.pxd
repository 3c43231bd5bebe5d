from giambio.kernel cimport current
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class CapacityLimiter:
    cdef object __weakref__
    cdef object _total
    cdef Py_ssize_t _most
    cdef dict _borrowers
    cdef set _requested
    cdef WaitQueue _waiters

    cdef object _set_total(self, str what, object total)
    cdef object _problem(self, object borrower)
    cdef object _give_up(self, object borrower)
    @cython.locals(first=LimiterAcquire)
    cdef object _hand_out(self)
    @cython.locals(kernel=Kernel)
    cdef object _leave(self, object exc)


cdef class LimiterAcquire(QueuedOperation):
    cdef bint _for_task
    cdef object _borrower

    @cython.locals(limiter=CapacityLimiter)
    cdef bint attempt(self) except -1
    @cython.locals(limiter=CapacityLimiter)
    cdef bint abort(self) except -1
    @cython.locals(limiter=CapacityLimiter)
    cdef object give_back(self)
