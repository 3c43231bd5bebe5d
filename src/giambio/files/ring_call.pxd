from giambio.drivers cimport nowait
from giambio.drivers.uring cimport Request, Ring
from giambio.kernel cimport constants
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation

cimport cython


cdef class RingCall(Operation):
    cdef Ring _ring
    cdef Request _request
    cdef object _name
    cdef object _path
    cdef bint _asked
    cdef bint _waits

    cdef bint advance(self) except -1
    @cython.locals(request=Request)
    cdef bint attempt(self) except -1
    @cython.locals(request=Request)
    cdef bint _settle(self) except -1
    cdef void _ready(self) except *
    @cython.locals(kernel=Kernel)
    cdef object _count(self, bint waits)
    cdef bint abort(self) except -1
    cdef object withdraw(self)
