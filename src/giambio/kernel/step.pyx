"""One step of a task, natively (see `step.py`)."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from giambio.kernel cimport constants
from giambio.kernel.run_queue cimport BaseTask, Park

from giambio.errors import throwable

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    /* The threads of all loops would count references to it, and wait for each other's. */
    static void giambio_never_count(PyObject *op) {
        op->ob_tid = 0;
        op->ob_ref_local = _Py_IMMORTAL_REFCNT_LOCAL;
        op->ob_ref_shared = 0;
    }
    #else
    #define giambio_never_count(op)
    #endif

    /* The exception being raised, normalized, with its traceback set; the error
       indicator is clear afterwards. */
    static PyObject *giambio_take_exception(void) {
    #if PY_VERSION_HEX >= 0x030C0000
        return PyErr_GetRaisedException();
    #else
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != NULL) {
            PyException_SetTraceback(value, traceback);
            Py_DECREF(traceback);
        }
        Py_XDECREF(type);
        return value;
    #endif
    }

    /* Sends None, or throws, inside the context. *result is always set: to what
       was yielded, returned or raised. The C API has no way to throw without
       StopIteration, hence the detour for the returned value. */
    static int giambio_step(PyObject *coro, PyObject *context, PyObject *thrown,
                            PyObject **result) {
        int how;
        if (PyContext_Enter(context) < 0) {
            *result = giambio_take_exception();
            return PYGEN_ERROR;
        }
        if (thrown == NULL) {
            how = PyIter_Send(coro, Py_None, result);
            if (how == PYGEN_ERROR)
                *result = giambio_take_exception();
        } else {
            *result = PyObject_CallMethod(coro, "throw", "O", thrown);
            how = PYGEN_NEXT;
            if (*result == NULL) {
                how = PYGEN_ERROR;
                *result = giambio_take_exception();
                if (PyObject_TypeCheck(*result, (PyTypeObject *)PyExc_StopIteration)) {
                    PyObject *stop = *result;
                    *result = Py_XNewRef(((PyStopIterationObject *)stop)->value);
                    if (*result == NULL) *result = Py_NewRef(Py_None);
                    Py_DECREF(stop);
                    how = PYGEN_RETURN;
                }
            }
        }
        if (PyContext_Exit(context) < 0)
            PyErr_WriteUnraisable(coro);
        return how;
    }
    """
    int PYGEN_RETURN, PYGEN_ERROR, PYGEN_NEXT
    void giambio_never_count(PyObject *op)
    int giambio_step(PyObject *coro, PyObject *context, PyObject *thrown, PyObject **result)


cdef class _Sentinel:
    def __repr__(self):
        return "<giambio: the task parks>"


cdef object PARK = _Sentinel()
globals()["PARK"] = PARK
giambio_never_count(<PyObject *>PARK)


cdef int step(BaseTask task) except -1:
    cdef PyObject *result = NULL
    cdef int how
    cdef object thrown = task._thrown
    if thrown is None:
        how = giambio_step(<PyObject *>task._coro, <PyObject *>task._context, NULL, &result)
    else:
        task._thrown = None
        if isinstance(thrown, StopIteration):
            thrown = throwable(thrown)
        if isinstance(task._coro, Park):
            task._outcome = thrown
            return constants.RAISED
        how = giambio_step(
            <PyObject *>task._coro, <PyObject *>task._context, <PyObject *>thrown, &result
        )
        thrown = None
    if how == PYGEN_NEXT and result == <PyObject *>PARK:
        Py_DECREF(PARK)
        return constants.PARKED
    task._outcome = <object>result
    Py_DECREF(task._outcome)
    if how == PYGEN_NEXT:
        return constants.FOREIGN
    return constants.RETURNED if how == PYGEN_RETURN else constants.RAISED
