from giambio.kernel cimport constants
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation, current_kernel

cimport cython


cdef class Checkpoint(Operation):
    cdef readonly str what
    cdef bint _yielded

    @cython.locals(task=BaseTask)
    cdef bint advance(self) except -1


cdef class Sleep(Operation):
    cdef double _delay
    cdef double _deadline
    cdef bint _waits

    @cython.locals(kernel=Kernel)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef FreeList CHECKPOINTS, SLEEPS


@cython.locals(operation=Checkpoint)
cdef Checkpoint new_checkpoint(str what, bint shielded)


@cython.locals(operation=Sleep)
cdef Sleep new_sleep(double delay, double deadline)
