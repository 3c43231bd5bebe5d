from giambio.tasks.task_group cimport TaskGroup
from giambio.tasks cimport cancel
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Scope, Supervisor, Task

cimport cython


cdef class Start(Operation):
    cdef TaskGroup _manager
    cdef object _target
    cdef tuple _args
    cdef dict _keywords
    cdef object _name
    cdef object _context
    cdef Starting _starting

    @cython.locals(starting=Starting)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    @cython.locals(starting=Starting, host=Task)
    cdef object _launch(self)


cdef class Starting(Supervisor):
    cdef TaskGroup _manager
    cdef Start _operation
    cdef object error
    cdef bint reported
    cdef object value

    @cython.locals(kernel=Kernel)
    cdef object begin(self, Task host, object coro, object name, object context)
    @cython.locals(task=Task)
    cdef object started(self, object value)
    cpdef object _mend(self)
    cdef object _pass_on(self)
    cdef object interrupt(self)
    cpdef object _take_over(self, Task child)
    @cython.locals(host=Task)
    cpdef object _child_exited(self, Task task)
    @cython.locals(host=Task, operation=Start)
    cdef object _end(self)


cdef class TaskStatus:
    cdef Starting _starting
