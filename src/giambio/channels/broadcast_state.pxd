from giambio.channels cimport stores
from giambio.channels.closing cimport Droppable, ReceivingOperation
from giambio.channels.stores cimport RingBuffer
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

    @cython.locals(inbox=Inbox, count=Py_ssize_t)
    cdef Py_ssize_t deliver(self, object item) except -1
    @cython.locals(sender=BroadcastSend)
    cdef object let_in(self)
    @cython.locals(inbox=Inbox, count=Py_ssize_t)
    cdef Py_ssize_t takers(self) except -1
    @cython.locals(inbox=Inbox)
    cdef object wake_all(self)
    @cython.locals(inbox=Inbox)
    cdef object check_thread(self, str what)
    @cython.locals(inbox=Inbox, longest=Py_ssize_t, receiving=Py_ssize_t)
    cdef object statistics(self)


cdef class Inbox:
    cdef BroadcastState hub
    cdef RingBuffer items
    cdef WaitQueue receivers
    cdef str overflow
    cdef bint waits
    cdef object dropped
    cdef bint cut_off

    cdef bint put(self, object item) except -1
    cdef bint put_into_full(self, object item) except -1
    cdef bint takes_more(self) except -1
    cdef object put_back(self, object item)
    @cython.locals(items=RingBuffer, hub=BroadcastState)
    cdef object take(self)


cdef class BroadcastSend(QueuedOperation):
    cdef BroadcastState hub
    cdef object item

    @cython.locals(broadcast=Droppable, hub=BroadcastState, inbox=Inbox)
    cdef bint attempt(self) except -1


cdef class BroadcastReceive(ReceivingOperation):
    cdef Inbox inbox

    @cython.locals(subscription=Droppable, inbox=Inbox, hub=BroadcastState)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


@cython.locals(operation=BroadcastSend)
cdef BroadcastSend new_send(Droppable broadcast, BroadcastState hub, object item)

@cython.locals(operation=BroadcastReceive)
cdef BroadcastReceive new_receive(Droppable subscription, Inbox inbox, bint iterating)
