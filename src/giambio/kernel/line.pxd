from giambio.kernel cimport constants
from giambio.kernel.operation cimport Operation

cimport cython


cdef class Waiting(Operation):
    cdef Line line
    cdef Waiting before
    cdef Waiting after

    cdef object prepare_waiting(self)
    @cython.locals(first=Waiting)
    cdef bint fits(self, Line line) except -1
    cdef bint wait_in(self, Line line) except -1
    cdef bint abort(self) except -1
    cdef object give_back(self)


cdef class Line:
    cdef readonly Waiting first
    cdef Waiting last
    cdef readonly Py_ssize_t length

    cdef object append(self, Waiting operation)
    @cython.locals(before=Waiting, after=Waiting)
    cpdef object remove(self, Waiting operation)
    @cython.locals(first=Waiting)
    cpdef Waiting pop(self)
    @cython.locals(first=Waiting)
    cdef object wake_all(self)
