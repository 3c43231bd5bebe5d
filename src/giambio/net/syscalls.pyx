# platform: posix
"""The system calls of sockets, natively (see `syscalls.py`)."""

from libc.errno cimport EBADF, EINTR, EMSGSIZE, errno
from libc.string cimport memset

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject

from socket import socket

from giambio.net import socket_calls

cdef extern from *:
    """
    #include <arpa/inet.h>
    #include <errno.h>
    #include <netinet/in.h>
    #include <stddef.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <sys/un.h>
    #include <unistd.h>
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
        int family;
        int type;
        int proto;
    } giambio_socket_head;
    #define giambio_fd_in(sock) (((giambio_socket_head *)(sock))->fd)
    #define giambio_family_in(sock) (((giambio_socket_head *)(sock))->family)
    #define giambio_type_in(sock) (((giambio_socket_head *)(sock))->type)
    #define giambio_proto_in(sock) (((giambio_socket_head *)(sock))->proto)

    #ifdef SOCK_NONBLOCK
    #define giambio_has_accept4 1
    #define giambio_accept4(fd, name, length) \\
        accept4(fd, name, length, SOCK_NONBLOCK | SOCK_CLOEXEC)
    #else  /* macOS */
    #define SOCK_NONBLOCK 0
    #define giambio_has_accept4 0
    #define giambio_accept4(fd, name, length) -1
    #endif

    typedef union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } giambio_address;

    /* One datagram; a cut one is reported in `flags`. */
    static ssize_t giambio_recvmsg(
        int fd, char *data, size_t size, giambio_address *name, socklen_t *length, int *flags
    ) {
        struct iovec part = {data, size};
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_name = name;
        message.msg_namelen = name ? sizeof *name : 0;
        ssize_t count = recvmsg(fd, &message, 0);
        *length = message.msg_namelen;
        *flags = message.msg_flags;
        return count;
    }

    static ssize_t giambio_sendmsg(int fd, struct iovec *parts, int count) {
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_iov = parts;
        message.msg_iovlen = count;
        return sendmsg(fd, &message, MSG_NOSIGNAL);
    }

    /* The bytes of a Unix address beside its family. */
    static int giambio_path_size(socklen_t length) {
        int size = (int)length - (int)offsetof(struct sockaddr_un, sun_path);
        return size > 0 ? size : 0;
    }
    """
    int giambio_fd_in(object sock)
    int giambio_family_in(object sock)
    int giambio_type_in(object sock)
    int giambio_proto_in(object sock)
    bint giambio_has_accept4
    int close(int fd)
    int MSG_NOSIGNAL
    ssize_t recv(int fd, void *buffer, size_t size, int flags) nogil
    ssize_t c_send "send"(int fd, const void *buffer, size_t size, int flags) nogil
    struct iovec:
        void *iov_base
        size_t iov_len
    ssize_t giambio_sendmsg(int fd, iovec *parts, int count) nogil
    int giambio_would_block(int error)
    ctypedef unsigned int socklen_t
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr:
        int sa_family
    struct sockaddr_in:
        int sin_family
        int sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        int sin6_family
        int sin6_port
        unsigned int sin6_flowinfo
        unsigned int sin6_scope_id
        in6_addr sin6_addr
    struct sockaddr_un:
        char *sun_path
    ctypedef union giambio_address:
        sockaddr any
        sockaddr_in in_ "in"
        sockaddr_in6 in6
        sockaddr_un un
    int AF_INET, AF_INET6, AF_UNIX, MSG_TRUNC, SOCK_NONBLOCK
    int giambio_path_size(socklen_t length)
    ssize_t giambio_recvmsg(
        int fd, char *data, size_t size, giambio_address *name, socklen_t *length, int *flags
    )
    ssize_t c_sendto "sendto"(
        int fd, const void *data, size_t size, int flags, const sockaddr *name, socklen_t length
    )
    int giambio_accept4(int fd, sockaddr *name, socklen_t *length)
    int inet_pton(int family, const char *text, void *number)
    const char *inet_ntop(int family, const void *number, char *text, socklen_t size)
    unsigned short ntohs(unsigned short value)
    unsigned short htons(unsigned short value)
    unsigned int ntohl(unsigned int value)
    unsigned int htonl(unsigned int value)

cdef extern from "Python.h":
    object PyUnicode_DecodeFSDefault(const char *text)
    object PyUnicode_FromString(const char *text)
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **data, Py_ssize_t size) except -1
    void Py_XDECREF(PyObject *object)
    long PyLong_AsLongAndOverflow(object number, int *overflow) except? -1

cdef enum:
    # The most that a call moves without releasing the GIL: about 20 µs of copying.
    LARGE = 262144
    # From here on, descriptors are those of `socket_calls`.
    FIRST_VIRTUAL = 1073741824


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

    A user may hold the plain socket too, and close it: then the number may be
    another connection's already. Asking the plain socket with a Python call would
    cost half as much as an operation.
    """
    if giambio_fd_in(sock) == fd:
        return fd
    # Closed; or an unknown layout, so ask. The answer goes to the system.
    fd = sock.fileno()
    if fd < 0:
        raise OSError(EBADF, "the plain socket behind this one was closed")
    return fd


cdef inline bint is_virtual(int fd) noexcept:
    """Tell whether a socket is one that the system does not know."""
    return fd >= FIRST_VIRTUAL


cdef inline bint interrupted() except -1:
    """Tell whether a signal has made a call fail; if not, the call would block.

    Raises:
        OSError: it has failed for another reason.
    """
    if giambio_would_block(errno):
        return False
    if errno != EINTR:
        PyErr_SetFromErrno(OSError)
    PyErr_CheckSignals()
    return True


cdef Py_ssize_t bounded(object size) except? -1:
    """Return a size, bounded by that of the receive buffer. (In C, because to compare two
    Python numbers and choose one of them costs more than the rest of `receive`'s call.)"""
    cdef int overflow
    cdef long number = PyLong_AsLongAndOverflow(size, &overflow)
    return RECEIVE_BUFFER if overflow > 0 or number > RECEIVE_BUFFER else number


cdef object receive(
    object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer, bint plenty
):
    cdef Py_ssize_t count
    if is_virtual(fd):
        return socket_calls.receive(sock, fd, size, buffer, plenty)
    fd = open_fd(sock, fd)
    if size > buffer.size:
        size = buffer.size
    if plenty:
        return receive_plenty(fd, size)
    count = receive_at(fd, buffer.data, size)
    return None if count < 0 else PyBytes_FromStringAndSize(buffer.data, count)


cdef object receive_plenty(int fd, Py_ssize_t size):
    """Receive without a copy, which is a twelfth of the cost of an echo of 64 KiB."""
    cdef Py_ssize_t count
    cdef PyObject *data = new_bytes(NULL, size)
    try:
        count = receive_at(fd, PyBytes_AS_STRING(<object>data), size)
        if count < 0:
            return None
        if count < size:
            _PyBytes_Resize(&data, count)
        return <object>data
    finally:
        Py_XDECREF(data)


cdef Py_ssize_t receive_at(int fd, char *place, Py_ssize_t size) except -2:
    """Receive to a place in memory: the number of bytes; -1 if there is nothing yet."""
    cdef ssize_t count
    while True:
        count = recv(fd, place, size, 0)
        if count >= 0:
            return count
        if not interrupted():
            return -1


cdef Py_ssize_t receive_into(object sock, int fd, object target) except -2:
    cdef Py_buffer view
    if is_virtual(fd):
        return socket_calls.receive_into(sock, fd, target)
    fd = open_fd(sock, fd)
    PyObject_GetBuffer(target, &view, PyBUF_WRITABLE | PyBUF_SIMPLE)
    try:
        return receive_at(fd, <char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef object accept(object sock, int fd):
    cdef giambio_address name
    cdef socklen_t length = sizeof(name)
    cdef int family = giambio_family_in(sock)
    cdef int connection
    # A class of the user's, a closed socket, or a kind of address that only Python can read.
    if (
        not giambio_has_accept4
        or type(sock) is not socket
        or giambio_fd_in(sock) != fd
        or not has_known_addresses(family)
    ):
        return accept_any(sock)
    while True:
        connection = giambio_accept4(fd, &name.any, &length)
        if connection >= 0:
            break
        if not interrupted():
            return None
    accepted = None
    try:
        accepted = socket.__new__(socket)
        kind = giambio_type_in(sock) | SOCK_NONBLOCK
        accepted.__init__(family, kind, giambio_proto_in(sock), connection)
    except BaseException:
        if accepted is None or giambio_fd_in(accepted) != connection:  # else it closes that itself
            close(connection)
        raise
    return accepted, address_of(&name, length)


cdef bint has_known_addresses(int family) noexcept:
    """Tell whether `address_of` can read the addresses of a family."""
    return family == AF_INET or family == AF_INET6 or family == AF_UNIX


cdef object accept_any(object sock):
    """Accept a connection as Python does."""
    try:
        connection, address = sock.accept()
    except BlockingIOError:
        return None
    connection.setblocking(False)
    return connection, address


cdef Py_ssize_t send(object sock, int fd, object data, Py_ssize_t offset) except -2:
    cdef Py_buffer view
    if is_virtual(fd):
        return socket_calls.send(sock, fd, data, offset)
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
        if not interrupted():
            return -1


cdef Py_ssize_t send_parts(object sock, int fd, list parts, Py_ssize_t offset) except -2:
    cdef Py_buffer[MOST_PARTS] views
    cdef iovec[MOST_PARTS] vectors
    cdef ssize_t sent
    cdef int count = 0
    if is_virtual(fd):
        return socket_calls.send_parts(sock, fd, parts, offset)
    fd = open_fd(sock, fd)
    try:
        for part in parts:
            PyObject_GetBuffer(part, &views[count], PyBUF_SIMPLE)
            vectors[count].iov_base = views[count].buf
            vectors[count].iov_len = views[count].len
            count += 1
        vectors[0].iov_base = <char *>vectors[0].iov_base + offset
        vectors[0].iov_len -= offset
        while True:
            with nogil:
                sent = giambio_sendmsg(fd, vectors, count)
            if sent >= 0:
                return sent
            if not interrupted():
                return -1
    finally:
        for i in range(count):
            PyBuffer_Release(&views[i])


# -- datagrams ------------------------------------------------------------------------------


cdef Py_ssize_t take_datagram(
    object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer,
    giambio_address *name, socklen_t *length,
) except -2:
    """Receive a datagram into the buffer: its size; -1 if there is none yet."""
    cdef ssize_t count
    cdef int flags
    fd = open_fd(sock, fd)
    if size > buffer.size:
        size = buffer.size
    while True:
        count = giambio_recvmsg(fd, buffer.data, size, name, length, &flags)
        if count >= 0:
            break
        if not interrupted():
            return -1
    if flags & MSG_TRUNC:
        raise OSError(EMSGSIZE, "Message too long")
    return count


cdef object receive_datagram(object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer):
    cdef socklen_t length
    cdef Py_ssize_t count
    if is_virtual(fd):
        return socket_calls.receive_datagram(sock, fd, size, buffer)
    count = take_datagram(sock, fd, size, buffer, NULL, &length)
    if count < 0:
        return None
    return PyBytes_FromStringAndSize(buffer.data, count)


cdef object receive_from(object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer):
    cdef giambio_address name
    cdef socklen_t length
    cdef Py_ssize_t count
    if is_virtual(fd):
        return socket_calls.receive_from(sock, fd, size, buffer)
    count = take_datagram(sock, fd, size, buffer, &name, &length)
    if count < 0:
        return None
    data = PyBytes_FromStringAndSize(buffer.data, count)
    return data, address_of(&name, length)


cdef object address_of(giambio_address *name, socklen_t length):
    """Return an address in the form of the standard library."""
    cdef char[64] text  # more than INET6_ADDRSTRLEN
    cdef int size
    if length == 0:
        return None  # the sender is a Unix socket without a name
    if name.any.sa_family == AF_INET:
        if inet_ntop(AF_INET, &name.in_.sin_addr, text, sizeof(text)) == NULL:
            PyErr_SetFromErrno(OSError)
        return PyUnicode_FromString(text), ntohs(name.in_.sin_port)
    if name.any.sa_family == AF_INET6:
        if inet_ntop(AF_INET6, &name.in6.sin6_addr, text, sizeof(text)) == NULL:
            PyErr_SetFromErrno(OSError)
        return (
            PyUnicode_FromString(text),
            ntohs(name.in6.sin6_port),
            ntohl(name.in6.sin6_flowinfo),
            name.in6.sin6_scope_id,
        )
    size = giambio_path_size(length)
    if size and not name.un.sun_path[0]:
        return PyBytes_FromStringAndSize(name.un.sun_path, size)  # abstract
    name.un.sun_path[size] = 0  # one of full length has no end; the union is longer than any
    return PyUnicode_DecodeFSDefault(name.un.sun_path)


cdef bint send_to(object sock, int fd, object data, object address) except -1:
    cdef giambio_address name
    cdef socklen_t length = fill_in(&name, address)
    cdef Py_buffer view
    cdef ssize_t count
    if not length or is_virtual(fd):
        return send_to_any(sock, data, address)
    fd = open_fd(sock, fd)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        while True:
            count = c_sendto(fd, view.buf, view.len, MSG_NOSIGNAL, &name.any, length)
            if count >= 0:
                return True
            if not interrupted():
                return False
    finally:
        PyBuffer_Release(&view)


cdef bint send_to_any(object sock, object data, object address) except -1:
    """Send to an address that `fill_in` does not know: a Unix path, or a named scope."""
    try:
        sock.sendto(data, address)
    except BlockingIOError:
        return False
    return True


cdef socklen_t fill_in(giambio_address *name, object address) except? 0:
    """Fill in a numeric IP address: its length; 0 if it is of another kind."""
    cdef bytes host
    cdef int items
    if not isinstance(address, tuple) or not isinstance(address[0], str):
        return 0
    items = len(address)
    host = (<str>address[0]).encode()
    memset(name, 0, sizeof(giambio_address))
    if inet_pton(AF_INET, host, &name.in_.sin_addr) == 1:
        name.in_.sin_family = AF_INET
        name.in_.sin_port = htons(address[1])
        return sizeof(sockaddr_in)
    if inet_pton(AF_INET6, host, &name.in6.sin6_addr) == 1:
        name.in6.sin6_family = AF_INET6
        name.in6.sin6_port = htons(address[1])
        name.in6.sin6_flowinfo = htonl(address[2]) if items > 2 else 0
        name.in6.sin6_scope_id = address[3] if items > 3 else 0
        return sizeof(sockaddr_in6)
    return 0
