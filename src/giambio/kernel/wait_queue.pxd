from giambio.kernel cimport constants
from giambio.kernel.operation cimport Operation

cimport cython


cdef class QueuedOperation(Operation):
    cdef WaitQueue queue
    cdef QueuedOperation before
    cdef QueuedOperation after
    cdef object _subject

    cdef object prepare_queued(self)
    @cython.locals(first=QueuedOperation)
    cdef bint fits(self, WaitQueue queue) except -1
    cdef bint wait_in(self, WaitQueue queue) except -1
    cdef bint abort(self) except -1
    cdef object withdraw(self)
    cdef object give_back(self)


cdef class WaitQueue:
    cdef readonly QueuedOperation first
    cdef QueuedOperation last
    cdef readonly Py_ssize_t length

    cdef object append(self, QueuedOperation operation)
    @cython.locals(before=QueuedOperation, after=QueuedOperation)
    cpdef object remove(self, QueuedOperation operation)
    @cython.locals(first=QueuedOperation)
    cpdef QueuedOperation pop(self)
    @cython.locals(first=QueuedOperation)
    cdef QueuedOperation grant_first(self, object result)
    @cython.locals(first=QueuedOperation)
    cdef object wake_all(self)
    cdef object check_thread(self, str what)
