"""The parts of a task, natively (see `introspect.py`)."""

cdef extern from *:
    """
    static int giambio_makes_coroutines(PyObject *function) {
        if (PyMethod_Check(function))
            function = PyMethod_GET_FUNCTION(function);
        if (!PyFunction_Check(function))
            return 0;
        return (((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & CO_COROUTINE) != 0;
    }
    static int giambio_is_compiled(PyObject *function, PyObject *compiled) {
        if (PyMethod_Check(function))
            function = PyMethod_GET_FUNCTION(function);
        return Py_TYPE(function) == Py_TYPE(compiled);
    }
    static int giambio_has_await(PyObject *value) {
        PyAsyncMethods *methods = Py_TYPE(value)->tp_as_async;
        return methods != NULL && methods->am_await != NULL;
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
    bint giambio_has_await(object value) noexcept
    bint giambio_is_compiled(object function, object compiled) noexcept
    bint PyGen_CheckExact(object value) noexcept
    enum: CO_ITERABLE_COROUTINE
    bint giambio_was_started(object coro) except -1


cpdef object copy_context():
    """Return a copy of the current context."""
    return PyContext_CopyCurrent()


cpdef bint makes_coroutines(object function) noexcept:
    """Return whether it is an async function or a method of one."""
    return giambio_makes_coroutines(function)


cpdef bint is_compiled(object function) noexcept:
    """Return whether it is a compiled function of ours, or a method."""
    return giambio_is_compiled(function, A_COMPILED_FUNCTION)


cpdef bint is_awaitable(object value) except -1:
    """Return whether a value can be awaited."""
    if giambio_has_await(value):
        return True
    return PyGen_CheckExact(value) and value.gi_code.co_flags & CO_ITERABLE_COROUTINE != 0


cpdef bint was_started(object coro) except -1:
    """Return whether a coroutine has run already, a little or to its end."""
    return giambio_was_started(coro)


cdef object A_COMPILED_FUNCTION = globals()["copy_context"]
