from giambio.channels cimport handover, ring
from giambio.channels.handover cimport Channel, End
from giambio.kernel.line cimport Waiting

cimport cython


cdef class SendChannel(End):
    @cython.locals(channel=Channel)
    cpdef object close_now(self)
    @cython.locals(channel=Channel)
    cdef bint dropped(self) except -1


cdef class ReceiveChannel(End):
    @cython.locals(channel=Channel)
    cpdef object close_now(self)
    @cython.locals(channel=Channel)
    cdef bint dropped(self) except -1


@cython.locals(end=SendChannel)
cdef SendChannel new_send_channel(Channel channel)

@cython.locals(end=ReceiveChannel)
cdef ReceiveChannel new_receive_channel(Channel channel)
