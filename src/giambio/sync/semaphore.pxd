from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Semaphore:
    cdef object __weakref__
    cdef Py_ssize_t _value
    cdef Py_ssize_t _most
    cdef object _max_value
    cdef Line _line

    @cython.locals(first=Waiting)
    cdef object give_back(self)


cdef class SemaphoreAcquire(Waiting):
    cdef Semaphore _semaphore

    @cython.locals(semaphore=Semaphore)
    cdef bint attempt(self) except -1
    cdef object give_back(self)
