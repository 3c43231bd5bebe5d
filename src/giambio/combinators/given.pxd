from giambio.combinators.base cimport Collector
from giambio.kernel.task cimport Task

cimport cython


cdef class Given(Collector):
    cdef tuple _targets
    cdef list _coros

    cdef object prepare_given(self, tuple targets, object return_exceptions)
    cdef object prepare_tasks(self)
    @cython.locals(coros=list, number=Py_ssize_t)
    cdef object begin(self)
    cdef object began(self, Task task, Py_ssize_t number)
    cdef object give_up(self)
