from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class Barrier:
    cdef object __weakref__
    cdef Py_ssize_t _parties
    cdef bint _broken
    cdef long long _breaks
    cdef WaitQueue _waiters

    cdef object _fail_waiting(self, str what)


cdef class BarrierWait(QueuedOperation):
    cdef long long _breaks

    @cython.locals(barrier=Barrier, queue=WaitQueue, index=Py_ssize_t)
    cdef bint attempt(self) except -1
