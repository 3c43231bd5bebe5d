from giambio.kernel cimport constants, current
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport QueuedOperation
from giambio.kernel.operation cimport Operation

cimport cython


cdef class ReceivingOperation(QueuedOperation):
    cdef bint iterating

    cdef object prepare_taking(self, bint iterating)
    cdef bint ended(self, str message) except -1
    @cython.locals(kernel=Kernel)
    cdef bint goes_on_here(self) except -1


cdef class Driven:
    cdef ReceivingOperation _taking
