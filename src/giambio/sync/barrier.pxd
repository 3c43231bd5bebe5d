from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Barrier:
    cdef object __weakref__
    cdef Py_ssize_t _parties
    cdef bint _broken
    cdef Line _line

    @cython.locals(first=Waiting, index=Py_ssize_t)
    cdef object let_pass(self)
    @cython.locals(first=BarrierWait)
    cdef object turn_away(self, str what)


cdef class BarrierWait(Waiting):
    cdef Barrier _barrier
    cdef bint _turned_away

    @cython.locals(barrier=Barrier, line=Line)
    cdef bint attempt(self) except -1
