from giambio.tasks.task_group cimport TaskGroup
from giambio.kernel cimport coroutines, introspect
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Task

cimport cython


cdef class TaskManager(TaskGroup):
    cdef Py_ssize_t _limit
    cdef object _waiting
    cdef list _promised
    cdef readonly list _arriving

    cpdef bint _is_full(self)
    @cython.locals(spawn=Spawn)
    cpdef object _pass_place_on(self)
    @cython.locals(spawn=Spawn)
    cpdef object _mend(self)
    cdef bint _is_busy(self) noexcept


cdef class Spawn(Operation):
    cdef TaskManager _manager
    cdef object _target
    cdef tuple _args
    cdef dict _keywords
    cdef object _name
    cdef object _context
    cdef bint promised

    @cython.locals(manager=TaskManager)
    cdef bint attempt(self) except -1
    @cython.locals(manager=TaskManager)
    cdef bint abort(self) except -1
    @cython.locals(task=BaseTask)
    cdef bint is_awaited(self) except -1
    cdef object return_place(self)
    cdef object interruption(self, BaseTask task)
    cdef object discard(self)


cdef FreeList SPAWNS


@cython.locals(operation=Spawn)
cdef Spawn new_spawn(
    TaskManager manager, object target, tuple args, dict keywords, object name, object context
)

cdef object context_for(str what, object target, tuple args, object name, object context)
cdef object check_options(str what, object target, tuple args, object name, object context)
