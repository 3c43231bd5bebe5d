from giambio.asyncio.transports.ready_streams cimport ReadyStreams
from giambio.asyncio.transports cimport write_queue
from giambio.asyncio.transports.write_queue cimport WriteQueue
from giambio.drivers cimport interest
from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Source
from giambio.kernel.run_queue cimport Runnable
from giambio.net cimport syscalls
from giambio.net.syscalls cimport ReceiveBuffer

cimport cython


cdef class StreamTransport(Runnable):
    cdef object __weakref__
    cdef readonly object _loop
    cdef ReadyStreams _ready_streams
    cdef readonly object _sock
    cdef readonly int _sock_fd
    cdef dict _extra
    cdef object _run_in_context
    cdef Source _source
    cdef ReceiveBuffer _buffer
    cdef WriteQueue _queue
    cdef bint _short_reads
    cdef bint _plenty
    cdef bint _paused
    cdef bint _eof
    cdef bint _closing
    cdef bint _is_buffered
    cdef Py_ssize_t _conn_lost
    cdef object _empty_waiter
    cdef readonly bint _protocol_paused
    cdef Py_ssize_t _high_water
    cdef Py_ssize_t _low_water
    cdef object _protocol
    cdef object _data_received
    cdef object _server

    cdef void _ready(self) except *
    @cython.locals(source=Source)
    cdef void _run(self) except *
    cdef object _wait_to_read(self, Source source)
    cdef object _wait_to_write(self, Source source)
    @cython.locals(driver=Driver)
    cdef object _arm(self, Source source, int direction)
    cdef object _stop_reading(self)
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
    cdef object _count_lost_write(self)
    cdef object _shut_down(self)
    cdef object _set_limits(self, object high, object low)
    cdef object _maybe_pause_protocol(self)
    cdef object _maybe_resume_protocol(self)
    cdef object _lose(self, object exc)
    cdef object _report(self, object exc, str message)
    @cython.locals(source=Source, driver=Driver)
    cdef object _release(self)
    cdef object _detach(self)
