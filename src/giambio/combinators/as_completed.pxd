from giambio.block cimport Block, Leaving
from giambio.combinators.feeding cimport Feeding
from giambio.combinators.together cimport Collector
from giambio.kernel cimport constants
from giambio.kernel.line cimport Line, Waiting
from giambio.kernel.task cimport Task

cimport cython


cdef class Results(Feeding):
    cdef object _values
    cdef Line _line

    @cython.locals(first=Waiting)
    cdef object take(self, Task task, object result)
    cdef object take_value(self)
    cdef bint is_left(self) noexcept
    cdef bint is_over(self) noexcept
    cdef object open(self, Task task)
    cpdef object pass_place_on(self)
    cdef object begin_leaving(self, Leaving leaving, object body)
    cdef object conclude(self, Task host, object body, bint cancelled, bint caught)


cdef class Next(Waiting):
    cdef Results _results

    @cython.locals(results=Results)
    cdef bint attempt(self) except -1
