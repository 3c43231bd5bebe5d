from giambio.drivers cimport interest
from giambio.drivers.source cimport Source
from giambio.kernel.operation cimport Operation
from giambio.net cimport socket_operations, syscalls
from giambio.net.basesocket cimport BaseSocket
from giambio.net.socket cimport AsyncSocket
from giambio.net.socket_operations cimport ReceivingOperation, SendAll

cimport cython


cdef class SendFds(SendAll):
    cdef list _fds

    @cython.locals(source=Source, sock=BaseSocket)
    cdef bint attempt(self) except -1


cdef class ReceiveFds(ReceivingOperation):
    cdef Py_ssize_t _size
    cdef int _most

    cdef bint take(self, Source source) except -1
