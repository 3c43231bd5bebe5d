from giambio.channels cimport closing, ring_buffer
from giambio.channels.closing cimport Droppable
from giambio.channels.ring_buffer cimport RingBuffer
from giambio.channels.receiving cimport ReceivingOperation
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class BroadcastState:
    cdef object size
    cdef Py_ssize_t limit
    cdef dict inboxes
    cdef Py_ssize_t full
    cdef WaitQueue senders
    cdef bint open
    cdef Kernel kernel

    @cython.locals(inbox=Inbox)
    cdef Py_ssize_t deliver(self, object item) except -1
    @cython.locals(sender=BroadcastSend)
    cdef object let_in(self)
    cdef Inbox subscribe(self)
    cdef object unsubscribe(self, Inbox inbox)
    @cython.locals(sender=QueuedOperation, inbox=Inbox, receiver=QueuedOperation)
    cdef object check_thread(self, str what)
    @cython.locals(inbox=Inbox)
    cdef object wake_receivers(self)
    @cython.locals(inbox=Inbox, longest=Py_ssize_t, receiving=Py_ssize_t)
    cdef object statistics(self)
    cdef object describe(self)


cdef class Inbox:
    cdef BroadcastState hub
    cdef RingBuffer items
    cdef WaitQueue receivers

    @cython.locals(receiver=QueuedOperation)
    cdef object put(self, object item)
    @cython.locals(receiver=QueuedOperation)
    cdef object put_back(self, object item)
    @cython.locals(items=RingBuffer, hub=BroadcastState)
    cdef object take(self)
    cdef object describe(self)


cdef class BroadcastSend(QueuedOperation):
    cdef Droppable broadcast
    cdef BroadcastState hub
    cdef object item

    @cython.locals(hub=BroadcastState, inbox=Inbox)
    cdef bint attempt(self) except -1


cdef class BroadcastReceive(ReceivingOperation):
    cdef Droppable subscription
    cdef Inbox inbox

    @cython.locals(inbox=Inbox, hub=BroadcastState)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


cdef object closed_error(str what)

@cython.locals(operation=BroadcastSend)
cdef BroadcastSend new_send(Droppable broadcast, BroadcastState hub, object item)

@cython.locals(operation=BroadcastReceive)
cdef BroadcastReceive new_receive(Droppable subscription, Inbox inbox, bint iterating)
