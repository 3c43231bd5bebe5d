from giambio.drivers cimport nowait
from giambio.files.line_ends cimport line_end
from giambio.files.turn cimport Turns
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation

cimport cython


cdef list CACHE_COUNTS


cdef class FileState:
    cdef object __weakref__
    cdef public Kernel kernel
    cdef readonly Turns turns
    cdef public bint closed
    cdef readonly int fd
    cdef readonly object name
    cdef readonly str mode
    cdef readonly bint can_read
    cdef readonly bint can_write
    cdef readonly bint can_seek
    cdef readonly bint appending
    cdef readonly Py_ssize_t buffer
    cdef readonly Py_ssize_t direct
    cdef public Py_ssize_t limit
    cdef public bytes ahead
    cdef public Py_ssize_t at
    cdef public bint is_text
    cdef public str text
    cdef public Py_ssize_t used
    cdef public bint by_newline
    cdef public bytearray pending
    cdef readonly bint pollable
    cdef readonly int how
    cdef readonly bint in_cache
    cdef readonly object made_at
    cdef object fd_lock

    cpdef Py_ssize_t unread(self) noexcept
    @cython.locals(start=Py_ssize_t, data=bytes)
    cpdef bytes take(self, Py_ssize_t size)
    cpdef object put(self, bytes data)
    cdef Py_ssize_t line_end(self) except -1
    cdef bint is_at(self, object data, Py_ssize_t start) noexcept
    @cython.locals(start=Py_ssize_t)
    cdef object take_line(self, Py_ssize_t end)
    @cython.locals(left=Py_ssize_t, data=bytes)
    cpdef object read_at_once(self, Py_ssize_t size)
    @cython.locals(left=Py_ssize_t, data=bytes)
    cpdef object read_rest_at_once(self)
    cpdef object seek_at_once(self, object offset)
    @cython.locals(data=bytes)
    cpdef object read_now(self, Py_ssize_t size)
    @cython.locals(count=Py_ssize_t)
    cpdef Py_ssize_t write_now(self, object data, Py_ssize_t start) except -2
    cdef object _refused(self, exc)
    cdef bint _reopen(self) except -1
    cpdef int surrender(self) except? -1
    cpdef object suspend(self)
    cpdef object resume(self, Kernel kernel, int fd)
    cpdef bint closes_at_once(self)
    cpdef object close_now(self)
    cdef object _write_rest(self)


cdef class Read(Operation):
    cdef FileState _file
    cdef Py_ssize_t _size

    cdef bint attempt(self) except -1


cdef class Seek(Operation):
    cdef FileState _file
    cdef object _offset

    cdef bint attempt(self) except -1
