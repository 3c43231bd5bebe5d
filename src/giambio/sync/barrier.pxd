from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class Barrier:
    cdef object __weakref__
    cdef Py_ssize_t _parties
    cdef bint _broken
    cdef WaitQueue _line

    @cython.locals(first=QueuedOperation, index=Py_ssize_t)
    cdef object let_pass(self)
    @cython.locals(first=BarrierWait)
    cdef object turn_away(self, str what)


cdef class BarrierWait(QueuedOperation):
    cdef Barrier _barrier
    cdef bint _turned_away

    @cython.locals(barrier=Barrier, line=WaitQueue)
    cdef bint attempt(self) except -1
