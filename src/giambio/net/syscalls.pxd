cpdef enum:
    RECEIVE_BUFFER = 262144
    LARGE_SHIFT = 16
    PLENTY = 8192
    MOST_PARTS = 64


cdef class ReceiveBuffer:
    cdef readonly Py_ssize_t size
    cdef char *data
    # The bytes as an object, for `socket_calls`, which makes it when it is first needed.
    cdef public object memory

cdef Py_ssize_t bounded(object size) except? -1
cdef object receive(
    object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer, bint plenty
)
cdef Py_ssize_t receive_into(object sock, int fd, object target) except -2
cdef object accept(object sock, int fd)
cdef Py_ssize_t send(object sock, int fd, object data, Py_ssize_t offset) except -2
cdef Py_ssize_t send_parts(object sock, int fd, list parts, Py_ssize_t offset) except -2
cdef object receive_datagram(object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer)
cdef object receive_from(object sock, int fd, Py_ssize_t size, ReceiveBuffer buffer)
cdef bint send_to(object sock, int fd, object data, object address) except -1
