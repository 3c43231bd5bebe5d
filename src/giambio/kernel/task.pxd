from giambio.drivers.source cimport Waiter
from giambio.kernel cimport constants, current
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.guest cimport Guest
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation
from giambio.kernel.run_queue cimport BaseTask, Park

cimport cython


cdef class Scope(Waiter):
    cdef readonly bint _effective

    cpdef bint cancel(self, object reason=*) except -1
    cpdef object _cancellation(self, Task task)
    cpdef bint _left_open(self) except -1
    cpdef Scope _enclose(self, Task task)
    cpdef object _reparent(self, Scope parent)
    cpdef object _disown(self)


cdef class Supervisor:
    cdef readonly dict _children
    cdef readonly Scope _scope
    cdef readonly Task _host

    cpdef object _work_for(self, Task host)
    cdef object _join_host(self, Task host)
    cpdef object _child_exited(self, Task task)
    cpdef object _abandon(self)
    cpdef list _take_failures(self)
    cpdef object _add_failure(self, object exc)
    cpdef object _mend(self)
    @cython.locals(own=Scope)
    cpdef object _take_over(self, Task child)


cdef class Held:
    cdef Held beneath

    cpdef object abandoned(self, Task task)


cdef class Task(BaseTask):
    cdef object __weakref__
    cdef object _name
    cdef long long _number
    cdef Held _held
    cdef int _state
    cdef bint _cut_short
    cdef object _raised
    cdef list _joiners
    cdef readonly Kernel _kernel
    cdef readonly Scope _own_scope
    cdef readonly Scope _scope
    cdef readonly Supervisor _supervisor
    cdef readonly list _supervisors
    cdef Scope _told

    cdef object _prepare(
        self,
        Kernel kernel,
        object coro,
        object context,
        Supervisor supervisor,
        object name,
    )
    cpdef bint done(self) noexcept
    cpdef bint cancelled(self) noexcept
    cpdef bint _failed(self) noexcept
    cpdef object _failure(self)
    cpdef object _problem(self, str what)
    cpdef bint has_pending_cancellation(self) noexcept
    cpdef object _interruption(self)
    cpdef object _cancellation(self)
    cdef object _refresh_pending(self)
    cdef bint _runs(self) except -1
    @cython.locals(around=Scope)
    cdef Scope _isolate(self)
    cdef Scope _outermost(self)
    @cython.locals(supervisor=Supervisor)
    cpdef object _exited(self, bint failed)
    @cython.locals(joiner=Waiter, joiners=list)
    cdef object _wake_joiners(self)
    cdef object _drop_operation(self)
    @cython.locals(outermost=Scope, guest=Guest)
    cdef object _settle_cancellation(self)
    cdef str _describe_cut(self, str blocks)
    cpdef object _hold(self, Held held)
    @cython.locals(above=Held)
    cpdef object _let_go_of(self, Held held)
    @cython.locals(held=list, one=Held)
    cdef list _describe_held(self)
    @cython.locals(outermost=Scope, told=Scope, blocks=list, holder=Supervisor)
    cdef object _leave_blocks(self)
    @cython.locals(blocks=list, scope=Scope, holder=Supervisor)
    cpdef list _leave_scopes(self, Scope outermost)
    @cython.locals(child=Task)
    cdef object _pass_children_on(self, Supervisor holder)
    cpdef object _drop_block(self, Supervisor holder)
    cdef object _blame(self, str problem)
    @cython.locals(holder=Supervisor)
    cdef Supervisor _supervisor_in(self, Scope scope)
    cdef object _fail_also(self, str problem)
    @cython.locals(one=Held)
    cdef object _abandon_held(self)
    cdef object _fail(self, object exc)
    @cython.locals(parked=Park, supervisor=Supervisor)
    cpdef object _abandon(self)
    cpdef object _add_joiner(self, Waiter joiner)
    cpdef object _remove_joiner(self, Waiter joiner)


cdef class Join(Operation):
    cdef Task _target

    @cython.locals(target=Task)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef FreeList JOINS


@cython.locals(operation=Join)
cdef Join new_join(Task target)

@cython.locals(kernel=Kernel)
cpdef Task current_task()

cdef str operation_name(Operation operation)
