from giambio.drivers cimport interest
from giambio.drivers.source cimport Source
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.net cimport socket_operations, syscalls
from giambio.net.basesocket cimport BaseSocket
from giambio.net.socket_operations cimport ReceivingOperation, SocketOperation

cimport cython


cdef class AsyncDatagramSocket(BaseSocket):
    cdef object _known
    cdef object _senders

    @cython.locals(waiting=SendDatagram)
    cpdef object close_now(self)


cdef class ReceiveDatagram(ReceivingOperation):
    cdef Py_ssize_t _size
    cdef bint _from

    @cython.locals(sock=AsyncDatagramSocket)
    cdef bint take(self, Source source) except -1
    cdef bint broken(self, object exc) except -1


cdef class SendDatagram(SocketOperation):
    cdef object _data
    cdef object _address

    @cython.locals(source=Source, sock=AsyncDatagramSocket, sent=bint)
    cdef bint attempt(self) except -1
    cdef bint send_now(self, AsyncDatagramSocket sock) except -1
    @cython.locals(kernel=Kernel)
    cdef object wait_for_room(self, AsyncDatagramSocket sock, Source source)
    @cython.locals(source=Source, sock=AsyncDatagramSocket, following=SendDatagram)
    cdef object vacate(self)
