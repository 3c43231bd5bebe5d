from giambio.drivers cimport nowait
from giambio.drivers.uring cimport Request, Ring
from giambio.files.openfile cimport OpenFile, Turns
from giambio.kernel cimport constants
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.line cimport Waiting
from giambio.kernel.operation cimport Operation

cimport cython


cdef class Turn(Waiting):
    cdef Turns _turns
    cdef bint _closing

    @cython.locals(turns=Turns)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


cdef class OpenNow(Operation):
    cdef bytes _path
    cdef int _flags

    cdef bint attempt(self) except -1


cdef class FileOperation(Operation):
    cdef OpenFile _file

    cdef object begin(self, OpenFile file)
    @cython.locals(file=OpenFile)
    cdef object read_now(self, Py_ssize_t size)


cdef class ReadNow(FileOperation):
    cdef Py_ssize_t _size

    cdef bint attempt(self) except -1


cdef class WriteNow(FileOperation):
    cdef object _data
    cdef Py_ssize_t _start

    @cython.locals(file=OpenFile, count=Py_ssize_t)
    cdef bint attempt(self) except -1


cdef class Read(FileOperation):
    cdef Py_ssize_t _size

    @cython.locals(file=OpenFile, size=Py_ssize_t)
    cdef bint attempt(self) except -1
    @cython.locals(file=OpenFile, end=Py_ssize_t)
    cdef object _from_buffer(self, Py_ssize_t size)
    @cython.locals(file=OpenFile, data=bytes)
    cdef object _from_system(self, Py_ssize_t size)
    @cython.locals(file=OpenFile, more=bytes)
    cdef object _if_complete(self, bytes data, Py_ssize_t size)


cdef class RingCall(Operation):
    cdef Ring _ring
    cdef Request _request
    cdef object _name
    cdef object _path
    cdef bint _asked
    cdef bint _waits

    cdef bint advance(self) except -1
    @cython.locals(request=Request)
    cdef bint attempt(self) except -1
    @cython.locals(request=Request)
    cdef bint _settle(self) except -1
    cdef void ready(self) except *
    @cython.locals(kernel=Kernel)
    cdef object _count(self, bint waits)
    cdef bint abort(self) except -1
