from giambio.channels cimport broadcast_state, stores
from giambio.channels.closing cimport Droppable
from giambio.channels.broadcast_state cimport BroadcastState, Inbox

cimport cython


cdef class Broadcast(Droppable):
    cdef BroadcastState _hub

    cdef object _close_now(self)
    @cython.locals(hub=BroadcastState)
    cdef tuple _on_drop(self)


cdef class Subscription(Droppable):
    cdef Inbox _inbox

    @cython.locals(inbox=Inbox)
    cdef object _close_now(self)
    @cython.locals(inbox=Inbox, hub=BroadcastState)
    cdef tuple _on_drop(self)
