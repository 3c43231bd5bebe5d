from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class Turns:
    cdef readonly Turn current
    cdef readonly WaitQueue waiting


cdef class Turn(QueuedOperation):
    cdef Turns _turns

    @cython.locals(turns=Turns)
    cdef bint attempt(self) except -1
    @cython.locals(turns=Turns)
    cpdef object end(self)
    cdef object give_back(self)
