from giambio.asyncio.transports.ready_transports cimport ReadyTransports
from giambio.drivers cimport interest
from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Source
from giambio.kernel.run_queue cimport Runnable
from giambio.net.syscalls cimport ReceiveBuffer

cimport cython


cdef class SocketTransport(Runnable):
    cdef object __weakref__
    cdef readonly object _loop
    cdef ReadyTransports _ready_transports
    cdef readonly object _sock
    cdef readonly int _sock_fd
    cdef dict _extra
    cdef object _run_in_context
    cdef Source _source
    cdef ReceiveBuffer _buffer
    cdef bint _paused
    cdef bint _closing
    cdef Py_ssize_t _conn_lost
    cdef readonly bint _protocol_paused
    cdef Py_ssize_t _high_water
    cdef Py_ssize_t _low_water
    cdef object _protocol

    cdef object _begin(
        self, object loop, ReadyTransports ready, object sock, object protocol, object extra,
        object context
    )
    cdef object _introduce(self, object waiter)
    cdef object _receive(self, Source source)
    cdef object _flush(self, Source source)
    cdef Py_ssize_t _unsent(self) except -1
    cdef object _drop_unsent(self)
    cdef object _let_go(self, object exc)
    cdef void _ready(self) except *
    @cython.locals(source=Source)
    cdef void _run(self) except *
    cdef object _wait_to_read(self, Source source)
    cdef object _wait_to_write(self, Source source)
    @cython.locals(driver=Driver)
    cdef object _arm(self, Source source, int direction)
    cdef object _stop_reading(self)
    cdef object _count_lost_write(self)
    cdef object _set_limits(self, object high, object low)
    cdef object _maybe_pause_protocol(self)
    cdef object _maybe_resume_protocol(self)
    cdef object _lose(self, object exc)
    cdef object _report(self, object exc, str message)
    @cython.locals(source=Source, driver=Driver)
    cdef object _release(self)
