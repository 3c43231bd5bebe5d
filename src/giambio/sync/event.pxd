from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class Event:
    cdef object __weakref__
    cdef WaitQueue _waiters
    cdef bint _set


cdef class EventWait(QueuedOperation):
    @cython.locals(event=Event)
    cdef bint attempt(self) except -1
