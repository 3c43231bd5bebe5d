"""Operations that are done, to be used again, natively (see `free_list.py`).

A spare one has one reference, the list's, and has none to others. So it may stay with the
garbage collector, which need not be told when it leaves and when it comes back.

Where threads take turns, those of all loops share the spare ones. In a free-threaded Python each
thread has its own, and only while it runs a loop: nobody would free them when the thread ends.
"""

from cpython.object cimport PyObject, PyTypeObject

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

    /* With the list's reference, which is the caller's now. */
    #define giambio_take(spare) ((void *)(spare)->traps[--(spare)->count])

    #define GIAMBIO_SPARE_CLASSES 16
    #define GIAMBIO_MOST_SPARE 64

    /* The spare operations of one class. */
    typedef struct {
        Py_ssize_t count;
        PyObject *traps[GIAMBIO_MOST_SPARE];
    } giambio_spare;

    /* The list of a class, by its place: how many bytes it is away from the first, which is none. */
    #define giambio_spare_at(place) ((giambio_spare *)((char *)giambio_spares + (place)))

    #ifndef Py_GIL_DISABLED
    static giambio_spare giambio_spares[GIAMBIO_SPARE_CLASSES];
    #define giambio_keeps 1
    #define giambio_begin()
    #define giambio_end() 0
    #define giambio_revive(op) Py_SET_REFCNT(op, 1)
    #else
    #if defined(_MSC_VER)
    #define giambio_local static __declspec(thread)
    #else
    #define giambio_local static __thread
    #endif
    giambio_local giambio_spare giambio_spares[GIAMBIO_SPARE_CLASSES];
    giambio_local int giambio_keeps = 0;
    #define giambio_begin() (giambio_keeps = 1)
    #define giambio_end() (giambio_keeps = 0, 1)
    /* It is this thread's again: counting references to others' objects is slow. */
    static void giambio_revive(PyObject *op) {
        op->ob_tid = _Py_ThreadId();
        op->ob_ref_local = 1;
        op->ob_ref_shared = 0;
    }
    #endif
    """
    enum: CLASSES "GIAMBIO_SPARE_CLASSES"
    int MOST "GIAMBIO_MOST_SPARE"

    ctypedef struct Spare "giambio_spare":
        Py_ssize_t count
        PyObject **traps

    Spare *giambio_spare_at(int place)
    Trap giambio_take(Spare *spare)
    bint keeps "giambio_keeps"
    void giambio_begin()
    bint giambio_end()
    void giambio_revive(PyObject *op)
    bint giambio_is_weakly_referenced(PyObject *op)
    void giambio_clear(PyObject *op)
    object giambio_make(PyTypeObject *cls, object nothing)
    void giambio_set_init(PyTypeObject *cls, void *function)
    void giambio_set_dealloc(PyTypeObject *cls, void *function)
    void giambio_dealloc(void *function, PyObject *op)
    PyTypeObject *Py_TYPE(PyObject *op)
    int PyType_IsSubtype(PyTypeObject *cls, PyTypeObject *base)
    void Py_DECREF(PyObject *op)
    int PyObject_CallFinalizerFromDealloc(PyObject *op)
    bint PyObject_GC_IsFinalized(PyObject *op)


cdef struct Class:
    PyTypeObject *cls
    void *dealloc

# The classes that have lists, which are for ever, in the order of their places, from the second on.
cdef Class[CLASSES] classes
cdef int latest = 0


cdef inline Class *class_at(int place) noexcept:
    return &classes[place // <int>sizeof(Spare)]


cdef class FreeList:
    def __init__(self, cls):
        global latest
        if latest + 1 == CLASSES:
            raise RuntimeError("there are more free lists than GIAMBIO_SPARE_CLASSES allows")
        latest += 1
        self._place = latest * sizeof(Spare)
        classes[latest].cls = <PyTypeObject *>cls
        classes[latest].dealloc = <void *>classes[latest].cls.tp_dealloc
        giambio_set_dealloc(classes[latest].cls, <void *>let_go)
        giambio_set_init(classes[latest].cls, <void *>refuse)

    cdef Trap take(self):
        cdef Trap trap
        cdef Spare *spare = giambio_spare_at(self._place)
        if spare.count:
            return giambio_take(spare)
        trap = giambio_make(class_at(self._place).cls, ())
        trap.free_list = self._place
        return trap


def begin():
    """Keep what the loop is done with that this thread runs from now on."""
    giambio_begin()


def end():
    """Free what is kept for this thread alone."""
    cdef Spare *spare
    cdef int number
    if giambio_end():
        for number in range(1, latest + 1):
            spare = giambio_spare_at(number * sizeof(Spare))
            while spare.count:
                spare.count -= 1
                Py_DECREF(spare.traps[spare.count])


cdef int refuse(PyObject *op, PyObject *args, PyObject *keywords) except -1:
    """Refuse a call of the class: the object would have nothing to work with."""
    (<Trap>op).state = constants.DONE
    raise TypeError(
        f"cannot make a {type(<Trap>op).__name__} by hand; call the method that returns it"
    )


cdef void let_go(PyObject *op) noexcept:
    """The last reference to a trap has gone: keep it if it is done."""
    cdef int place = (<Trap>op).free_list
    cdef Spare *spare
    if place == 0:  # it was not taken from a list; it may be of a subclass
        place = latest * sizeof(Spare)
        while not PyType_IsSubtype(Py_TYPE(op), class_at(place).cls):
            place -= sizeof(Spare)
    elif (<Trap>op).state == constants.DONE and keeps:
        spare = giambio_spare_at(place)
        if (
            spare.count < MOST
            and not giambio_is_weakly_referenced(op)
            and not PyObject_GC_IsFinalized(op)  # it was in a cycle, and has had its `__del__`
        ):
            giambio_revive(op)  # before it lets go of others: that may run anything
            giambio_clear(op)
            if spare.count < MOST and keeps:
                spare.traps[spare.count] = op
                spare.count += 1
                return
            Py_DECREF(op)  # comes here again, unless whatever ran has got hold of it
            return
    # As the class would do it, which only looks for a finalizer if this is its own function.
    if PyObject_CallFinalizerFromDealloc(op) == 0:
        giambio_dealloc(class_at(place).dealloc, op)
