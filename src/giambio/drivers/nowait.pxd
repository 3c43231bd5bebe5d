cpdef enum:
    NEVER = 0
    NOWAIT = 1
    NONBLOCKING = 2
    LEVEL = 3
    MOST = 1048576
    LARGE_SHIFT = 16


cpdef int open_now(bytes path, int flags) noexcept
cpdef int mode_of(int fd) except -1
cpdef long long unread(int fd) noexcept
cpdef object read_now(int fd, Py_ssize_t size, int how)
cpdef Py_ssize_t write_now(int fd, object data, Py_ssize_t start, int how) except -2
