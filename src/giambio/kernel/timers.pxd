cimport cython

from giambio.drivers.source cimport Waiter


cdef class Timers:
    cdef list _heap
    cdef long long _number
    cdef Py_ssize_t _empty

    @cython.locals(entry=list)
    cdef list add(self, double deadline, Waiter waiter)
    @cython.locals(entry=list)
    cdef object remove(self, list entry)
    @cython.locals(heap=list)
    cdef bint is_empty(self) except -1
    cdef double next_deadline(self) except? -1
    @cython.locals(heap=list, entry=list, waiter=Waiter)
    cdef object fire(self, double now)
