from giambio.drivers cimport interest
from giambio.drivers.driver cimport Driver
from giambio.kernel cimport constants
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation

cimport cython


cdef class Readiness(Operation):
    cdef int _fd
    cdef int _direction
    cdef bint _watching
    cdef bint _fired
    cdef bint _closing

    @cython.locals(task=BaseTask, kernel=Kernel, fresh=bint)
    cdef bint advance(self) except -1
    @cython.locals(driver=Driver)
    cdef bint _watch_unless_it_fails(self) except -1
    @cython.locals(driver=Driver)
    cdef bint attempt(self) except -1
    cdef void _ready(self) except *
    cdef object closing(self)
    cdef bint abort(self) except -1


@cython.locals(waiter=Readiness)
cpdef object end_watches(Driver driver, int number)
