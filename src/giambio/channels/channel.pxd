from giambio.channels cimport channel_state, ring_buffer
from giambio.channels.channel_state cimport ChannelState, End
from giambio.kernel.wait_queue cimport QueuedOperation

cimport cython


cdef class SendChannel(End):
    @cython.locals(channel=ChannelState)
    cpdef object close_now(self)
    @cython.locals(channel=ChannelState)
    cdef bint dropped(self) except -1


cdef class ReceiveChannel(End):
    @cython.locals(channel=ChannelState)
    cpdef object close_now(self)
    @cython.locals(channel=ChannelState)
    cdef bint dropped(self) except -1


@cython.locals(end=SendChannel)
cdef SendChannel new_send_channel(ChannelState channel)

@cython.locals(end=ReceiveChannel)
cdef ReceiveChannel new_receive_channel(ChannelState channel)
