cpdef Py_ssize_t line_end(object data, Py_ssize_t start) except -1
