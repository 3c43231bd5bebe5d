"""The protocol of `await`, natively (see `trap.py`)."""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF

from giambio.kernel cimport step

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030C0000
    /* From 3.12 on every result travels as a `StopIteration`. The interpreter takes the value out
       and drops the exception, which is then kept for the next result; so it is of a class of its
       own. Arguments would be packed and unpacked for nobody. */
    static PyTypeObject *giambio_stop_class = NULL;
    static PyObject *giambio_nothing = NULL;
    #ifndef Py_GIL_DISABLED
    static PyObject *giambio_spare_stop = NULL;

    static void giambio_dealloc_stop(PyObject *op) {
        PyTypeObject *cls = Py_TYPE(op);
        PyStopIterationObject *stop = (PyStopIterationObject *)op;
        /* What was caught by somebody, or changed, is not used again. */
        if (giambio_spare_stop == NULL && cls == giambio_stop_class
            && stop->args == giambio_nothing && !stop->dict && !stop->notes && !stop->traceback
            && !stop->context && !stop->cause) {
            PyObject *value = stop->value;
            stop->value = NULL;
            Py_SET_REFCNT(op, 1);
            giambio_spare_stop = op;
            Py_XDECREF(value);  /* last: that may run anything */
            return;
        }
        ((PyTypeObject *)PyExc_StopIteration)->tp_dealloc(op);
        Py_DECREF(cls);
    }
    #endif

    static int giambio_prepare_to_finish(void) {
        giambio_nothing = PyTuple_New(0);
        if (giambio_nothing == NULL)
            return -1;
    #ifndef Py_GIL_DISABLED
        static PyType_Slot slots[] = {{Py_tp_dealloc, giambio_dealloc_stop}, {0, NULL}};
        static PyType_Spec spec = {
            "giambio.kernel.trap.StopIteration", 0, 0, Py_TPFLAGS_DEFAULT, slots};
        giambio_stop_class = (PyTypeObject *)PyType_FromSpecWithBases(&spec, PyExc_StopIteration);
        return giambio_stop_class == NULL ? -1 : 0;
    #else
        giambio_stop_class = (PyTypeObject *)PyExc_StopIteration;
        return 0;
    #endif
    }

    static PyObject *giambio_new_stop(void) {
    #ifndef Py_GIL_DISABLED
        PyObject *spare = giambio_spare_stop;
        if (spare != NULL) {
            giambio_spare_stop = NULL;
            return spare;
        }
    #endif
        return ((PyTypeObject *)PyExc_StopIteration)->tp_new(
            giambio_stop_class, giambio_nothing, NULL);
    }

    /* Ends an awaitable with a result: sets the error indicator, without a traceback. */
    static void giambio_finish(PyObject *value) {
        PyStopIterationObject *stop = (PyStopIterationObject *)giambio_new_stop();
        if (stop != NULL) {
            Py_XSETREF(stop->value, Py_NewRef(value));
            PyErr_SetRaisedException((PyObject *)stop);
        }
    }
    #else
    #define giambio_prepare_to_finish() 0

    static void giambio_finish(PyObject *value) {
        /* The interpreter asks by `am_send`, others here. A bare value may look like arguments. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    #endif

    #define giambio_set_am_send(cls, send) ((cls)->tp_as_async->am_send = (sendfunc)(send))
    """
    int PYGEN_RETURN, PYGEN_NEXT
    int giambio_prepare_to_finish() except -1
    void giambio_finish(PyObject *value)
    void giambio_set_am_send(PyTypeObject *cls, void *send)
    object PyObject_CallMethod(PyObject *self, const char *name, const char *format, PyObject *)


giambio_prepare_to_finish()


cdef class Trap(Park):
    cdef bint advance(self) except -1:
        raise NotImplementedError

    cdef bint stands_alone(self) noexcept:
        return True

    def __iter__(self):
        return self

    def __next__(self):
        if not self.advance():
            return step.PARK
        if self.result is not None:
            giambio_finish(<PyObject *>self.result)
        raise StopIteration  # Cython turns it into a plain return


cdef int send(PyObject *trap, PyObject *value, PyObject **result) except -1:
    """The interpreter's question: go on, and say how it went."""
    if value != <PyObject *>None:
        # A coroutine that is driven by hand; there is no such method, and that is the answer.
        PyObject_CallMethod(trap, "send", "O", value)
    if not (<Trap>trap).advance():
        result[0] = <PyObject *>step.PARK
        Py_INCREF(step.PARK)
        return PYGEN_NEXT
    result[0] = <PyObject *>(<Trap>trap).result
    Py_INCREF(<object>result[0])
    return PYGEN_RETURN


def install_am_send(cls):
    """Make the interpreter ask a class by `am_send`, and subclasses without their own `__await__`."""
    giambio_set_am_send(<PyTypeObject *>cls, <void *>send)
