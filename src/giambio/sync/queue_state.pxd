from giambio.channels cimport ring_buffer
from giambio.channels.closing cimport Closeable
from giambio.channels.receiving cimport ReceivingOperation
from giambio.kernel.wait_queue cimport WaitQueue, QueuedOperation

cimport cython


cdef class QueueState(Closeable):
    cdef object __weakref__
    cdef Py_ssize_t _limit
    cdef WaitQueue _putters
    cdef WaitQueue _getters
    cdef WaitQueue _joiners
    cdef Py_ssize_t _unfinished
    cdef long long _times_finished

    cdef object open_queue(self, Py_ssize_t limit)
    @cython.locals(getter=QueuedOperation)
    cdef bint put_in(self, object item) except -1
    cdef object take_out(self)
    @cython.locals(putter=QueuePut, place=Py_ssize_t)
    cdef object let_in(self)
    @cython.locals(getter=QueuedOperation)
    cdef object put_back(self, object item)
    cdef object closed_error(self)
    cdef str end(self)

    cdef object prepare_queue_state(self)
    cdef Py_ssize_t length(self) noexcept
    cdef Py_ssize_t place_for(self, object item) except -1
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)


cdef class QueuePut(QueuedOperation):
    cdef QueueState queue
    cdef object item
    cdef object refusal

    @cython.locals(queue=QueueState)
    cdef bint attempt(self) except -1
    cdef object refuse(self, object exc)


cdef class QueueGet(ReceivingOperation):
    cdef QueueState queue

    @cython.locals(queue=QueueState)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


cdef class QueueJoin(QueuedOperation):
    cdef QueueState _queue
    cdef long long _before

    @cython.locals(queue=QueueState)
    cdef bint attempt(self) except -1


@cython.locals(operation=QueuePut)
cdef QueuePut new_put(QueueState queue, object item)

@cython.locals(operation=QueueGet)
cdef QueueGet new_get(QueueState queue, bint iterating)
