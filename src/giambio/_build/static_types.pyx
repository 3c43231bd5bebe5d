"""What only C can do to a compiled class: forbid subclasses and copies, carry a signature.

Cython's own `final` cannot be put on a class whose methods are declared in a
`.pxd`, and its classes have no signature for their constructor.
"""

cdef extern from *:
    """
    #include <string.h>
    static int giambio_seal(PyObject *cls, const char *signature, PyObject *reduce) {
        PyTypeObject *type = (PyTypeObject *)cls;
        if (PyDict_SetItemString(type->tp_dict, "__reduce__", reduce) < 0) return -1;
        /* A static type's doc starts with "name(signature)\\n--\\n\\n": that is
           where inspect.signature() looks. */
        const char *name = strrchr(type->tp_name, '.');
        const char *doc = type->tp_doc ? type->tp_doc : "";
        name = name ? name + 1 : type->tp_name;
        if (signature[0] && !strstr(doc, ")\\n--\\n\\n")) {
            size_t size = strlen(name) + strlen(signature) + strlen(doc) + 8;
            char *text = PyMem_RawMalloc(size);
            if (text == NULL) { PyErr_NoMemory(); return -1; }
            PyOS_snprintf(text, size, "%s%s\\n--\\n\\n%s", name, signature, doc);
            type->tp_doc = text; /* lives as long as the type: for ever */
        }
        type->tp_flags &= ~Py_TPFLAGS_BASETYPE;
        PyType_Modified(type);
        return 0;
    }
    """
    int giambio_seal(object cls, const char *signature, object reduce) except -1


def __reduce__(self):
    raise TypeError(f"cannot pickle '{type(self).__name__}' object")


cpdef object seal(object cls, str signature):
    """Make a static type final and tell `inspect.signature` how it is called."""
    giambio_seal(cls, signature.encode(), __reduce__)
