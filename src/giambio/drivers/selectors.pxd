from giambio.drivers cimport interest
from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Source, Waiter

cimport cython


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

    @cython.locals(entry=Entry)
    cpdef object arm(self, Source source, int direction)
    @cython.locals(entry=Entry)
    cpdef object forget(self, Source source)
    @cython.locals(entry=Entry)
    cpdef bint watch(self, int fd, int direction, Waiter waiter) except *
    @cython.locals(entry=Entry)
    cpdef object unwatch(self, int fd, int direction)
    @cython.locals(entry=Entry)
    cpdef Waiter watcher(self, int fd, int direction)
    cpdef object wait(self, double timeout)
    @cython.locals(entry=Entry)
    cpdef object deliver(self)
    @cython.locals(entry=Entry)
    cpdef object close(self, bint forked=*)
    @cython.locals(entry=Entry)
    cdef Entry _entry(self, int fd)
    @cython.locals(source=Source, waiter=Waiter)
    cdef object _dispatch(self, Entry entry, int happened)
    cdef object _enlarge(self, Entry entry)
    cdef object _shrink(self, Entry entry)
    cdef object _register(self, Entry entry, int wanted)
    cdef object _drop_if_unused(self, Entry entry)
