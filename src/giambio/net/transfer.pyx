# platform: posix
"""The four system calls that a connection lives on, natively (see `transfer.py`)."""

from libc.errno cimport EBADF, EINTR, errno

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc

cdef extern from *:
    """
    #include <errno.h>
    #include <sys/socket.h>
    #include <sys/types.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0  /* macOS has SO_NOSIGPIPE; Python ignores SIGPIPE anyway */
    #endif
    static int giambio_would_block(int error) {
        return error == EAGAIN || error == EWOULDBLOCK;
    }

    /* The beginning of CPython's socket object: the same since Python 2. */
    typedef struct {
        PyObject_HEAD
        int fd;
    } giambio_socket_head;
    #define giambio_fd_in(sock) (((giambio_socket_head *)(sock))->fd)
    """
    int giambio_fd_in(object sock)
    int MSG_NOSIGNAL
    ssize_t recv(int fd, void *buffer, size_t size, int flags) nogil
    ssize_t c_send "send"(int fd, const void *buffer, size_t size, int flags) nogil
    int giambio_would_block(int error)

cdef enum:
    # What a call may move without letting other threads run: about 20 µs of copying.
    LARGE = 262144


cdef class ReceiveBuffer:
    """The receive buffer of one loop."""

    def __cinit__(self, Py_ssize_t size):
        self.data = <char *>PyMem_RawMalloc(size)
        if self.data == NULL:
            raise MemoryError
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.data)


cdef int open_fd(object sock, int fd) except -1:
    """The descriptor, if the socket still has it.

    Whoever wraps a socket may hold the plain one too, and close it: then the
    number may be another connection's already. Asking the plain socket with a
    Python call would cost as much as an operation's half.
    """
    if giambio_fd_in(sock) == fd:
        return fd
    # Closed; or an unknown layout, so ask. What it answers is what the system is told.
    fd = sock.fileno()
    if fd < 0:
        raise OSError(EBADF, "the plain socket behind this AsyncSocket was closed")
    return fd


cdef object receive(object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer):
    cdef ssize_t count
    fd = open_fd(sock, fd)
    if size > buffer.size:
        size = buffer.size
    while True:
        count = recv(fd, buffer.data, size, 0)
        if count >= 0:
            return PyBytes_FromStringAndSize(buffer.data, count)
        if giambio_would_block(errno):
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        PyErr_CheckSignals()


cdef Py_ssize_t receive_into(object sock, int fd, object target) except -2:
    cdef Py_buffer view
    cdef ssize_t count
    fd = open_fd(sock, fd)
    PyObject_GetBuffer(target, &view, PyBUF_WRITABLE | PyBUF_SIMPLE)
    try:
        while True:
            count = recv(fd, view.buf, view.len, 0)
            if count >= 0:
                return count
            if giambio_would_block(errno):
                return -1
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()
    finally:
        PyBuffer_Release(&view)


cdef Py_ssize_t send(object sock, int fd, object data, Py_ssize_t offset) except -2:
    cdef Py_buffer view
    fd = open_fd(sock, fd)
    if PyBytes_CheckExact(data):
        return send_from(
            fd, PyBytes_AS_STRING(data) + offset, PyBytes_GET_SIZE(data) - offset
        )
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return send_from(fd, <char *>view.buf + offset, view.len - offset)
    finally:
        PyBuffer_Release(&view)


cdef Py_ssize_t send_from(int fd, const char *start, Py_ssize_t size) except -2:
    cdef ssize_t count
    while True:
        if size > LARGE:
            with nogil:
                count = c_send(fd, start, size, MSG_NOSIGNAL)
        else:
            count = c_send(fd, start, size, MSG_NOSIGNAL)
        if count >= 0:
            return count
        if giambio_would_block(errno):
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        PyErr_CheckSignals()
