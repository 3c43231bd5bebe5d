from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.system_clock cimport system_time

cimport cython


@cython.final
cdef class Listeners:
    cdef object _kernel
    cdef object _running
    cdef readonly tuple hooks
    cdef tuple _spawned
    cdef tuple _before_step
    cdef tuple _after_step
    cdef tuple _parked
    cdef tuple _woken
    cdef tuple _cancelled
    cdef tuple _exited
    cdef tuple _swallowed
    cdef tuple _scope_entered
    cdef tuple _scope_left
    cdef tuple _callback_run
    cdef tuple _turn_began
    cdef tuple _turn_ended

    cdef object set(self, tuple hooks)
    cdef object spawned(self, BaseTask task)
    cdef object before_step(self, BaseTask task)
    cdef object after_step(self, BaseTask task)
    cdef object woken(self, BaseTask task)
    cdef object cancelled(self, BaseTask task)
    cdef object exited(self, BaseTask task)
    cdef object swallowed(self, BaseTask task, object scope)
    cdef object scope_entered(self, BaseTask task, object scope)
    cdef object scope_left(self, BaseTask task, object scope)
    cdef object turn_began(self)
    cdef object turn_ended(self)
    cdef double callback_began(self, object callback) except? -1
    cdef object callback_ended(self, double began)
    cdef object _cause(self)
    cdef object _tell(self, tuple methods, tuple args)
