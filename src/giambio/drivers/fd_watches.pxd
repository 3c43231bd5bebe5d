from giambio.drivers cimport interest
from giambio.drivers.source cimport Source, Waiter

cimport cython


cdef class FdWatches(Waiter):
    cdef object _epoll
    cdef dict _watches
    cdef readonly Source source

    cpdef bint watch(self, int fd, int direction, Waiter waiter) except *
    cpdef object unwatch(self, int fd, int direction)
    cpdef Waiter watcher(self, int fd, int direction)
    cdef bint watching(self) noexcept
    cdef void _ready(self) except *
    cpdef object close(self)
    @cython.locals(waiter=Waiter)
    cdef object _dispatch(self, list events)
    cdef object _modify(self, int fd, list waiters)
