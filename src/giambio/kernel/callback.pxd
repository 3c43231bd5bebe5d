from giambio.drivers.source cimport Waiter


cdef class Callback(Waiter):
    cdef object _function

    cdef void _ready(self) except *
