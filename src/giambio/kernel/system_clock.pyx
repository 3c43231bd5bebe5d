"""The system's monotonic clock, natively (see `system_clock.py`)."""

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030D0000
    static double giambio_system_time(void) {
        PyTime_t now;
        return PyTime_Monotonic(&now) < 0 ? -1.0 : PyTime_AsSecondsDouble(now);
    }
    #else
    #define giambio_system_time() _PyTime_AsSecondsDouble(_PyTime_GetMonotonicClock())
    #endif
    """
    double giambio_system_time() except? -1


cpdef double system_time() except? -1:
    """See `system_clock.py`."""
    return giambio_system_time()
