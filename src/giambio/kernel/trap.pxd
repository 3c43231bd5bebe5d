from giambio.kernel.run_queue cimport Park


cdef class Trap(Park):
    cdef object __weakref__
    cdef object result
    cdef readonly int state
    cdef int free_list

    cdef bint advance(self) except -1
    cdef bint stands_alone(self) noexcept
