from giambio.kernel.operation cimport Closed, Immediate, Operation


cdef class Closeable:
    cdef bint _open

    cpdef object close_now(self)


cdef class Droppable(Closeable):
    cdef object __weakref__
    cdef object _made_at

    cdef object opened(self)
    cdef bint dropped(self) except -1

