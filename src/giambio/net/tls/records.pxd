cimport cython


cdef class Records:
    cdef object _incoming
    cdef object _outgoing
    cdef readonly object ssl_object
    cdef object _plain
    cdef object _failure
    cdef bint _drained
    cdef bint _shared
    cdef public bint answering
    cdef public bint ended
    cdef public bint goodbye_said

    @cython.locals(before=Py_ssize_t, parts=list, part=bytes)
    cdef object _read(self, object max_size)
    cdef object _note_answer(self, Py_ssize_t before)
    cdef object _check(self)
