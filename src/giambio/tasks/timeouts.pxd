from giambio.tasks cimport cancel
from giambio.tasks.cancel cimport CancelScope

cimport cython


cdef CancelScope failing(CancelScope scope)

@cython.locals(scope=CancelScope)
cdef object earliest_deadline(CancelScope innermost)
