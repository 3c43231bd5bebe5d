from giambio.drivers cimport nowait
from giambio.files.file_routes cimport Counts
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class OperationLock:
    cdef object __weakref__
    cdef public Kernel kernel
    cdef public bint closed
    cdef public bint locked
    cdef readonly WaitQueue waiters

    @cython.locals(first=QueuedOperation)
    cpdef object release(self)


cdef class FileState(OperationLock):
    cdef readonly int fd
    cdef public object name
    cdef readonly bint readable
    cdef readonly bint writable
    cdef public bint appending
    cdef public bint cached
    cdef readonly bint stepwise
    cdef readonly Py_ssize_t fill
    cdef readonly Py_ssize_t direct
    cdef public Py_ssize_t limit
    cdef public bytes ahead
    cdef public Py_ssize_t at
    cdef public list pending
    cdef public Py_ssize_t pending_size
    cdef readonly bint pollable
    cdef readonly bint shared
    cdef public int how
    cdef readonly int kind
    cdef readonly bint use_ring
    cdef readonly bint seekable
    cdef readonly Counts counts
    cdef readonly object made_at
    cdef object fd_lock

    cpdef Py_ssize_t unread(self) noexcept
    cpdef bytes take_ahead(self)
    cpdef object put_ahead(self, bytes data)
    cdef object refused(self)
    cdef bint _reopen(self) except -1
    cdef object _write_rest(self)
    cpdef object drop_pending(self)
    cpdef object suspend(self)
    cpdef object resume(self, Kernel kernel, int fd)
    cpdef int surrender(self) except? -1
    cpdef object close_now(self)
