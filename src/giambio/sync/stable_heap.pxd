from giambio.channels.stores cimport Store

cimport cython


cdef class Entry:
    cdef object item
    cdef long long number


cdef class Heap(Store):
    cdef list _entries
    cdef long long _numbers
    cdef bint _comparing

    @cython.locals(place=Py_ssize_t, parent=Py_ssize_t, entry=Entry)
    cdef Py_ssize_t place_for(self, object item) except -1
    @cython.locals(entries=list, entry=Entry, index=Py_ssize_t, parent=Py_ssize_t)
    cdef object insert(self, object item, Py_ssize_t place)
    @cython.locals(place=Py_ssize_t)
    cdef object put_back(self, object item)
    @cython.locals(entries=list, path=list, last=Entry, smallest=Entry, hole=Py_ssize_t, index=Py_ssize_t)
    cdef object take(self)
    @cython.locals(entries=list, path=list, end=Py_ssize_t, child=Py_ssize_t)
    cdef list _path_down(self)
    cdef bint _before(self, Entry one, Entry other) except -1
    cdef object _begin_comparing(self)
