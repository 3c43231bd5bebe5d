from giambio.tasks cimport cancel
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.task cimport Supervisor, Task
from giambio.threads.call cimport ThreadCall

cimport cython


cdef class CallbackTask(Supervisor):
    cdef str _what
    cdef ThreadCall _call
    cdef object _function
    cdef tuple _args
    cdef dict _keywords
    cdef object _context
    cdef object _ended
    cdef object _settled
    cdef readonly object returned
    cdef readonly object error

    @cython.locals(kernel=Kernel)
    cpdef object wait(self)
    @cython.locals(call=ThreadCall, host=Task, task=Task, kernel=Kernel)
    cpdef object _enter(self)
    @cython.locals(task=Task)
    cpdef object interrupt(self)
    cpdef object _take_over(self, Task child)
    @cython.locals(host=Task)
    cpdef object _child_exited(self, Task task)
    cpdef object _abandon(self)
    cdef object _end(self, object returned, object error)
