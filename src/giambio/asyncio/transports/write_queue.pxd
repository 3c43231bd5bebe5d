from giambio.net cimport syscalls

cimport cython


cdef class WriteQueue:
    cdef object _parts
    cdef Py_ssize_t _offset
    cdef readonly Py_ssize_t size

    cdef object append(self, object data)
    cdef object skip(self, Py_ssize_t count)
    @cython.locals(count=Py_ssize_t, some=list)
    cdef Py_ssize_t send(self, object sock, int fd) except -2
    cdef object clear(self)


cdef object flat(object view)

cdef object lasting(object data)
