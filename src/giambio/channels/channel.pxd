from giambio.channels cimport channel_state, stores
from giambio.channels.channel_state cimport ChannelState, End
from giambio.kernel.wait_queue cimport QueuedOperation

cimport cython


cdef class SendChannel(End):
    cdef object _close_now(self)
    @cython.locals(channel=ChannelState)
    cdef tuple _on_drop(self)


cdef class ReceiveChannel(End):
    cdef object _close_now(self)
    @cython.locals(channel=ChannelState)
    cdef tuple _on_drop(self)
