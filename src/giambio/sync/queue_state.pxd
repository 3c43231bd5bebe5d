from giambio.channels cimport stores
from giambio.channels.closing cimport Closeable, ReceivingOperation
from giambio.channels.stores cimport Store
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class QueueState(Closeable):
    cdef object __weakref__
    cdef Py_ssize_t _limit
    cdef Store _items
    cdef WaitQueue _putters
    cdef WaitQueue _getters
    cdef WaitQueue _joiners
    cdef Py_ssize_t _unfinished
    cdef long long _times_finished
    cdef bint _drops_items

    cdef object _prepare(self, Py_ssize_t limit, Store items)
    cdef bint _put_in(self, object item) except -1
    cdef object _take_out(self)
    @cython.locals(putter=QueuePut, place=Py_ssize_t)
    cdef object _let_in(self)
    cdef object _finish(self, Py_ssize_t count)
    cdef str _ended(self)


cdef class QueuePut(QueuedOperation):
    cdef object item
    cdef object refusal

    @cython.locals(queue=QueueState)
    cdef bint attempt(self) except -1


cdef class QueueGet(ReceivingOperation):
    @cython.locals(queue=QueueState)
    cdef bint attempt(self) except -1
    @cython.locals(queue=QueueState)
    cdef object give_back(self)


cdef class QueueJoin(QueuedOperation):
    cdef long long _before

    @cython.locals(queue=QueueState)
    cdef bint attempt(self) except -1


@cython.locals(operation=QueuePut)
cdef QueuePut new_put(QueueState queue, object item)

@cython.locals(operation=QueueGet)
cdef QueueGet new_get(QueueState queue, bint iterating)
