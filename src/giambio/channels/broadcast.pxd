from giambio.channels cimport broadcast_state as hubs
from giambio.channels cimport ring_buffer
from giambio.channels.closing cimport Droppable
from giambio.channels.broadcast_state cimport BroadcastState, Inbox

cimport cython


cdef class Broadcast(Droppable):
    cdef BroadcastState _hub

    cpdef object close_now(self)
    @cython.locals(hub=BroadcastState)
    cdef bint dropped(self) except -1


cdef class Subscription(Droppable):
    cdef Inbox _inbox

    @cython.locals(inbox=Inbox)
    cpdef object close_now(self)
    @cython.locals(hub=BroadcastState)
    cdef bint dropped(self) except -1
