"""What a task is made of, natively (see `ingredients.py`)."""

cdef extern from *:
    """
    static int giambio_makes_coroutines(PyObject *function) {
        if (PyMethod_Check(function))
            function = PyMethod_GET_FUNCTION(function);
        if (!PyFunction_Check(function))
            return 0;
        return (((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & CO_COROUTINE) != 0;
    }
    /* To ask for `cr_frame` makes a frame object, which the coroutine then keeps. */
    #if PY_VERSION_HEX < 0x030D0000
    #define GIAMBIO_FRAME_CREATED -2
    #elif PY_VERSION_HEX < 0x030E0000
    #define GIAMBIO_FRAME_CREATED -3
    #endif
    static int giambio_was_started(PyObject *coro) {
    #ifdef GIAMBIO_FRAME_CREATED
        return ((PyCoroObject *)coro)->cr_frame_state != GIAMBIO_FRAME_CREATED;
    #else
        PyObject *running = PyObject_GetAttrString(coro, "cr_running");
        PyObject *suspended = PyObject_GetAttrString(coro, "cr_suspended");
        PyObject *frame = PyObject_GetAttrString(coro, "cr_frame");
        int failed = running == NULL || suspended == NULL || frame == NULL;
        int started = running == Py_True || suspended == Py_True || frame == Py_None;
        Py_XDECREF(running);
        Py_XDECREF(suspended);
        Py_XDECREF(frame);
        return failed ? -1 : started;
    #endif
    }
    """
    object PyContext_CopyCurrent()
    bint giambio_makes_coroutines(object function) noexcept
    bint giambio_was_started(object coro) except -1


cpdef object copy_context():
    """A copy of the current context."""
    return PyContext_CopyCurrent()


cpdef bint makes_coroutines(object function) noexcept:
    """Tell whether it is an async function or a method of one."""
    return giambio_makes_coroutines(function)


cpdef bint was_started(object coro) except -1:
    """Tell whether a coroutine has run already, a little or to its end."""
    return giambio_was_started(coro)
