from giambio.drivers.source cimport Waiter


cdef struct Due:
    double deadline
    long long number


cdef class Timers:
    cdef list _waiters
    cdef Due *_dues
    cdef Py_ssize_t _room
    cdef long long _number

    cdef int add(self, double deadline, Waiter waiter) except -1
    cdef int remove(self, Waiter waiter) except -1
    cdef bint holds(self, Waiter waiter) noexcept
    cdef bint is_empty(self) noexcept
    cdef double next_deadline(self) noexcept
    cdef int fire(self, double now) except -1
    cdef int clear(self) except -1
    cdef void _rise(self, Py_ssize_t at) noexcept
    cdef void _sink(self, Py_ssize_t at) noexcept
