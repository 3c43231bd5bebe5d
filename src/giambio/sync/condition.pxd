from giambio.kernel cimport constants
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Task
from giambio.sync.lock cimport Lock

cimport cython


cdef class Condition:
    cdef object __weakref__
    cdef Lock _lock
    cdef WaitQueue _waiters

    @cython.locals(lock=Lock)
    cdef object _notify(self, str action, Py_ssize_t count)
    cdef object _forget_if_empty(self)


cdef class ConditionWait(QueuedOperation):
    cdef Condition _condition
    cdef object _predicate
    cdef bint _cancelled

    @cython.locals(task=Task)
    cdef bint advance(self) except -1
    @cython.locals(condition=Condition, lock=Lock, task=Task)
    cdef bint attempt(self) except -1
    cdef bint evaluate(self) except -1
    @cython.locals(lock=Lock)
    cdef bint abort(self) except -1
    cdef object leave_queue(self)
    cdef object withdraw(self)
