from giambio.channels cimport ring
from giambio.channels.ends cimport Closeable
from giambio.channels.taking cimport Taking
from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Store(Closeable):
    cdef object __weakref__
    cdef Py_ssize_t _limit
    cdef Line _putters
    cdef Line _getters
    cdef Line _joiners
    cdef Py_ssize_t _unfinished
    cdef long long _times_finished

    cdef object open_store(self, Py_ssize_t limit)
    @cython.locals(getter=Waiting)
    cdef bint put_in(self, object item) except -1
    cdef object take_out(self)
    @cython.locals(putter=QueuePut, place=Py_ssize_t)
    cdef object let_in(self)
    @cython.locals(getter=Waiting)
    cdef object put_back(self, object item)
    cdef object closed_error(self)
    cdef str end(self)

    cdef object prepare_store(self)
    cdef Py_ssize_t length(self) noexcept
    cdef Py_ssize_t place_for(self, object item) except -1
    cdef object insert(self, object item, Py_ssize_t place)
    cdef object insert_first(self, object item)
    cdef object remove(self)


cdef class QueuePut(Waiting):
    cdef Store queue
    cdef object item
    cdef object refusal

    @cython.locals(queue=Store)
    cdef bint attempt(self) except -1
    cdef object refuse(self, object exc)


cdef class QueueGet(Taking):
    cdef Store queue

    @cython.locals(queue=Store)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


cdef class QueueJoin(Waiting):
    cdef Store _queue
    cdef long long _before

    @cython.locals(queue=Store)
    cdef bint attempt(self) except -1


@cython.locals(operation=QueuePut)
cdef QueuePut new_put(Store queue, object item)

@cython.locals(operation=QueueGet)
cdef QueueGet new_get(Store queue, bint iterating)
