from giambio.kernel.trap cimport Trap


cdef class FreeList:
    cdef int _place

    cdef Trap take(self)
