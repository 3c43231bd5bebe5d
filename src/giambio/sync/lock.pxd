from giambio.kernel cimport current
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation
from giambio.kernel.task cimport Held, Task

cimport cython


cdef class Lock(Held):
    cdef object __weakref__
    cdef Task _owner
    cdef WaitQueue _line
    cdef str _abandoned_by
    cdef dict _sleeping

    cdef object take_now(self)
    @cython.locals(owner=Task)
    cdef object give_up(self, str what)
    cdef object leave(self, object exc)
    @cython.locals(owner=Task, kernel=Kernel)
    cdef bint is_held_here(self) except -1
    @cython.locals(owner=Task, line=WaitQueue, first=QueuedOperation)
    cdef object problem(self, Task task)
    cdef object broken(self)
    cdef object not_held(self, str what, Task task)
    cdef object give_to(self, Task task)
    @cython.locals(first=QueuedOperation, task=Task)
    cdef object hand_over(self)
    @cython.locals(line=WaitQueue)
    cpdef object abandoned(self, Task task)


cdef class LockAcquire(QueuedOperation):
    cdef Lock _lock

    @cython.locals(lock=Lock, task=Task)
    cdef bint attempt(self) except -1
    @cython.locals(task=Task)
    cdef object give_back(self)
