from giambio.drivers cimport directions
from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Source, Waiter


cdef class Entry:
    cdef int fd
    cdef int registered
    cdef Source source
    cdef list watchers

    cdef int wanted(self) except -1


cdef class SelectorsDriver(Driver):
    cdef object _selector
    cdef dict _entries
    cdef list _events

    cpdef object arm(self, Source source, int direction)
    cpdef object forget(self, Source source)
    cpdef bint watch(self, int fd, int direction, Waiter waiter) except *
    cpdef object unwatch(self, int fd, int direction)
    cpdef Waiter watcher(self, int fd, int direction)
    cpdef object wait(self, double timeout)
    cpdef object deliver(self)
    cpdef object close(self, bint forked=*)
    cdef Entry _entry(self, int fd)
    cdef object _dispatch(self, Entry entry, int happened)
    cdef object _enlarge(self, Entry entry)
    cdef object _shrink(self, Entry entry)
    cdef object _drop_if_unused(self, Entry entry)
