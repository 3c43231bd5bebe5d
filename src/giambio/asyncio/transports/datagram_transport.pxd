from giambio.asyncio.transports.ready_transports cimport ReadyTransports
from giambio.asyncio.transports.socket_transport cimport SocketTransport
from giambio.asyncio.transports cimport write_queue
from giambio.drivers.source cimport Source
from giambio.kernel.kernel cimport Kernel
from giambio.net cimport syscalls

cimport cython


cdef class DatagramTransport(SocketTransport):
    cdef object _address
    cdef object _datagram_received
    cdef bint _is_connected
    cdef object _datagrams
    cdef Py_ssize_t _size

    cdef object _receive(self, Source source)
    cdef object _take(self, tuple received)
    cdef object _tell_of_error(self, object exc)
    cdef bint _send(self, object data, object addr) except -1
    @cython.locals(source=Source, kernel=Kernel)
    cdef object _wait_for_room(self)
    cdef object _flush(self, Source source)
    cdef object _forget_first(self)
    cdef Py_ssize_t _unsent(self) except -1
    cdef object _drop_unsent(self)
    cdef object _let_go(self, object exc)
