from giambio.drivers.source cimport Waiter


cdef class Runnable(Waiter):
    cdef Runnable _following
    cdef bint _queued
    cdef bint _is_task

    cdef void _run(self) except *


cdef class Handle(Runnable):
    cdef object __weakref__
    cdef object _callback
    cdef object _args
    cdef object _context
    cdef bint _cancelled
    cdef object _dropped
    cdef object _kernel

    cdef void _ready(self) except *
    cdef void _run(self) except *
