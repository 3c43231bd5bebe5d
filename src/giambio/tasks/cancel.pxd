from giambio.kernel cimport constants
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport current_kernel
from giambio.kernel.task cimport Scope, Supervisor, Task, current_task

cimport cython


cdef class Stop:
    cdef double deadline
    cdef object reason


cdef class CancelScope(Scope):
    cdef object __weakref__
    cdef object _deadline
    cdef bint _shield
    cdef bint _cancel_called
    cdef bint _cancelled_caught
    cdef object _reason
    cdef bint _entered
    cdef bint _expired
    cdef bint _misused
    cdef int _role
    cdef CancelScope _parent
    cdef Task _task

    cdef object _prepare(self, object deadline, object shield)
    cpdef bint cancel(self, object reason=*) except -1
    cpdef object _adopt(self, Task task, Scope parent)
    @cython.locals(own=CancelScope, scope=CancelScope)
    cpdef Scope _enclose(self, Task task)
    cpdef object _disown(self)
    @cython.locals(task=Task)
    cpdef object _abandon(self)
    cpdef bint _left_open(self) except -1
    @cython.locals(parent=CancelScope)
    cpdef object _enter(self, Task task)
    @cython.locals(task=Task, inner=CancelScope)
    cpdef bint _check_leaving(self, object exc) except -1
    @cython.locals(scope=CancelScope)
    cdef bint _outlives_interruption(self, Task task) except -1
    @cython.locals(task=Task, parent=CancelScope)
    cpdef bint _leave(self, bint cancelled) except -1
    @cython.locals(task=Task)
    cpdef object _report_swallowed(self, object exc)
    @cython.locals(scope=CancelScope)
    cdef object _cut_out(self, Task task)
    cdef bint _visible_from_outside(self) noexcept
    @cython.locals(scope=CancelScope)
    cpdef object _cancellation(self, Task task)
    @cython.locals(scope=CancelScope)
    cpdef object _cancel_as_around(self)
    cpdef object _reparent(self, Scope parent)
    @cython.locals(stop=Stop)
    cdef void _ready(self) except *
    @cython.locals(stop=Stop)
    cdef object _set_deadline(self, object deadline)
    @cython.locals(task=Task, kernel=Kernel, deadline=double)
    cdef object _start_timer(self)
    @cython.locals(task=Task)
    cdef object _stop_timer(self)
    @cython.locals(parent=CancelScope)
    cdef object _refresh(self)
    @cython.locals(task=Task, kernel=Kernel, deadline=double, earlier=Stop)
    cdef bint _stop(self, object grace, object reason) except -1
    cpdef object _follow_stops(self)
    @cython.locals(stop=Stop)
    cdef object _follow_stop(self)
    cdef Stop _own_stop(self)
    @cython.locals(scope=CancelScope, stop=Stop)
    cdef Stop _stop_in_force(self)
    cpdef bint _is_stopping(self) except -1
    cdef object _refuse(self)
    @cython.locals(task=Task)
    cdef object _check_thread(self, str what, str call)


@cython.locals(host=Task, task=Task)
cpdef object spread(CancelScope scope)

@cython.locals(host=Task, task=Task)
cdef object announce_stop(CancelScope scope)

@cython.locals(around=Scope, scope=CancelScope)
cpdef object follow_stop(Task task, CancelScope outermost)

@cython.locals(task=Task, todo=list, supervisor=Supervisor)
cdef list tasks_inside(Task host, CancelScope scope)

@cython.locals(inside=list, scope=CancelScope, supervisor=Supervisor, own=CancelScope)
cdef list supervisors_inside(Task host, CancelScope outer)

@cython.locals(around=Scope, kernel=Kernel, scope=CancelScope)
cdef object refresh_task(Task task, CancelScope outermost)

@cython.locals(chain=list, scope=CancelScope)
cdef list scopes_of(Task task, Scope around, CancelScope outermost)

cdef object check_shield(object value)

@cython.locals(scope=CancelScope)
cdef CancelScope new_scope(object deadline=*, object shield=*)

@cython.locals(scope=CancelScope, task=Task)
cpdef Task new_task(
    Kernel kernel,
    object coro,
    object context,
    Supervisor supervisor,
    object name,
)
