from giambio.channels cimport hub as hubs
from giambio.channels cimport ring
from giambio.channels.ends cimport Droppable
from giambio.channels.hub cimport Hub, Inbox

cimport cython


cdef class Broadcast(Droppable):
    cdef Hub _hub

    cpdef object close_now(self)
    @cython.locals(hub=Hub)
    cdef bint dropped(self) except -1


cdef class Subscription(Droppable):
    cdef Inbox _inbox

    @cython.locals(inbox=Inbox)
    cpdef object close_now(self)
    @cython.locals(hub=Hub)
    cdef bint dropped(self) except -1
