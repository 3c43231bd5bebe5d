from giambio.asyncio.host cimport Host
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.run_queue cimport Runnable, RunQueue

cimport cython


cdef class ReadyStreams(Runnable):
    cdef Host _host
    cdef Kernel _kernel
    cdef RunQueue _streams

    cdef object append(self, Runnable stream)
    @cython.locals(streams=RunQueue, count=Py_ssize_t, stream=Runnable, watched=bint)
    cdef void _run(self) except *
