from giambio.drivers cimport interest
from giambio.drivers.source cimport Source
from giambio.kernel.operation cimport Operation
from giambio.net cimport socket_operations, syscalls
from giambio.net.socket_state cimport SocketState
from giambio.net.socket_operations cimport SendAll, SocketOperation
from giambio.net.socket cimport AsyncSocket

cimport cython


cdef class SendFds(SendAll):
    cdef list _fds

    @cython.locals(source=Source, sock=SocketState)
    cdef bint attempt(self) except -1


cdef class ReceiveFds(SocketOperation):
    cdef Py_ssize_t _size
    cdef int _most

    @cython.locals(source=Source, sock=SocketState)
    cdef bint attempt(self) except -1
