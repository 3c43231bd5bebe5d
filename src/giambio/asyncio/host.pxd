from giambio.asyncio.links cimport FutureWait, Link
from giambio.kernel.guest cimport Guest
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.run_queue cimport BaseTask, Runnable
from giambio.kernel.task cimport Supervisor, Task
from giambio.tasks cimport cancel

cimport cython


cdef class LoopTasks(Supervisor):
    cdef object _loop

    cpdef object _child_exited(self, Task task)
    cpdef object _add_failure(self, object exc)


cdef class Host(Guest):
    cdef readonly Kernel _kernel
    cdef readonly object loop
    cdef dict _links
    cdef LoopTasks _tasks
    cdef Link _current
    cdef object _facade
    cdef object _outer
    cdef public bint watches_steps
    cdef double _begun
    cdef bint _is_named
    cdef public bint makes_a_facade
    cdef public bint is_closed

    @cython.locals(kernel=Kernel, task=Task, link=Link, current=Link)
    cpdef object create_task(self, object coro, object name, object context, bint eager)
    @cython.locals(kernel=Kernel)
    cpdef object schedule(self, Runnable handle)
    @cython.locals(kernel=Kernel)
    cpdef object fire_timers(self)
    @cython.locals(link=Link)
    cpdef object forget_tasks(self)
    @cython.locals(task=BaseTask)
    cpdef object running_facade(self)
    @cython.locals(link=Link)
    cdef Link _link_of(self, BaseTask task)
    @cython.locals(link=Link)
    cdef Link _new_link(self, Task task, bint native, object name)
    @cython.locals(link=Link, wait=FutureWait)
    cpdef bint _take(self, BaseTask task, object foreign) except -1
    @cython.locals(link=Link)
    cpdef object _before_step(self, BaseTask task)
    @cython.locals(previous=Link)
    cdef object _tell(self, Link link)
    cpdef object name_asyncio(self)
    cdef object _name_giambio(self)
    @cython.locals(link=Link)
    cpdef object _exited(self, BaseTask task)
    @cython.locals(link=Link)
    cpdef bint _accounts_for(self, BaseTask task, object cancellation) except -1
