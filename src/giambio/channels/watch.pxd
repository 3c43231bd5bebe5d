from giambio.channels.closing cimport Droppable, ReceivingOperation
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue

cimport cython


cdef class Watched:
    cdef object value
    cdef long long changes
    cdef WaitQueue watchers
    cdef bint open
    cdef Kernel kernel


cdef class Watch(Droppable):
    cdef Watched _watched

    cdef object _close_now(self)
    @cython.locals(watched=Watched)
    cdef tuple _on_drop(self)


cdef class Watcher:
    cdef object __weakref__
    cdef Watched _watched
    cdef long long _seen


cdef class Change(ReceivingOperation):
    @cython.locals(watcher=Watcher, watched=Watched)
    cdef bint attempt(self) except -1


@cython.locals(operation=Change)
cdef Change new_change(Watcher watcher, bint iterating)
