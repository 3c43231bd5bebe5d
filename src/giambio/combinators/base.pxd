from giambio.tasks.task_group cimport TaskGroup, Leaving
from giambio.kernel.run_queue cimport BaseTask
from giambio.kernel.task cimport Scope, Task

cimport cython


cdef class Collector(TaskGroup):
    cdef readonly str _label
    cdef readonly str _a_label
    cdef readonly str _reason
    cdef bint _return_exceptions
    cdef object _context
    cdef tuple _targets
    cdef list _results
    cdef dict _numbers

    cdef list _coroutines(self)
    cdef object _begin(self, list coros)
    cdef object _give_up(self)
    cdef Task _add(self, object coro, object name=*)
    cpdef object _take_over(self, Task child)
    cdef object _began(self, Task task)
    cdef object _take(self, Task task, object result)
    cdef object _outcome(self)
    cdef object _settle(self, Task task)
    cdef bint _may_return(self, Task task) except -1
    cdef object _settle_without_result(self, Task task)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)


cdef class Together(Leaving):
    cdef Collector _collector
    cdef bint _opened

    cdef bint stands_alone(self) noexcept
    @cython.locals(collector=Collector, coros=list)
    cdef bint attempt(self) except -1
    cdef object interruption(self, BaseTask task)
    cdef object discard(self)
