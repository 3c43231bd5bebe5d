from giambio.channels cimport closing, stores
from giambio.channels.closing cimport Droppable, ReceivingOperation
from giambio.channels.stores cimport RingBuffer
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class ChannelState:
    cdef object size
    cdef Py_ssize_t limit
    cdef RingBuffer items
    cdef WaitQueue senders
    cdef WaitQueue receivers
    cdef Py_ssize_t open_senders
    cdef Py_ssize_t open_receivers
    cdef Kernel kernel

    cdef bint put(self, object item) except -1
    cdef object put_back(self, object item)
    @cython.locals(receiver=Receive)
    cdef bint hand_over(self, object item) except -1
    cdef object take(self)
    @cython.locals(sender=Send)
    cdef object take_from_sender(self)


cdef class End(Droppable):
    cdef ChannelState _channel
    cdef Py_ssize_t _waiting

    cdef object _join(self, object channel)
    @cython.locals(
        channel=ChannelState, either=WaitQueue, operation=QueuedOperation, following=QueuedOperation
    )
    cdef object _leave(self, WaitQueue queue, object count_out)
    cdef bint _wait(self, QueuedOperation operation, WaitQueue queue) except -1
    @cython.locals(queue=WaitQueue)
    cdef object _withdraw(self, QueuedOperation operation)


cdef class Send(QueuedOperation):
    cdef End end
    cdef object item

    @cython.locals(end=End, channel=ChannelState)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef class Receive(ReceivingOperation):
    cdef End end

    @cython.locals(end=End, channel=ChannelState)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    cdef object give_back(self)


@cython.locals(operation=Send)
cdef Send new_send(End end, object item)

@cython.locals(operation=Receive)
cdef Receive new_receive(End end, bint iterating)
