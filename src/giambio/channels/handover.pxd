from giambio.channels cimport ends, ring
from giambio.channels.ends cimport Droppable
from giambio.channels.ring cimport Ring
from giambio.channels.taking cimport Taking
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Channel:
    cdef object size
    cdef Py_ssize_t limit
    cdef Ring items
    cdef Line senders
    cdef Line receivers
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
    @cython.locals(sender=Waiting, receiver=Waiting)
    cdef object check_thread(self, str what)
    cdef object describe(self)


cdef class End(Droppable):
    cdef Channel _channel
    cdef Py_ssize_t _waiting

    cdef bint stand(self, Waiting operation, Line line) except -1
    @cython.locals(line=Line)
    cdef object withdraw(self, Waiting operation)
    @cython.locals(operation=Waiting, following=Waiting)
    cdef object expel(self, Line line)


cdef class Send(Waiting):
    cdef End end
    cdef object item

    @cython.locals(end=End, channel=Channel)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef class Receive(Taking):
    cdef End end

    @cython.locals(end=End, channel=Channel)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    cdef object give_back(self)


cdef object closed_error(End end)
cdef object broken_error()

@cython.locals(operation=Send)
cdef Send new_send(End end, object item)

@cython.locals(operation=Receive)
cdef Receive new_receive(End end, bint iterating)
