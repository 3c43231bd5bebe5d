from giambio.kernel cimport constants, current
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.trap cimport Trap

cimport cython


cdef class Operation(Trap):
    cdef Kernel kernel
    cdef BaseTask task
    cdef readonly bint shielded

    cdef object prepare(self, Kernel kernel)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    cdef bint repeatable(self) noexcept
    cdef bint iterates(self) noexcept
    cdef object discard(self)
    cdef object withdraw(self)
    cdef void _ready(self) except *
    cdef bint grant(self, object result) except -1
    @cython.locals(kernel=Kernel, task=BaseTask)
    cdef BaseTask bind(self)
    cdef object refuse_await(self)
    cdef object refuse_step(self)
    @cython.locals(task=BaseTask)
    cdef bint advance(self) except -1
    @cython.locals(kernel=Kernel)
    cdef bint continues_here(self) except -1
    @cython.locals(kernel=Kernel)
    cdef bint spend(self, Py_ssize_t operations) noexcept
    cdef object give_way(self)
    cdef bint fail(self, object exc) except -1
    cpdef object check_thread(self, str what)


cpdef Kernel current_kernel()


cdef class Driven:
    cdef Operation _operation


cdef class Immediate(Operation):
    cdef bint advance(self) except -1


cdef class Closed(Operation):
    cdef bint attempt(self) except -1


cdef class Wait(Operation):
    cdef object _abort
    cdef readonly object what
    cdef object _error

    cdef bint advance(self) except -1
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    cdef bint repeatable(self) noexcept
