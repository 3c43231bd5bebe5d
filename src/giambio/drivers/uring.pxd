from libc.stdint cimport int64_t, uint32_t, uint64_t

from giambio.drivers.source cimport Waiter


cdef class Request:
    cdef readonly int outcome
    cdef readonly bint done
    cdef readonly bint under_way
    cdef readonly bint opens
    cdef Waiter _waiter
    cdef object _memory
    cdef object _statx
    cdef Py_buffer _view
    cdef bint _viewed
    cdef bint _reads
    cdef uint64_t _number
    cdef int _opcode
    cdef int _fd
    cdef uint64_t _address
    cdef uint32_t _length
    cdef uint64_t _offset
    cdef uint32_t _op_flags
    cdef unsigned char _flags

    cdef object _complete(self, int outcome)
    cpdef object value(self)
    cpdef object abandon(self)


cdef class Ring:
    cdef void *_ring
    cdef dict _under_way
    cdef uint64_t _numbers
    cdef readonly int fd
    cdef readonly int event_fd
    cdef int _process

    cpdef object submit(self, Request request, Waiter waiter)
    cpdef object cancel(self, Request request)
    cpdef object reap(self)
    cpdef object close(self)
