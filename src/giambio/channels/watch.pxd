from giambio.channels cimport ends
from giambio.channels.ends cimport Droppable
from giambio.channels.taking cimport Taking
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Watched:
    cdef object value
    cdef long long changes
    cdef Line watchers
    cdef bint open
    cdef Kernel kernel


cdef class Watch(Droppable):
    cdef Watched _watched

    @cython.locals(watcher=Waiting)
    cpdef object close_now(self)
    @cython.locals(watched=Watched)
    cdef bint dropped(self) except -1


cdef class Watcher:
    cdef object __weakref__
    cdef Watched _watched
    cdef long long _seen


cdef class Change(Taking):
    cdef Watcher watcher

    @cython.locals(watcher=Watcher, watched=Watched)
    cdef bint attempt(self) except -1


@cython.locals(operation=Change)
cdef Change new_change(Watcher watcher, bint iterating)
