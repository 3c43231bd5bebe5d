from giambio.cancel cimport CancelScope
from giambio.kernel.basetask cimport BaseTask
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Scope, Supervisor, Task

cimport cython


cdef class TaskManager(Supervisor):
    cdef object __weakref__
    cdef Kernel _kernel
    cdef Py_ssize_t _limit
    cdef object _strict
    cdef int _state
    cdef Task _host
    cdef Leaving _leaving
    cdef list _errors
    cdef object _body
    cdef bint _cancelled
    cdef bint _stray
    cdef object _waiting
    cdef Py_ssize_t _places
    cdef readonly list arriving

    cpdef object check_open(self)
    cpdef bint is_full(self)
    @cython.locals(task=Task, scope=CancelScope, kernel=Kernel)
    cdef Task launch(self, str what, object target, tuple args, object name, object context)
    @cython.locals(kernel=Kernel)
    cdef object open(self, Task task)
    cdef object hold(self, Task task)
    cpdef object child_exited(self, Task task)
    cdef object add_error(self, object exc)
    @cython.locals(spawn=Spawn)
    cpdef object pass_place_on(self)
    cdef bint is_busy(self) noexcept
    cdef object wait_for_place(self, Spawn spawn)
    cdef object leave_line(self, Spawn spawn)
    cdef object begin_leaving(self, Leaving leaving, object body)
    cpdef object abandon(self)
    cdef bint _host_runs(self) except -1
    @cython.locals(host=Task)
    cdef object finish(self, object body)
    cdef list _restored_errors(self)
    cdef object _failure(self, list errors, object body)


cdef class Entering(Operation):
    cdef TaskManager _manager

    cdef bint advance(self) except -1


cdef class Leaving(Operation):
    cdef TaskManager _manager
    cdef object _body
    cdef bint _chained
    cdef bint _begun
    cdef bint _yielded

    @cython.locals(manager=TaskManager, task=Task)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    @cython.locals(task=Task)
    cdef object _take_injected(self)


cdef class Spawn(Operation):
    cdef TaskManager _manager
    cdef object _target
    cdef tuple _args
    cdef object _name
    cdef object _context
    cdef bint promised

    @cython.locals(manager=TaskManager)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    cdef object interruption(self, BaseTask task)
    cdef object discard(self)


cdef class Start(Operation):
    cdef TaskManager _manager
    cdef object _target
    cdef tuple _args
    cdef object _name
    cdef Starting _starting

    @cython.locals(starting=Starting)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    @cython.locals(starting=Starting, host=Task)
    cdef object _launch(self)


cdef class Starting(Supervisor):
    cdef TaskManager _manager
    cdef Start _operation
    cdef Task _host
    cdef object error
    cdef bint reported
    cdef object value

    @cython.locals(task=Task, scope=CancelScope, kernel=Kernel)
    cdef object begin(self, Task host, object coro, object name)
    @cython.locals(task=Task, manager=TaskManager)
    cdef object started(self, object value)
    cdef object interrupt(self)
    @cython.locals(host=Task)
    cpdef object child_exited(self, Task task)
    @cython.locals(host=Task, operation=Start)
    cdef object _end(self)


cdef class TaskStatus:
    cdef Starting _starting


cdef object disown(CancelScope scope)

@cython.locals(own=CancelScope)
cdef object adopt_by(Task task, CancelScope scope)
