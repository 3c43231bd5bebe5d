from giambio.tasks cimport cancel
from giambio.tasks.cancel cimport CancelScope
from giambio.kernel cimport constants, current
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Scope, Supervisor, Task, current_task

cimport cython


cdef class TaskGroup(Supervisor):
    cdef object __weakref__
    cdef Kernel _kernel
    cdef object _strict
    cdef int _state
    cdef Leaving _leaving
    cdef list _errors
    cdef object _body
    cdef bint _cancelled
    cdef bint _stray
    cdef object _interruption

    @cython.locals(scope=CancelScope)
    cdef object _prepare(self, Kernel kernel, object strict)
    @cython.locals(host=Task)
    cpdef bint _is_closed_from_outside(self, object exc) except -1
    @cython.locals(host=Task)
    cdef bint _drop(self) except -1
    @cython.locals(kernel=Kernel)
    cdef object _close(self)
    cpdef object _check_open(self)
    @cython.locals(kernel=Kernel, task=Task)
    cdef Task _launch(self, object coro, object name, object context)
    cpdef object _child_exited(self, Task task)
    cdef object _settle(self, Task task)
    cdef object _add_error(self, object exc)
    cdef object _add_interruption(self, object exc)
    cdef object _cancel_all(self, str reason)
    cpdef object _pass_place_on(self)
    cpdef object _mend(self)
    cdef bint _is_busy(self) noexcept
    @cython.locals(kernel=Kernel, scope=CancelScope)
    cdef object _open(self, Task task)
    @cython.locals(scope=CancelScope)
    cdef object _begin_leaving(self, Leaving leaving, object body)
    @cython.locals(child=Task, scope=CancelScope)
    cpdef object _abandon(self)
    @cython.locals(errors=list)
    cpdef list _take_failures(self)
    cpdef object _add_failure(self, object exc)
    @cython.locals(host=Task, scope=CancelScope)
    cdef object _finish(self, object body)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)
    cdef object _failure(self, list errors, object body)


cdef class Entering(Operation):
    cdef TaskGroup _block

    cdef bint advance(self) except -1


cdef class Leaving(Operation):
    cdef TaskGroup _block
    cdef object _body
    cdef bint _chained
    cdef bint _begun
    cdef bint _yielded

    cdef object prepare_leaving(self, TaskGroup block, object body, bint chained)
    @cython.locals(task=Task, block=TaskGroup)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
    @cython.locals(task=Task)
    cdef object _take_injected(self)


cdef FreeList ENTERINGS
cdef FreeList LEAVINGS


@cython.locals(operation=Entering)
cdef Entering new_entering(TaskGroup block)

@cython.locals(operation=Leaving)
cpdef Leaving new_leaving(TaskGroup block, object body, bint chained)
