from giambio.drivers cimport interest
from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Source, Waiter
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Closed, Immediate, Operation
from giambio.net cimport syscalls, wait_fd
from giambio.net.syscalls cimport ReceiveBuffer

cimport cython


cdef class BaseSocket:
    cdef object __weakref__
    cdef Kernel _kernel
    cdef readonly object _sock
    cdef int _fd
    cdef Source _source
    cdef bint _short_reads
    cdef bint _plenty
    cdef bint _send_broken
    cdef int _broken_by
    cdef ReceiveBuffer _buffer
    cdef public object _made_at

    @cython.locals(source=Source, waiter=Waiter, driver=Driver)
    cpdef object close_now(self)
    cpdef object _open_socket(self)
    @cython.locals(driver=Driver)
    cdef object _wait(self, Source source, int direction)
    cdef object _how_it_broke(self)
