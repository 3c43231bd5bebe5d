from giambio.channels cimport ends, ring
from giambio.channels.ends cimport Droppable
from giambio.channels.ring cimport Ring
from giambio.channels.taking cimport Taking
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Hub:
    cdef object size
    cdef Py_ssize_t limit
    cdef dict inboxes
    cdef Py_ssize_t full
    cdef Line senders
    cdef bint open
    cdef Kernel kernel

    @cython.locals(inbox=Inbox)
    cdef Py_ssize_t deliver(self, object item) except -1
    @cython.locals(sender=BroadcastSend)
    cdef object let_in(self)
    cdef Inbox subscribe(self)
    cdef object unsubscribe(self, Inbox inbox)
    @cython.locals(sender=Waiting, inbox=Inbox, receiver=Waiting)
    cdef object check_thread(self, str what)
    @cython.locals(inbox=Inbox)
    cdef object wake_receivers(self)
    @cython.locals(inbox=Inbox, longest=Py_ssize_t, receiving=Py_ssize_t)
    cdef object statistics(self)
    cdef object describe(self)


cdef class Inbox:
    cdef Hub hub
    cdef Ring items
    cdef Line receivers

    @cython.locals(receiver=Waiting)
    cdef object put(self, object item)
    @cython.locals(receiver=Waiting)
    cdef object put_back(self, object item)
    @cython.locals(items=Ring, hub=Hub)
    cdef object take(self)
    cdef object describe(self)


cdef class BroadcastSend(Waiting):
    cdef Droppable broadcast
    cdef Hub hub
    cdef object item

    @cython.locals(hub=Hub, inbox=Inbox)
    cdef bint attempt(self) except -1


cdef class BroadcastReceive(Taking):
    cdef Droppable subscription
    cdef Inbox inbox

    @cython.locals(inbox=Inbox, hub=Hub)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


cdef object closed_error(str what)

@cython.locals(operation=BroadcastSend)
cdef BroadcastSend new_send(Droppable broadcast, Hub hub, object item)

@cython.locals(operation=BroadcastReceive)
cdef BroadcastReceive new_receive(Droppable subscription, Inbox inbox, bint iterating)
