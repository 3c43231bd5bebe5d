from giambio.kernel cimport constants, current
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.operation cimport Closed, Immediate, Operation
from giambio.kernel.wait_queue cimport QueuedOperation

cimport cython


cdef class Closeable:
    cdef bint _open

    cdef object _close_now(self)
    cdef object _closed_error(self)


cdef class Droppable(Closeable):
    cdef object __weakref__
    cdef object _made_at

    cdef object _opened(self)
    cdef tuple _on_drop(self)


cdef class ReceivingOperation(QueuedOperation):
    cdef bint iterating

    cdef bint iterates(self) noexcept
    cdef bint ended(self, str message) except -1
