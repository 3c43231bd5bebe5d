from giambio.combinators.base cimport Collector
from giambio.kernel.operation cimport Operation
from giambio.kernel.task cimport Task

cimport cython


cdef class BoundedCollector(Collector):
    cdef object _function
    cdef object _items
    cdef Py_ssize_t _limit
    cdef Task _feeder
    cdef Py_ssize_t _taken
    cdef Place _place

    cdef object prepare_bounded(
        self, object function, object items, object limit, object return_exceptions
    )
    cdef object begin(self)
    cpdef object place(self)
    cpdef object start(self, object item)
    cdef bint has_place(self) noexcept
    cdef object give_place(self)
    cdef object _settle(self, Task task)


cdef class Place(Operation):
    cdef BoundedCollector _collector

    @cython.locals(collector=BoundedCollector)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1
