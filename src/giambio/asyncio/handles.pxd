from giambio.asyncio.host cimport Host
from giambio.asyncio.links cimport FutureWait
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.run_queue cimport Runnable

cimport cython


cdef object RUN


cdef class CallbackHandle(Runnable):
    cdef object __weakref__
    cdef Host _host
    cdef readonly object _callback
    cdef readonly object _args
    cdef readonly object _context
    cdef readonly bint _cancelled
    cdef readonly object _repr
    cdef readonly object _source_traceback

    @cython.locals(host=Host)
    cdef void _run(self) except *
    cdef object _report(self, object exc)


cdef class TimedHandle(CallbackHandle):
    cdef double _when

    cdef void _ready(self) except *


@cython.locals(handle=CallbackHandle)
cdef object schedule_soon(Host host, object callback, tuple args, object context)
@cython.locals(timer=TimedHandle)
cdef object schedule_at(Host host, double when, object callback, tuple args, object context)
cdef object check(Host host, object callback, str method)
cdef CallbackHandle set_up(
    CallbackHandle handle, Host host, object callback, tuple args, object context
)
