"""The kernel that runs in this thread, natively (see `current.py`)."""

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) PyObject *giambio_current = NULL;
    #else
    static __thread PyObject *giambio_current = NULL;
    #endif
    static PyObject *giambio_get(void) {
        return Py_NewRef(giambio_current ? giambio_current : Py_None);
    }
    static PyObject *giambio_swap(PyObject *kernel) {
        PyObject *previous = giambio_current ? giambio_current : Py_NewRef(Py_None);
        giambio_current = kernel == Py_None ? NULL : Py_NewRef(kernel);
        return previous;
    }
    """
    object giambio_get()
    object giambio_swap(object kernel)


cpdef object get():
    """Return the kernel that runs in this thread, or None."""
    return giambio_get()


cpdef object swap(object kernel):
    """Set the kernel of this thread; return the previous one."""
    return giambio_swap(kernel)
