from giambio.drivers cimport interest
from giambio.drivers.source cimport Source
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.net cimport syscalls
from giambio.net.basesocket cimport BaseSocket

cimport cython


cdef class SocketOperation(Operation):
    cdef BaseSocket _socket

    cdef object begin(self, BaseSocket sock)
    @cython.locals(source=Source)
    cdef Source occupy(self, int direction)
    @cython.locals(source=Source)
    cdef Source occupy_to_send(self)
    @cython.locals(source=Source)
    cdef object vacate(self)
    cdef bint abort(self) except -1
    cdef bint broken(self, object exc) except -1


cdef class Receive(SocketOperation):
    cdef Py_ssize_t _size

    @cython.locals(source=Source, sock=BaseSocket, data=bytes)
    cdef bint attempt(self) except -1
    @cython.locals(sock=BaseSocket, count=Py_ssize_t)
    cdef bint took(self, Source source, bytes data) except -1
    @cython.locals(task=BaseTask, source=Source, sock=BaseSocket, data=bytes)
    cdef void _ready(self) except *


cdef class ReceivingOperation(SocketOperation):
    @cython.locals(source=Source)
    cdef bint attempt(self) except -1
    cdef bint take(self, Source source) except -1


cdef class ReceiveInto(ReceivingOperation):
    cdef object _view

    @cython.locals(sock=BaseSocket, count=Py_ssize_t)
    cdef bint take(self, Source source) except -1


cdef class Accept(ReceivingOperation):
    @cython.locals(sock=BaseSocket)
    cdef bint take(self, Source source) except -1
    cdef bint broken(self, object exc) except -1


cdef class Send(SocketOperation):
    cdef object _data

    @cython.locals(source=Source, sock=BaseSocket, count=Py_ssize_t)
    cdef bint attempt(self) except -1


cdef class SendAll(SocketOperation):
    cdef object _data
    cdef Py_ssize_t _size
    cdef Py_ssize_t _offset

    @cython.locals(source=Source, sock=BaseSocket, count=Py_ssize_t)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef class SendEof(SocketOperation):
    cdef bint attempt(self) except -1


cdef class Connect(SocketOperation):
    cdef object _address
    cdef bint _begun

    @cython.locals(source=Source, sock=BaseSocket)
    cdef bint attempt(self) except -1
    cdef object _progress(self)
    cdef object interruption(self, BaseTask task)


cdef FreeList RECEIVES
cdef FreeList SENDS


@cython.locals(operation=Receive)
cdef Receive new_receive(BaseSocket sock, Py_ssize_t size)

@cython.locals(operation=SendAll)
cdef SendAll new_send_all(BaseSocket sock, object data)

cdef object bytes_like(str what, object data)
