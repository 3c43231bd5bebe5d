from giambio.channels cimport ring_buffer
from giambio.channels.ring_buffer cimport RingBuffer
from giambio.kernel.wait_queue cimport QueuedOperation
from giambio.sync cimport queue_state
from giambio.sync.stable_heap cimport Heap
from giambio.sync.queue_state cimport QueueState

cimport cython


cdef class BaseQueue(QueueState):
    cdef object _maxsize

    @cython.locals(putter=QueuedOperation, getter=QueuedOperation)
    cpdef object close_now(self)


cdef class Queue(BaseQueue):
    cdef RingBuffer _items

    cdef object prepare_queue_state(self)
    cdef Py_ssize_t length(self) noexcept
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)


cdef class PriorityQueue(BaseQueue):
    cdef Heap _heap

    cdef object prepare_queue_state(self)
    cdef Py_ssize_t length(self) noexcept
    cdef Py_ssize_t place_for(self, object item) except -1
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)


cdef class LifoQueue(BaseQueue):
    cdef list _stack

    cdef object prepare_queue_state(self)
    cdef Py_ssize_t length(self) noexcept
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)
