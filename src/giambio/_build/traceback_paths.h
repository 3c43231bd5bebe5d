/* Has the tracebacks of compiled modules name files that exist.

Cython writes the path of a source into its C as it was when translating, which is
relative to the checkout: "src/giambio/kernel/task.py". Where giambio will be installed
nobody knows then. So the path is completed when a frame of a traceback gets its code
object, which happens once for each line that raises.

setup.py has the compiler include this file before each module that Cython has
translated; it replaces the one function that Cython makes those code objects with. */

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
#include <string.h>

/* Return the path of a source where giambio is installed, NULL if that cannot be told.
   No exception is left set. */
static PyObject *giambio_installed_path(const char *source)
{
    static const char prefix[] = "src/giambio/";
    const size_t length = sizeof prefix - 1;
    PyObject *name, *package, *file = NULL, *folder = NULL, *path = NULL, *encoded = NULL;

    for (size_t i = 0; i < length; i++) {
        int separates = prefix[i] == '/' && source[i] == '\\'; /* as Windows does */
        if (source[i] != prefix[i] && !separates) return NULL;
    }
    name = PyUnicode_FromString("giambio");
    package = name == NULL ? NULL : PyImport_GetModule(name);
    if (package != NULL) file = PyModule_GetFilenameObject(package);
    if (file != NULL) { /* it ends in "__init__.py" */
        Py_ssize_t end = PyUnicode_GET_LENGTH(file) - (Py_ssize_t)strlen("__init__.py");
        folder = PyUnicode_Substring(file, 0, end);
    }
    if (folder != NULL) path = PyUnicode_FromFormat("%U%s", folder, source + length);
    if (path != NULL) encoded = PyUnicode_EncodeFSDefault(path);
    if (encoded == NULL) PyErr_Clear();
    Py_XDECREF(path);
    Py_XDECREF(folder);
    Py_XDECREF(file);
    Py_XDECREF(package);
    Py_XDECREF(name);
    return encoded;
}

static inline PyCodeObject *
giambio_code_new_empty(const char *source, const char *function, int line)
{
    PyObject *path = giambio_installed_path(source);
    PyCodeObject *code =
        PyCode_NewEmpty(path == NULL ? source : PyBytes_AS_STRING(path), function, line);
    Py_XDECREF(path);
    return code;
}

#define PyCode_NewEmpty giambio_code_new_empty
