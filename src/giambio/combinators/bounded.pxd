from giambio.combinators.base cimport Collector
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Task
from giambio.kernel.wait_queue cimport QueuedOperation, WaitQueue

cimport cython


cdef class BoundedCollector(Collector):
    cdef object _function
    cdef object _items
    cdef Py_ssize_t _limit
    cdef Task _feeder
    cdef Py_ssize_t _taken
    cdef WaitQueue _places

    cdef object _begin(self, list coros)
    cpdef object _place(self)
    cpdef object _start(self, object item)
    cdef object _take(self, Task task, object result)
    cdef object _give_place(self)
    cdef object _settle(self, Task task)


cdef class Place(QueuedOperation):
    @cython.locals(collector=BoundedCollector)
    cdef bint attempt(self) except -1
