cimport cython

cdef object EMPTY


cdef class Store:
    cdef readonly Py_ssize_t length

    cdef Py_ssize_t place_for(self, object item) except -1
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object put_back(self, object item)
    cdef object take(self)


cdef class RingBuffer(Store):
    cdef list _items
    cdef Py_ssize_t _head

    @cython.locals(index=Py_ssize_t)
    cdef object put(self, object item)
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object put_back(self, object item)
    @cython.locals(head=Py_ssize_t)
    cdef object take(self)
    @cython.locals(items=list, head=Py_ssize_t)
    cdef object _grow(self)


cdef class Stack(RingBuffer):
    cdef object put(self, object item)
