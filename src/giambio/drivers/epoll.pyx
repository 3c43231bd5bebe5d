# platform: linux
"""The native epoll driver; `epoll.py` explains it, in Python.

Natively an event carries a generation beside the slot (the descriptor's number),
and waiting releases the GIL only when it can really wait.
"""

from libc.errno cimport EEXIST, EINTR, errno
from libc.stdint cimport uint32_t, uint64_t

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno

from giambio.drivers.interest cimport READING, WRITING
from giambio.drivers.driver cimport Driver
from giambio.drivers.fd_watches cimport FdWatches
from giambio.drivers.source cimport Source, Waiter

from giambio.drivers.fd_watches import FdWatches

cdef extern from "<sys/epoll.h>" nogil:
    cdef union epoll_data:
        uint64_t u64
    ctypedef epoll_data epoll_data_t
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL
    uint32_t EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLERR, EPOLLHUP, EPOLLET
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event *event)
    int epoll_wait(int epfd, epoll_event *events, int maxevents, int timeout)

cdef extern from "<unistd.h>" nogil:
    int close(int fd)

cdef enum:
    MAX_EVENTS = 128
    LONGEST_WAIT = 86_400_000  # a day, in milliseconds

cdef uint32_t INTEREST = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET
cdef uint32_t STICKY = EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP
cdef uint32_t READABLE = EPOLLIN | STICKY
cdef uint32_t WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP


cdef class EpollDriver(Driver):
    cdef int _epoll
    cdef int _count
    cdef unsigned int _generation
    cdef list _slots
    cdef FdWatches _levels
    cdef epoll_event _events[MAX_EVENTS]

    name = "epoll"

    def __cinit__(self):
        self._epoll = epoll_create1(EPOLL_CLOEXEC)
        if self._epoll < 0:
            PyErr_SetFromErrno(OSError)

    def __init__(self):
        self._slots = []
        # From the start: a program finds no descriptor beside its own that a watch has opened.
        self._levels = FdWatches()
        self.arm(self._levels.source, READING)

    def __dealloc__(self):
        if self._epoll >= 0:
            close(self._epoll)

    cpdef object arm(self, Source source, int direction):
        """See `Driver.arm`: the first time registers for good."""
        cdef epoll_event event
        cdef Source older
        if source.slot >= 0:
            return
        self._generation += 1
        source.generation = self._generation
        event.events = INTEREST
        event.data.u64 = (<uint64_t>source.generation << 32) | <uint32_t>source.fd
        if epoll_ctl(self._epoll, EPOLL_CTL_ADD, source.fd, &event) < 0:
            error = errno
            if error == EEXIST:
                raise OSError(
                    f"descriptor {source.fd} is already registered by another socket object"
                )
            errno_to_error(error)
        while len(self._slots) <= source.fd:
            self._slots.append(None)
        older = self._slots[source.fd]
        if older is not None:  # closed behind our back, and the number is used again
            older.slot = -1
            older.armed = 0
        source.slot = source.fd
        source.armed = READING | WRITING
        self._slots[source.slot] = source

    cpdef object forget(self, Source source):
        """See `Driver.forget`."""
        cdef epoll_event unused
        if source.slot >= 0:
            self._slots[source.slot] = None
            source.slot = -1
            source.armed = 0
            epoll_ctl(self._epoll, EPOLL_CTL_DEL, source.fd, &unused)

    cpdef bint watch(self, int fd, int direction, Waiter waiter) except *:
        """See `Driver.watch`."""
        return self._levels.watch(fd, direction, waiter)

    cpdef object unwatch(self, int fd, int direction):
        """See `Driver.unwatch`."""
        self._levels.unwatch(fd, direction)

    cpdef Waiter watcher(self, int fd, int direction):
        """See `Driver.watcher`."""
        return self._levels.watcher(fd, direction)

    cpdef object wait(self, double timeout):
        """See `Driver.wait`."""
        cdef int milliseconds, count
        if self._count:  # a signal came in between; an edge that is lost never comes back
            PyErr_CheckSignals()
            return
        if timeout == 0.0:
            count = epoll_wait(self._epoll, self._events, MAX_EVENTS, 0)
        else:
            if timeout < 0.0:
                milliseconds = -1
            elif timeout * 1000.0 >= LONGEST_WAIT:
                milliseconds = LONGEST_WAIT
            else:  # round up: waking early would spin until the deadline
                milliseconds = <int>(timeout * 1000.0 + 0.999)
            with nogil:
                count = epoll_wait(self._epoll, self._events, MAX_EVENTS, milliseconds)
        if count < 0:
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            count = 0
        self._count = count
        PyErr_CheckSignals()

    cpdef object deliver(self):
        """See `Driver.deliver`."""
        cdef int i, slot, count
        cdef uint32_t happened
        cdef uint64_t data
        cdef Source source
        count = self._count
        self._count = 0
        if count > 1:
            self._levels_first(count)
        for i in range(count):
            data = self._events[i].data.u64
            happened = self._events[i].events
            slot = <int>(<uint32_t>data)
            source = self._slots[slot]
            if source is None or source.generation != <unsigned int>(data >> 32):
                continue  # forgotten since `wait`; the slot may be another's now
            source.report(
                happened & READABLE != 0, happened & WRITABLE != 0, happened & STICKY != 0
            )

    cdef void _levels_first(self, int count) noexcept:
        """Put watches first: they are notified before a receive on the descriptor takes the data."""
        cdef int i
        if not self._levels.watching():
            return
        for i in range(count):
            if <int>(<uint32_t>self._events[i].data.u64) == self._levels.source.slot:
                self._events[0], self._events[i] = self._events[i], self._events[0]

    cpdef object close(self, bint forked=False):
        """See `Driver.close`."""
        self._levels.close()
        if self._epoll >= 0:
            close(self._epoll)
            self._epoll = -1
        for source in self._slots:
            if source is not None:
                (<Source>source).slot = -1
                (<Source>source).armed = 0
        self._slots.clear()
        self._count = 0


cdef int errno_to_error(int number) except -1:
    """Raise the OSError of an error number."""
    import os

    raise OSError(number, os.strerror(number))
