from giambio.drivers.source cimport Waiter
from giambio.kernel cimport constants, current
from giambio.kernel.basetask cimport BaseTask, Park
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Operation

cimport cython


cdef class Scope(Waiter):
    cdef readonly bint effective

    cpdef bint cancel(self, object reason=*) except -1
    cpdef object cancellation(self, Task task)
    cpdef bint left_open(self) except -1
    cpdef Scope enclose(self, Task task)
    cpdef object reparent(self, Scope parent)
    cpdef object disown(self)


cdef class Supervisor:
    cdef readonly dict children
    cdef readonly Scope scope
    cdef readonly Task host

    cpdef object work_for(self, Task host)
    cpdef object child_exited(self, Task task)
    cpdef object abandon(self)
    @cython.locals(own=Scope)
    cpdef object take_over(self, Task child)


cdef class Held:
    cdef Held beneath

    cpdef object abandoned(self, Task task)


cdef class Task(BaseTask):
    cdef object __weakref__
    cdef object _name
    cdef long long _number
    cdef Held _held
    cdef int _state
    cdef object _raised
    cdef list joiners
    cdef readonly Kernel kernel
    cdef readonly Scope own_scope
    cdef readonly Scope scope
    cdef readonly Supervisor supervisor
    cdef readonly list supervisors
    cdef Scope told

    cdef object prepare(
        self,
        Kernel kernel,
        object coro,
        object context,
        Supervisor supervisor,
        object name,
    )
    cpdef bint done(self) noexcept
    cpdef bint cancelled(self) noexcept
    cpdef bint failed(self) noexcept
    cpdef object failure(self)
    cpdef object problem(self, str what)
    cpdef object cancellation(self)
    cpdef bint cancelled_from_outside(self) except -1
    @cython.locals(around=Scope)
    cdef Scope isolate(self)
    cdef Scope outermost(self)
    @cython.locals(kernel=Kernel, supervisor=Supervisor, joiners=list, joiner=Waiter)
    cpdef object exited(self, bint failed)
    cdef object _drop_operation(self)
    @cython.locals(outermost=Scope)
    cdef object _settle_cancellation(self)
    cpdef object hold(self, Held held)
    @cython.locals(above=Held, one=Held)
    cpdef object let_go_of(self, Held held)
    @cython.locals(held=list, one=Held)
    cdef object _fail_for_held(self)
    @cython.locals(blocks=list, scope=Scope, outermost=Scope, holder=Supervisor, child=Task, children=list)
    cdef object _leave_blocks(self)
    @cython.locals(holder=Supervisor)
    cdef Supervisor _supervisor_in(self, Scope scope)
    cdef object _fail_also(self, str problem)
    @cython.locals(one=Held)
    cdef object _abandon_held(self)
    cdef object _fail(self, object exc)
    @cython.locals(parked=Park, supervisor=Supervisor, joiner=Waiter)
    cpdef object abandon(self)
    cpdef object add_joiner(self, Waiter joiner)
    cpdef object remove_joiner(self, Waiter joiner)


cdef class Join(Operation):
    cdef Task _target

    cdef object prepare_join(self, Task target)
    @cython.locals(target=Task)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cdef FreeList JOINS


@cython.locals(operation=Join)
cdef Join new_join(Task target)
