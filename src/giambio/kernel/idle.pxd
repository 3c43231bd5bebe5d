from giambio.kernel.timers cimport Timers

cimport cython


cdef double FIRST_PATIENCE


@cython.final
cdef class Idle:
    cdef object _clock
    cdef object _jump
    cdef Timers _timers
    cdef public Py_ssize_t in_flight
    cdef list _waiters
    cdef object _look_for_deadlock
    cdef double _patience
    cdef double _since

    cdef bint is_watched(self) noexcept
    cdef object forget(self)
    @cython.locals(timeout=double, shortest=double)
    cdef double timeout(self) except? -2
    cdef double _rest_of(self, double seconds) except? -2
    @cython.locals(now=double)
    cdef double _lasts(self) except? -2
    @cython.locals(seconds=double)
    cdef object look(self)
    cdef object end(self)
    cdef object _jump_after(self, double seconds)
    cdef object _tell_waiters(self, double seconds)
