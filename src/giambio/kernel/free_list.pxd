from cpython.object cimport PyObject, PyTypeObject

from giambio.kernel.trap cimport Trap

cdef enum:
    MOST = 64


cdef struct Spare:
    PyTypeObject *cls
    void *dealloc
    int count
    PyObject *traps[MOST]
    Spare *another


cdef class FreeList:
    cdef Spare _spare

    cdef Trap take(self)
