from giambio.kernel.system_clock cimport system_time

cimport cython


@cython.final
cdef class Counters:
    cdef readonly long long turns
    cdef readonly long long steps
    cdef readonly double seconds_in_driver
    cdef readonly double seconds_running
    cdef readonly double worst_lag
    cdef readonly bint waits
    cdef readonly double since
    cdef public int times_steps

    cdef object begin(self)
    @cython.locals(now=double, passed=double)
    cdef object note(self)
