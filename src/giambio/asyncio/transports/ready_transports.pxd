from giambio.asyncio.host cimport Host
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.run_queue cimport Runnable, RunQueue

cimport cython


cdef class ReadyTransports(Runnable):
    cdef Host _host
    cdef Kernel _kernel
    cdef RunQueue _transports

    cdef object append(self, Runnable transport)
    @cython.locals(transports=RunQueue, count=Py_ssize_t, transport=Runnable, watched=bint)
    cdef void _run(self) except *
