from giambio.kernel.kernel cimport Kernel
from giambio.kernel.task cimport Supervisor, Task


cdef class Root(Supervisor):
    cdef public list failures

    cpdef object _child_exited(self, Task task)


# A class made by a `class` statement would cost each of the kernel's `cpdef` methods a look for
# an override: a tenth of an echo.
cdef class EventLoop(Kernel):
    cdef readonly object _asyncgens
    cdef object _detect_deadlocks
    cdef readonly object _interrupts
    cdef public object _main_context
    cdef readonly Root _root
    cdef object _slow_step
    cdef readonly object _system_tasks
    cdef readonly bint _threads
    cdef public str _what
