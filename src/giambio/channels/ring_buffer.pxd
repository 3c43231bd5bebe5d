cimport cython

cdef object EMPTY


cdef class RingBuffer:
    cdef list _items
    cdef Py_ssize_t _head
    cdef readonly Py_ssize_t length

    @cython.locals(index=Py_ssize_t)
    cdef object put(self, object item)
    @cython.locals(head=Py_ssize_t)
    cdef object take(self)
    cdef object put_back(self, object item)
    @cython.locals(items=list, head=Py_ssize_t)
    cdef object _grow(self)
