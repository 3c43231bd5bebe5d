from giambio.kernel cimport constants
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation

cimport cython


cdef class ThreadCall(Operation):
    cdef object _name
    cdef object _submit
    cdef object _function
    cdef tuple _args
    cdef object _context
    cdef object _limiter
    cdef Operation _line
    cdef bint _owed
    cdef object _abandoned_calls
    cdef bint _abandonable
    cdef bint _leaving
    cdef readonly bint abandoned
    cdef object reason
    cdef bint _begun
    cdef bint _working
    cdef object _error
    cdef readonly bint delivered
    cdef object _callback_task
    cdef object _waiter

    @cython.locals(line=Operation)
    cdef bint advance(self) except -1
    cdef bint stands_alone(self) noexcept
    cdef bint attempt(self) except -1
    cdef bint _raise(self) except -1
    cdef bint repeatable(self) noexcept
    cdef bint abort(self) except -1
    cdef object interruption(self, BaseTask task)
    cdef object callback_began(self, object task)
    cdef object callback_ended(self)
    cdef object withdraw(self)
    cdef object discard(self)
    @cython.locals(waits=cython.bint, working=cython.bint, kernel=Kernel)
    cdef object _keep_count(self)
    @cython.locals(kernel=Kernel)
    cdef object _abandon(self)
    @cython.locals(kernel=Kernel)
    cpdef object deliver(self)
    cpdef object run(self)
    cpdef object refuse(self, object error)
    cpdef object _arrive(self)
    cpdef object give_back(self)
    @cython.locals(kernel=Kernel)
    cpdef Kernel loop(self)
    @cython.locals(task=BaseTask)
    cpdef bint may_be_cancelled(self) except -1
