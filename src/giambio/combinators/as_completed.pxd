from giambio.tasks.task_group cimport TaskGroup, Leaving
from giambio.combinators.bounded cimport BoundedCollector
from giambio.kernel cimport constants
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation
from giambio.kernel.task cimport Task

cimport cython


cdef class Results(BoundedCollector):
    cdef object _values
    cdef WaitQueue _waiters

    cdef object _began(self, Task task)
    cdef object _take(self, Task task, object result)
    cdef object _open(self, Task task)
    cpdef object _pass_place_on(self)
    cdef object _begin_leaving(self, Leaving leaving, object body)
    cdef object _conclude(self, Task host, object body, bint cancelled, bint caught)


cdef class Next(QueuedOperation):
    cdef bint iterates(self) noexcept
    @cython.locals(results=Results)
    cdef bint attempt(self) except -1
