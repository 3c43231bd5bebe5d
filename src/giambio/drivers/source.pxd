cdef class Waiter:
    # Where its timer stands in the heap, counted from 1; see kernel/timers.
    cdef Py_ssize_t place

    cdef void _ready(self) except *


cdef class Source:
    cdef readonly int fd
    cdef public bint readable
    cdef public bint writable
    cdef public bint sticky
    cdef public Waiter reader
    cdef public Waiter writer
    cdef public int slot
    cdef public unsigned int generation
    cdef public int armed

    cpdef void report(self, bint readable, bint writable, bint sticky) except *
