from giambio.drivers cimport nowait
from giambio.drivers.uring cimport Request, Ring
from giambio.files.file_state cimport FileState, OperationLock
from giambio.kernel cimport constants
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.wait_queue cimport QueuedOperation
from giambio.kernel.operation cimport Operation

cimport cython


cdef class AcquireFile(QueuedOperation):
    cdef OperationLock _lock
    cdef bint _closing

    @cython.locals(lock=OperationLock)
    cdef bint attempt(self) except -1
    cdef object give_back(self)


cdef class OpenNow(Operation):
    cdef bytes _path
    cdef int _flags

    cdef bint attempt(self) except -1


cdef class FileOperation(Operation):
    cdef FileState _file

    cdef object begin(self, FileState file)
    @cython.locals(file=FileState)
    cdef object read_now(self, Py_ssize_t size)


cdef class ReadNow(FileOperation):
    cdef Py_ssize_t _size

    cdef bint attempt(self) except -1


cdef class WriteNow(FileOperation):
    cdef object _data
    cdef Py_ssize_t _start

    @cython.locals(file=FileState, count=Py_ssize_t)
    cdef bint attempt(self) except -1


cdef class Read(FileOperation):
    cdef Py_ssize_t _size

    @cython.locals(file=FileState, size=Py_ssize_t)
    cdef bint attempt(self) except -1
    @cython.locals(file=FileState, end=Py_ssize_t)
    cdef object _from_buffer(self, Py_ssize_t size)
    @cython.locals(file=FileState, data=bytes)
    cdef object _from_system(self, Py_ssize_t size)
    @cython.locals(file=FileState, more=bytes)
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
    cdef void _ready(self) except *
    @cython.locals(kernel=Kernel)
    cdef object _count(self, bint waits)
    cdef bint abort(self) except -1
