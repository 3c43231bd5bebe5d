from giambio.files.file_state cimport FileState
from giambio.kernel cimport constants
from giambio.kernel.free_list cimport FreeList
from giambio.kernel.operation cimport Operation

cimport cython


cdef class Lines:
    cdef FileState _file
    cdef object _read


cdef class NextLine(Operation):
    cdef Lines _lines
    cdef object _reading
    cdef object _ahead
    cdef Py_ssize_t _start
    cdef Py_ssize_t _end

    cdef bint stands_alone(self) noexcept
    cdef bint iterates(self) noexcept
    @cython.locals(file=FileState)
    cdef bint _find(self) except -1
    @cython.locals(file=FileState)
    cdef bint attempt(self) except -1


cdef FreeList NEXT_LINES


@cython.locals(operation=NextLine)
cdef NextLine new_next_line(Lines lines)
