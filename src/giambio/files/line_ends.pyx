"""Where a line ends, natively (see `line_ends.py`)."""

from libc.string cimport memchr

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_FindChar, PyUnicode_GET_LENGTH


cpdef Py_ssize_t line_end(object data, Py_ssize_t start) except -1:
    """See `line_ends.py`."""
    cdef char *first
    cdef char *found
    if isinstance(data, str):
        return PyUnicode_FindChar(data, 10, start, PyUnicode_GET_LENGTH(data), 1) + 1
    if start >= PyBytes_GET_SIZE(data):
        return 0
    first = PyBytes_AS_STRING(data)
    found = <char *>memchr(first + start, 10, PyBytes_GET_SIZE(data) - start)
    return 0 if found == NULL else found - first + 1
