from giambio.channels cimport closing, ring_buffer
from giambio.channels.closing cimport Droppable
from giambio.channels.ring_buffer cimport RingBuffer
from giambio.channels.receiving cimport ReceivingOperation
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

    @cython.locals(receiver=Receive)
    cdef bint put(self, object item) except -1
    @cython.locals(receiver=Receive)
    cdef object put_back(self, object item)
    cdef object take(self)
    @cython.locals(sender=Send)
    cdef object take_from_sender(self)
    @cython.locals(sender=Send)
    cdef Send pop_sender(self)
    @cython.locals(receiver=Receive)
    cdef Receive pop_receiver(self)
    @cython.locals(sender=QueuedOperation, receiver=QueuedOperation)
    cdef object check_thread(self, str what)
    cdef object describe(self)


cdef class End(Droppable):
    cdef ChannelState _channel
    cdef Py_ssize_t _waiting

    cdef bint stand(self, QueuedOperation operation, WaitQueue line) except -1
    @cython.locals(line=WaitQueue)
    cdef object withdraw(self, QueuedOperation operation)
    @cython.locals(operation=QueuedOperation, following=QueuedOperation)
    cdef object expel(self, WaitQueue line)


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


cdef object closed_error(End end)
cdef object broken_error()

@cython.locals(operation=Send)
cdef Send new_send(End end, object item)

@cython.locals(operation=Receive)
cdef Receive new_receive(End end, bint iterating)
