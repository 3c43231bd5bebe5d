from giambio.kernel cimport constants
from giambio.kernel.operation cimport current_kernel
from giambio.kernel.task cimport current_task
from giambio.tasks cimport cancel
from giambio.tasks.cancel cimport CancelScope

cimport cython


cdef CancelScope failing(CancelScope scope)

cdef double time_after(str what, object seconds) except? -1

@cython.locals(scope=CancelScope)
cdef object earliest_deadline(CancelScope innermost)
