from giambio.channels cimport ring
from giambio.channels.ring cimport Ring
from giambio.kernel.line cimport Waiting
from giambio.sync cimport store
from giambio.sync.heap cimport Heap
from giambio.sync.store cimport Store

cimport cython


cdef class BaseQueue(Store):
    cdef object _maxsize

    @cython.locals(putter=Waiting, getter=Waiting)
    cpdef object close_now(self)


cdef class Queue(BaseQueue):
    cdef Ring _items

    cdef object prepare_store(self)
    cdef Py_ssize_t length(self) noexcept
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)


cdef class PriorityQueue(BaseQueue):
    cdef Heap _heap

    cdef object prepare_store(self)
    cdef Py_ssize_t length(self) noexcept
    cdef Py_ssize_t place_for(self, object item) except -1
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)


cdef class LifoQueue(BaseQueue):
    cdef list _stack

    cdef object prepare_store(self)
    cdef Py_ssize_t length(self) noexcept
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)
