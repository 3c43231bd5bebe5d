from giambio.tasks.task_group cimport TaskGroup, Leaving
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.task cimport Scope, Task

cimport cython


cdef class Collector(TaskGroup):
    cdef bint _return_exceptions
    cdef object _context
    cdef tuple _targets
    cdef list _coros
    cdef list _results
    cdef dict _numbers

    cdef object prepare_collector(self, tuple targets, object return_exceptions)
    cdef object prepare_tasks(self)
    @cython.locals(coros=list)
    cdef object begin(self)
    cdef object give_up(self)
    cdef Task add(self, object coro, object name=*)
    cdef object began(self, Task task)
    cdef object take(self, Task task, object result)
    cdef object outcome(self)
    cdef object _settle(self, Task task)
    cdef bint may_return(self, Task task) except -1
    cdef object settle_without_result(self, Task task)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)


cdef class Together(Leaving):
    cdef Collector _collector
    cdef bint _opened

    @cython.locals(collector=Collector)
    cdef bint stands_alone(self) noexcept
    cdef bint attempt(self) except -1
    cdef object interruption(self, BaseTask task)
    cdef object discard(self)
