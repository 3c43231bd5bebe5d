from giambio.kernel.free_list cimport FreeList
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class Semaphore:
    cdef object __weakref__
    cdef Py_ssize_t _value
    cdef Py_ssize_t _most
    cdef object _max_value
    cdef WaitQueue _waiters

    cdef object _release(self)
    cdef object _give_back(self)


cdef class SemaphoreAcquire(QueuedOperation):
    @cython.locals(semaphore=Semaphore)
    cdef bint attempt(self) except -1
    @cython.locals(semaphore=Semaphore)
    cdef object give_back(self)


cdef FreeList ACQUIRES


@cython.locals(operation=SemaphoreAcquire)
cdef SemaphoreAcquire new_acquire(Semaphore semaphore)
