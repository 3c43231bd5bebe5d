from giambio.kernel.line cimport Line, Waiting

cimport cython


cdef class Event:
    cdef object __weakref__
    cdef Line _line
    cdef bint _set


cdef class EventWait(Waiting):
    cdef Event _event

    @cython.locals(event=Event)
    cdef bint attempt(self) except -1
