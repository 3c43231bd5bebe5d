from giambio.drivers.source cimport Waiter


cdef class Runnable(Waiter):
    cdef Runnable following
    cdef bint queued
    cdef bint is_task

    cdef void run(self) except *


cdef class Handle(Runnable):
    cdef object __weakref__
    cdef object _callback
    cdef object _args
    cdef object _context
    cdef bint _cancelled
    cdef object _dropped
    cdef object _kernel

    cdef void ready(self) except *
    cdef void run(self) except *
