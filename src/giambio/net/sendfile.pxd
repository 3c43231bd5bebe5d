from giambio.drivers cimport interest
from giambio.drivers.source cimport Source
from giambio.net cimport syscalls
from giambio.net.basesocket cimport BaseSocket
from giambio.net.socket_operations cimport SocketOperation

cimport cython


cdef class SendFile(SocketOperation):
    cdef int _file
    cdef long long _begin
    cdef long long _end
    cdef long long _offset

    @cython.locals(source=Source, sock=BaseSocket, size=cython.longlong, count=cython.longlong)
    cdef bint attempt(self) except -1
    cdef bint abort(self) except -1


cpdef object break_off(BaseSocket sock)

cdef bint is_cached(int file, long long offset) except -1
