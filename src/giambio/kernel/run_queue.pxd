from giambio.kernel.runnable cimport Runnable

cimport cython


@cython.final
cdef class RunQueue:
    cdef Runnable _head
    cdef Runnable _tail
    cdef readonly Py_ssize_t length

    cpdef object append(self, Runnable item)
    @cython.locals(item=Runnable)
    cpdef Runnable pop(self)
    @cython.locals(item=Runnable, one=Runnable, tasks=list, items=list)
    cpdef object shuffle(self, object random)
    @cython.locals(item=Runnable, following=Runnable)
    cpdef list clear(self)
    cdef object _link(self, Runnable item)
