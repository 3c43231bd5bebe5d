from giambio.drivers.source cimport Waiter
from giambio.kernel cimport introspect
from giambio.kernel.run_queue cimport Runnable


cdef class Handle(Runnable):
    cdef object __weakref__
    cdef readonly object _callback
    cdef object _args
    cdef object _context
    cdef bint _cancelled
    cdef object _dropped
    cdef object _kernel

    cdef void _ready(self) except *
    cdef void _run(self) except *


cdef class Callback(Waiter):
    cdef object _function

    cdef void _ready(self) except *


cdef class DoneCallback(Waiter):
    cdef readonly object function
    cdef object _task
    cdef object _kernel
    cdef object _context

    cdef void _ready(self) except *
