# platform: linux
"""Reading and writing what needs no waiting, natively (see `nowait.py`)."""

from libc.errno cimport EAGAIN, EINTR, errno

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.object cimport PyObject

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <poll.h>
    #include <stdint.h>
    #include <sys/stat.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <unistd.h>

    #define GIAMBIO_RWF_NOWAIT 8

    /* The system call itself: C libraries from before 2017 have no function for it. The
       offset -1 means "where the descriptor stands". */
    static ssize_t giambio_preadv2(int fd, void *start, size_t size) {
    #ifdef __NR_preadv2
        struct iovec part = {start, size};
        return syscall(__NR_preadv2, fd, &part, 1, -1L, -1L, GIAMBIO_RWF_NOWAIT);
    #else
        errno = ENOSYS;
        return -1;
    #endif
    }
    static ssize_t giambio_pwritev2(int fd, void *start, size_t size) {
    #ifdef __NR_pwritev2
        struct iovec part = {start, size};
        return syscall(__NR_pwritev2, fd, &part, 1, -1L, -1L, GIAMBIO_RWF_NOWAIT);
    #else
        errno = ENOSYS;
        return -1;
    #endif
    }
    /* `struct open_how` and `RESOLVE_CACHED` of <linux/openat2.h>, which came in 2020. */
    static int giambio_openat2(const char *path, int flags) {
    #ifdef __NR_openat2
        struct { uint64_t flags, mode, resolve; } how = {(uint64_t)flags, 0, 0x20};
        return (int)syscall(__NR_openat2, AT_FDCWD, path, &how, sizeof how);
    #else
        errno = ENOSYS;
        return -1;
    #endif
    }
    /* What is no ordinary file is not touched: to open a pipe or a tape means something. */
    static int giambio_open_cached(const char *path, int flags) {
        struct stat found;
        int fd = giambio_openat2(path, O_PATH | O_CLOEXEC);
        int ordinary;
        if (fd < 0)
            return -1;
        ordinary = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
        close(fd);
        if (!ordinary) {
            errno = EAGAIN;
            return -1;
        }
        /* O_NONBLOCK: do not wait for who has a lease on it. */
        fd = giambio_openat2(path, flags | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0)
            fcntl(fd, F_SETFL, flags);
        return fd;
    }
    /* See `mode_of` in nowait.py. */
    static int giambio_mode_of(int fd) {
        struct stat found;
        return fstat(fd, &found) < 0 ? -1 : (int)found.st_mode;
    }
    /* See `unread` in nowait.py. */
    static off_t giambio_unread(int fd) {
        struct stat found;
        off_t at;
        if (fstat(fd, &found) < 0 || !S_ISREG(found.st_mode))
            return 0;
        at = lseek(fd, 0, SEEK_CUR);
        return at < 0 || at > found.st_size ? 0 : found.st_size - at;
    }
    /* Takes over the only reference. Little of a large buffer is copied, much of it stays. */
    static PyObject *giambio_shortened(PyObject *data, Py_ssize_t size) {
        if (size < PyBytes_GET_SIZE(data) / 2)
            Py_SETREF(data, PyBytes_FromStringAndSize(PyBytes_AS_STRING(data), size));
        else if (size < PyBytes_GET_SIZE(data))
            _PyBytes_Resize(&data, size);
        return data;
    }
    /* Whether it is ready; if it is not, `errno` says what a call would have. */
    static int giambio_is_ready(int fd, short events) {
        struct pollfd asked = {fd, events, 0};
        if (poll(&asked, 1, 0) > 0)
            return 1;
        errno = EAGAIN;
        return 0;
    }
    """
    ssize_t giambio_preadv2(int fd, void *start, size_t size) nogil
    ssize_t giambio_pwritev2(int fd, void *start, size_t size) nogil
    int giambio_open_cached(const char *path, int flags)
    int giambio_mode_of(int fd)
    long long giambio_unread(int fd)
    int giambio_is_ready(int fd, short events) nogil
    object giambio_shortened(PyObject *data, Py_ssize_t size)
    PyObject *giambio_new_bytes "PyBytes_FromStringAndSize"(char *, Py_ssize_t size) except NULL
    void Py_DECREF(PyObject *data)
    ssize_t c_read "read"(int fd, void *start, size_t size) nogil
    ssize_t c_write "write"(int fd, void *start, size_t size) nogil
    short POLLIN, POLLOUT
    int O_CREAT, O_TRUNC

cdef enum:
    # What a call may copy without letting other threads run: about 10 µs.
    LARGE = 131072
    # What a pipe that is ready for writing certainly takes (POSIX: `PIPE_BUF`).
    SURELY_TAKEN = 512


cpdef int open_now(bytes path, int flags) noexcept:
    """See `nowait.py`."""
    if flags & (O_CREAT | O_TRUNC):
        return -1  # that changes the disk
    return giambio_open_cached(PyBytes_AS_STRING(path), flags)


cdef ssize_t transfer(int fd, char *start, size_t size, int how, bint writing) noexcept nogil:
    if how == LEVEL:
        if not giambio_is_ready(fd, POLLOUT if writing else POLLIN):
            return -1
        if writing and size > SURELY_TAKEN:
            size = SURELY_TAKEN
    if how == NOWAIT:
        return giambio_pwritev2(fd, start, size) if writing else giambio_preadv2(fd, start, size)
    return c_write(fd, start, size) if writing else c_read(fd, start, size)


cdef ssize_t try_to(int fd, char *start, size_t size, int how, bint writing) except -2:
    """The number of bytes; -1 if that has to wait."""
    cdef ssize_t count
    while True:
        if size > LARGE or how == LEVEL:
            with nogil:
                count = transfer(fd, start, size, how, writing)
        else:
            count = transfer(fd, start, size, how, writing)
        if count >= 0:
            return count
        if errno == EAGAIN:
            return -1
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        PyErr_CheckSignals()


cpdef object read_now(int fd, Py_ssize_t size, int how):
    """See `nowait.py`."""
    cdef PyObject *data = giambio_new_bytes(NULL, size)
    cdef ssize_t count = -1
    try:
        count = try_to(fd, PyBytes_AS_STRING(<object>data), size, how, False)
    finally:
        if count < 0:
            Py_DECREF(data)
    return None if count < 0 else giambio_shortened(data, count)


cpdef int mode_of(int fd) except -1:
    """See `nowait.py`."""
    cdef int mode = giambio_mode_of(fd)
    if mode < 0:
        PyErr_SetFromErrno(OSError)
    return mode


cpdef long long unread(int fd) noexcept:
    """See `nowait.py`."""
    return giambio_unread(fd)


cpdef Py_ssize_t write_now(int fd, object data, Py_ssize_t start, int how) except -2:
    """See `nowait.py`."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return try_to(fd, <char *>view.buf + start, view.len - start, how, True)
    finally:
        PyBuffer_Release(&view)
