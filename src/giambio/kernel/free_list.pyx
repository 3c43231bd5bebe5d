"""Operations that are done, to be used again, natively (see `free_list.py`).

A spare one has one reference, the list's, and has none to others. So it may stay with the
garbage collector, which need not be told when it leaves and when it comes back.
"""

from giambio.kernel cimport constants

cdef extern from *:
    """
    #define giambio_is_weakly_referenced(op) \\
        (*(PyObject **)((char *)(op) + Py_TYPE(op)->tp_weaklistoffset) != NULL)
    #define giambio_clear(op) Py_TYPE(op)->tp_clear(op)
    #define giambio_make(cls, nothing) ((PyTypeObject *)(cls))->tp_new(cls, nothing, NULL)
    #define giambio_set_init(cls, function) ((cls)->tp_init = (initproc)(function))
    #define giambio_set_dealloc(cls, function) ((cls)->tp_dealloc = (destructor)(function))
    #define giambio_dealloc(function, op) ((destructor)(function))(op)
    """
    bint giambio_is_weakly_referenced(PyObject *op)
    void giambio_clear(PyObject *op)
    object giambio_make(PyTypeObject *cls, object nothing)
    void giambio_set_init(PyTypeObject *cls, void *function)
    void giambio_set_dealloc(PyTypeObject *cls, void *function)
    void giambio_dealloc(void *function, PyObject *op)
    PyTypeObject *Py_TYPE(PyObject *op)
    int PyType_IsSubtype(PyTypeObject *cls, PyTypeObject *base)
    void Py_SET_REFCNT(PyObject *op, Py_ssize_t count)
    void Py_DECREF(PyObject *op)
    void Py_INCREF(object op)
    int PyObject_CallFinalizerFromDealloc(PyObject *op)
    bint PyObject_GC_IsFinalized(PyObject *op)

# All of them, for traps that were not taken from one; these may be of a subclass.
cdef Spare *latest = NULL


cdef class FreeList:
    def __init__(self, cls):
        global latest
        self._spare.cls = <PyTypeObject *>cls
        self._spare.dealloc = <void *>self._spare.cls.tp_dealloc
        self._spare.another = latest
        latest = &self._spare
        giambio_set_dealloc(self._spare.cls, <void *>let_go)
        giambio_set_init(self._spare.cls, <void *>refuse)
        Py_INCREF(self)  # it lives as long as the class, which is compiled: for ever

    cdef Trap take(self):
        cdef Trap trap
        if self._spare.count:
            self._spare.count -= 1
            trap = <Trap>self._spare.traps[self._spare.count]
            Py_DECREF(<PyObject *>trap)
            return trap
        trap = giambio_make(self._spare.cls, ())
        trap.free_list = &self._spare
        return trap


cdef int refuse(PyObject *op, PyObject *args, PyObject *keywords) except -1:
    """Refuse a call of the class: the object would have nothing to work with."""
    (<Trap>op).state = constants.DONE
    raise TypeError(
        f"cannot make a {type(<Trap>op).__name__} by hand; call the method that returns it"
    )


cdef void let_go(PyObject *op) noexcept:
    """The last reference to a trap has gone: keep it if it is done."""
    cdef Spare *spare = <Spare *>(<Trap>op).free_list
    if spare == NULL:
        spare = latest
        while not PyType_IsSubtype(Py_TYPE(op), spare.cls):
            spare = spare.another
    elif (
        (<Trap>op).state == constants.DONE
        and spare.count < MOST
        and not giambio_is_weakly_referenced(op)
        and not PyObject_GC_IsFinalized(op)  # it was in a cycle: its `__del__` is not called again
    ):
        Py_SET_REFCNT(op, 1)  # before it lets go of others: that may run anything
        giambio_clear(op)
        if spare.count < MOST:
            spare.traps[spare.count] = op
            spare.count += 1
            return
        Py_DECREF(op)  # comes here again, unless whatever ran has got hold of it
        return
    # As the class would do it, which only looks for a finalizer if this is its own function.
    if PyObject_CallFinalizerFromDealloc(op) == 0:
        giambio_dealloc(spare.dealloc, op)
