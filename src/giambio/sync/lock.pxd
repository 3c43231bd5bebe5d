from giambio.kernel cimport current
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation
from giambio.kernel.task cimport Held, Task

cimport cython


cdef class Lock(Held):
    cdef object __weakref__
    cdef Task _owner
    cdef WaitQueue _waiters
    cdef str _abandoned_by
    cdef dict _sleeping

    cdef object _give_up(self, str action)
    @cython.locals(kernel=Kernel)
    cdef object _leave(self, object exc)
    @cython.locals(owner=Task, kernel=Kernel)
    cdef bint _is_held_here(self) except -1
    @cython.locals(operation=LockAcquire)
    cdef LockAcquire _acquire(self, str what)
    @cython.locals(owner=Task, queue=WaitQueue, first=QueuedOperation)
    cdef object _problem(self, Task task)
    cdef object _broken(self)
    cdef object _not_held(self, str action, Task task)
    cdef object _give_to(self, Task task)
    @cython.locals(first=QueuedOperation)
    cdef object _hand_over(self)
    @cython.locals(queue=WaitQueue)
    cpdef object abandoned(self, Task task)


cdef class LockAcquire(QueuedOperation):
    cdef readonly str what

    @cython.locals(lock=Lock, task=Task)
    cdef bint attempt(self) except -1
    @cython.locals(lock=Lock, task=Task)
    cdef object give_back(self)


cdef FreeList ACQUIRES
