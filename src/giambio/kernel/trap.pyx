"""The protocol of `await`, natively (see `trap.py`)."""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF

from giambio.kernel cimport step

cdef extern from *:
    """
    /* Ends an awaitable with a result: sets the error indicator, without a traceback. */
    static void giambio_finish(PyObject *value) {
    #if PY_VERSION_HEX >= 0x030C0000
        /* From 3.12 on every result goes this way. Arguments would be packed and unpacked for
           nobody: the interpreter asks for `value` only. */
        static PyObject *nothing = NULL;
        if (nothing == NULL && (nothing = PyTuple_New(0)) == NULL)
            return;
        PyTypeObject *cls = (PyTypeObject *)PyExc_StopIteration;
        PyStopIterationObject *stop = (PyStopIterationObject *)cls->tp_new(cls, nothing, NULL);
        if (stop != NULL) {
            Py_XSETREF(stop->value, Py_NewRef(value));
            PyErr_SetRaisedException((PyObject *)stop);
        }
    #else
        /* The interpreter asks by `am_send`, others here. A bare value may look like arguments. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    #endif
    }

    #define giambio_set_am_send(cls, send) ((cls)->tp_as_async->am_send = (sendfunc)(send))
    """
    int PYGEN_RETURN, PYGEN_NEXT
    void giambio_finish(object value)
    void giambio_set_am_send(PyTypeObject *cls, void *send)
    object PyObject_CallMethod(PyObject *self, const char *name, const char *format, PyObject *)


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
            giambio_finish(self.result)
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
