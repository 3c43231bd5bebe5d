from giambio.asyncio.transports.ready_transports cimport ReadyTransports
from giambio.asyncio.transports.socket_transport cimport SocketTransport
from giambio.asyncio.transports cimport write_queue
from giambio.asyncio.transports.write_queue cimport WriteQueue
from giambio.drivers.source cimport Source
from giambio.net cimport syscalls

cimport cython


cdef class StreamTransport(SocketTransport):
    cdef WriteQueue _queue
    cdef bint _short_reads
    cdef bint _plenty
    cdef bint _eof
    cdef bint _is_buffered
    cdef object _empty_waiter
    cdef object _data_received
    cdef object _server

    cdef object _receive(self, Source source)
    @cython.locals(data=bytes, count=Py_ssize_t)
    cdef bint _receive_bytes(self, Source source) except -1
    @cython.locals(count=Py_ssize_t, size=Py_ssize_t)
    cdef bint _receive_into(self, Source source) except -1
    cdef object _take_eof(self)
    @cython.locals(sent=Py_ssize_t)
    cdef Py_ssize_t _send(self, object data) except -1
    @cython.locals(source=Source)
    cdef object _wait_for_room(self)
    cdef object _flush(self, Source source)
    cdef object _check_writing(self, str method)
    cdef object _shut_down(self)
    cdef Py_ssize_t _unsent(self) except -1
    cdef object _drop_unsent(self)
    cdef object _let_go(self, object exc)
    cdef object _detach(self)
