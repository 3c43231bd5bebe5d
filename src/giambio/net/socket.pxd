from giambio.drivers cimport directions
from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Source, Waiter
from giambio.kernel.basetask cimport BaseTask
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Immediate, Operation
from giambio.net cimport transfer
from giambio.net.transfer cimport ReceiveBuffer

cimport cython


cdef class AsyncSocket:
    cdef object __weakref__
    cdef Kernel _kernel
    cdef object _sock
    cdef int _fd
    cdef Source _source
    cdef bint _short_reads
    cdef bint _send_broken
    cdef ReceiveBuffer _buffer
    cdef object _made_at

    @cython.locals(source=Source, reader=Waiter, writer=Waiter, driver=Driver)
    cpdef object close_now(self)
    cdef object _open_socket(self)
    @cython.locals(driver=Driver)
    cdef object _wait(self, Source source, int direction)


cdef class SocketOperation(Operation):
    cdef AsyncSocket _socket

    cdef object begin(self, AsyncSocket sock)
    @cython.locals(source=Source)
    cdef Source occupy(self, int direction)
    @cython.locals(source=Source)
    cdef object vacate(self)
    cdef bint abort(self) except -1
    cdef bint broken(self, object exc) except -1


cdef class Receive(SocketOperation):
    cdef Py_ssize_t _size

    @cython.locals(source=Source, sock=AsyncSocket, count=Py_ssize_t, data=bytes)
    cdef bint attempt(self) except -1


cdef class ReceiveInto(SocketOperation):
    cdef object _view

    @cython.locals(source=Source, sock=AsyncSocket, count=Py_ssize_t)
    cdef bint attempt(self) except -1


cdef class Accept(SocketOperation):
    @cython.locals(source=Source, sock=AsyncSocket)
    cdef bint attempt(self) except -1


cdef class Send(SocketOperation):
    cdef object _data

    @cython.locals(source=Source, sock=AsyncSocket, count=Py_ssize_t)
    cdef bint attempt(self) except -1


cdef class SendAll(SocketOperation):
    cdef object _data
    cdef Py_ssize_t _size
    cdef Py_ssize_t _offset

    @cython.locals(source=Source, sock=AsyncSocket, count=Py_ssize_t)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef class SendEof(SocketOperation):
    @cython.locals(source=Source)
    cdef bint attempt(self) except -1


cdef class Connect(SocketOperation):
    cdef object _address
    cdef bint _begun

    @cython.locals(source=Source, sock=AsyncSocket)
    cdef bint attempt(self) except -1
    cdef object _progress(self, Source source)
    cdef object interruption(self, BaseTask task)


cdef class Closed(Operation):
    cdef bint attempt(self) except -1


@cython.locals(operation=Receive)
cdef Receive new_receive(AsyncSocket sock, Py_ssize_t size)

@cython.locals(operation=SendAll)
cdef SendAll new_send_all(AsyncSocket sock, object data)

cdef object bytes_like(str what, object data)
