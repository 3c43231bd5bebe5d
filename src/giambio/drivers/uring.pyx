# platform: linux
"""io_uring through the raw system calls: the native twin of `uring.py`.

A ring is two queues in memory shared with the system: requests go in, completions
come out. Each request is submitted at once, so what the system can do without
waiting is done when `submit` returns. Everything else completes later; then the
system writes to an eventfd, which the owner of the ring watches, to call `reap`.

While a request is under way the ring holds it, and it holds the memory that the
system reads or writes. `close` therefore cancels what is under way, and waits.
"""

from libc.errno cimport EBUSY, EINTR
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc

cimport cython

from giambio.drivers.source cimport Waiter

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/eventfd.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    #if defined(__has_include)
    #if __has_include(<linux/io_uring.h>)
    #include <linux/io_uring.h>
    #endif
    #endif

    typedef struct {
        int fd, event_fd;
        unsigned *sq_tail, *sq_mask, *sq_flags, *sq_array;
        unsigned *cq_head, *cq_tail, *cq_mask;
        void *sqes, *cqes, *queues;
        size_t queues_size, sqes_size;
    } giambio_ring;

    typedef struct {
        int opcode, fd;
        uint64_t address, offset, number;
        uint32_t length, op_flags;
        unsigned char flags;
    } giambio_request;

    /* Headers older than Linux 5.6 lack what is needed. */
    #if defined(IORING_FEAT_RW_CUR_POS) && defined(STATX_BASIC_STATS) && defined(__NR_io_uring_setup)

    enum {
        GIAMBIO_READ = IORING_OP_READ,
        GIAMBIO_WRITE = IORING_OP_WRITE,
        GIAMBIO_OPENAT = IORING_OP_OPENAT,
        GIAMBIO_STATX = IORING_OP_STATX,
        GIAMBIO_FSYNC = IORING_OP_FSYNC,
        GIAMBIO_CLOSE = IORING_OP_CLOSE,
        GIAMBIO_CANCEL = IORING_OP_ASYNC_CANCEL,
        GIAMBIO_IN_WORKER = IOSQE_ASYNC
    };
    #define GIAMBIO_STATX_MASK STATX_BASIC_STATS
    #define GIAMBIO_STATX_SIZE sizeof(struct statx)

    static void giambio_statx_numbers(const void *statx, int64_t numbers[18]) {
        const struct statx *found = statx;
        int64_t *number = numbers;
        *number++ = found->stx_mode;
        *number++ = (int64_t)found->stx_ino;
        *number++ = found->stx_dev_major;
        *number++ = found->stx_dev_minor;
        *number++ = found->stx_nlink;
        *number++ = found->stx_uid;
        *number++ = found->stx_gid;
        *number++ = (int64_t)found->stx_size;
        *number++ = found->stx_atime.tv_sec;
        *number++ = found->stx_mtime.tv_sec;
        *number++ = found->stx_ctime.tv_sec;
        *number++ = found->stx_atime.tv_nsec;
        *number++ = found->stx_mtime.tv_nsec;
        *number++ = found->stx_ctime.tv_nsec;
        *number++ = found->stx_blksize;
        *number++ = (int64_t)found->stx_blocks;
        *number++ = found->stx_rdev_major;
        *number++ = found->stx_rdev_minor;
    }

    static int giambio_enter(giambio_ring *ring, unsigned submit, unsigned wait, unsigned flags) {
        long done = syscall(__NR_io_uring_enter, ring->fd, submit, wait, flags, NULL, 0);
        return done < 0 ? -errno : (int)done;
    }

    static int giambio_lacks_something(giambio_ring *ring) {
        static const unsigned char needed[] = {
            IORING_OP_READ, IORING_OP_WRITE, IORING_OP_OPENAT, IORING_OP_STATX,
            IORING_OP_FSYNC, IORING_OP_CLOSE, IORING_OP_ASYNC_CANCEL
        };
        struct {
            struct io_uring_probe probe;
            struct io_uring_probe_op ops[256];
        } answer;
        size_t i;
        memset(&answer, 0, sizeof answer);
        if (syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_PROBE, &answer, 256) < 0)
            return errno;
        for (i = 0; i < sizeof needed; i++)
            if (needed[i] > answer.probe.last_op
                || !(answer.ops[needed[i]].flags & IO_URING_OP_SUPPORTED))
                return ENOSYS;
        return 0;
    }

    static int giambio_map(giambio_ring *ring, struct io_uring_params *params) {
        const unsigned needed =
            IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS;
        size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(unsigned);
        size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
        char *queues;
        if ((params->features & needed) != needed)
            return ENOSYS;
        ring->queues_size = sq_size > cq_size ? sq_size : cq_size;
        ring->queues = mmap(NULL, ring->queues_size, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
        if (ring->queues == MAP_FAILED)
            return errno;
        ring->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
        ring->sqes = mmap(NULL, ring->sqes_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
        if (ring->sqes == MAP_FAILED)
            return errno;
        queues = ring->queues;
        ring->sq_tail = (unsigned *)(queues + params->sq_off.tail);
        ring->sq_mask = (unsigned *)(queues + params->sq_off.ring_mask);
        ring->sq_flags = (unsigned *)(queues + params->sq_off.flags);
        ring->sq_array = (unsigned *)(queues + params->sq_off.array);
        ring->cq_head = (unsigned *)(queues + params->cq_off.head);
        ring->cq_tail = (unsigned *)(queues + params->cq_off.tail);
        ring->cq_mask = (unsigned *)(queues + params->cq_off.ring_mask);
        ring->cqes = queues + params->cq_off.cqes;
        return 0;
    }

    static void giambio_ring_close(giambio_ring *ring) {
        if (ring->sqes != MAP_FAILED)
            munmap(ring->sqes, ring->sqes_size);
        if (ring->queues != MAP_FAILED)
            munmap(ring->queues, ring->queues_size);
        ring->sqes = ring->queues = MAP_FAILED;
        if (ring->fd >= 0)
            close(ring->fd);
        if (ring->event_fd >= 0)
            close(ring->event_fd);
        ring->fd = ring->event_fd = -1;
    }

    static int giambio_ring_open(giambio_ring *ring, unsigned entries) {
        struct io_uring_params params;
        int error;
        memset(&params, 0, sizeof params);
        ring->sqes = ring->queues = MAP_FAILED;
        ring->event_fd = -1;
        ring->fd = (int)syscall(__NR_io_uring_setup, entries, &params);
        if (ring->fd < 0)
            return errno;
        error = giambio_map(ring, &params);
        if (!error)
            error = giambio_lacks_something(ring);
        if (!error) {
            ring->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            if (ring->event_fd < 0
                || syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_EVENTFD,
                           &ring->event_fd, 1) < 0)
                error = errno;
        }
        if (error)
            giambio_ring_close(ring);
        return error;
    }

    /* Hands one request to the system; 0 or an error number. */
    static int giambio_ring_submit(giambio_ring *ring, const giambio_request *request) {
        unsigned tail = *ring->sq_tail;
        unsigned index = tail & *ring->sq_mask;
        struct io_uring_sqe *sqe = (struct io_uring_sqe *)ring->sqes + index;
        int done;
        memset(sqe, 0, sizeof *sqe);
        sqe->opcode = request->opcode;
        sqe->flags = request->flags;
        sqe->fd = request->fd;
        sqe->off = request->offset;
        sqe->addr = request->address;
        sqe->len = request->length;
        sqe->open_flags = request->op_flags;
        sqe->user_data = request->number;
        ring->sq_array[index] = index;
        __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
        do
            done = giambio_enter(ring, 1, 0, 0);
        while (done == -EINTR);
        if (done == 1)
            return 0;
        __atomic_store_n(ring->sq_tail, tail, __ATOMIC_RELEASE);  /* it was not taken */
        return done < 0 ? -done : EAGAIN;
    }

    /* Takes one completion off the queue; whether there was one. */
    static int giambio_ring_next(giambio_ring *ring, uint64_t *number, int *outcome) {
        unsigned head = *ring->cq_head;
        struct io_uring_cqe *cqe;
        if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
            if (!(__atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW))
                return 0;
            giambio_enter(ring, 0, 0, IORING_ENTER_GETEVENTS);  /* the system kept some back */
            if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
                return 0;
        }
        cqe = (struct io_uring_cqe *)ring->cqes + (head & *ring->cq_mask);
        *number = cqe->user_data;
        *outcome = cqe->res;
        __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
        return 1;
    }

    static int giambio_ring_wait(giambio_ring *ring) {
        int done = giambio_enter(ring, 0, 1, IORING_ENTER_GETEVENTS);
        return done < 0 ? -done : 0;
    }

    #else

    enum {
        GIAMBIO_READ, GIAMBIO_WRITE, GIAMBIO_OPENAT, GIAMBIO_STATX, GIAMBIO_FSYNC,
        GIAMBIO_CLOSE, GIAMBIO_CANCEL, GIAMBIO_IN_WORKER
    };
    #define GIAMBIO_STATX_MASK 0
    #define GIAMBIO_STATX_SIZE 1

    static void giambio_statx_numbers(const void *statx, int64_t numbers[18]) {
        (void)statx; (void)numbers;
    }
    static void giambio_ring_close(giambio_ring *ring) { (void)ring; }
    static int giambio_ring_open(giambio_ring *ring, unsigned entries) {
        ring->fd = ring->event_fd = -1;
        (void)entries;
        return -1;
    }
    static int giambio_ring_submit(giambio_ring *ring, const giambio_request *request) {
        (void)ring; (void)request; return ENOSYS;
    }
    static int giambio_ring_next(giambio_ring *ring, uint64_t *number, int *outcome) {
        (void)ring; (void)number; (void)outcome; return 0;
    }
    static int giambio_ring_wait(giambio_ring *ring) { (void)ring; return ENOSYS; }

    #endif
    """
    ctypedef struct giambio_ring:
        int fd
        int event_fd
    ctypedef struct giambio_request:
        int opcode
        int fd
        uint64_t address
        uint64_t offset
        uint64_t number
        uint32_t length
        uint32_t op_flags
        unsigned char flags
    int GIAMBIO_READ, GIAMBIO_WRITE, GIAMBIO_OPENAT, GIAMBIO_STATX, GIAMBIO_FSYNC
    int GIAMBIO_CLOSE, GIAMBIO_CANCEL
    unsigned char GIAMBIO_IN_WORKER
    uint32_t GIAMBIO_STATX_MASK
    size_t GIAMBIO_STATX_SIZE
    void giambio_statx_numbers(const void *statx, int64_t *numbers)
    int AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
    int giambio_ring_open(giambio_ring *ring, unsigned entries)
    int giambio_ring_submit(giambio_ring *ring, const giambio_request *request) nogil
    bint giambio_ring_next(giambio_ring *ring, uint64_t *number, int *outcome)
    int giambio_ring_wait(giambio_ring *ring) nogil
    void giambio_ring_close(giambio_ring *ring)

cdef extern from "<unistd.h>":
    ssize_t c_read "read"(int fd, void *buffer, size_t size)
    int c_close "close"(int fd)
    int getpid()

cdef enum:
    ENTRIES = 64


cdef class Request:
    """One thing that the system is asked to do. The methods of `Ring` make them."""

    def __dealloc__(self):
        if self._viewed:
            PyBuffer_Release(&self._view)

    cpdef object value(self):
        """The result, if it succeeded: the bytes read, a `stat_result`, or a number."""
        if self._reads:
            data = self._memory
            return data if self.outcome == len(data) else data[:self.outcome]
        if self._statx is not None:
            return stat_result(PyBytes_AS_STRING(self._statx))
        return self.outcome

    cpdef object abandon(self):
        """Nobody wants to know any more. What it opens, or has opened, is closed."""
        self._waiter = None
        if self.done and self.opens and self.outcome >= 0:
            c_close(self.outcome)
            self.outcome = -1

    cdef object _complete(self, int outcome):
        """It is done, and the memory is ours again."""
        cdef Waiter waiter = self._waiter
        if -516 <= outcome <= -512:  # the kernel's own "start again", which should not get out
            outcome = -EINTR
        if outcome == -EINTR and self._opcode == GIAMBIO_CLOSE:
            outcome = 0  # it is closed, and its number may be another's already
        self.outcome = outcome
        self.under_way = False
        self.done = True
        self._waiter = None
        if self._viewed:
            self._viewed = False
            PyBuffer_Release(&self._view)
        if waiter is not None:
            waiter._ready()
        elif self.opens:
            self.abandon()


@cython.no_gc_clear
cdef class Ring:
    """A pair of queues shared with the system.

    Raises:
        OSError: it cannot be set up here; the text says why.
    """

    def __cinit__(self):
        self.fd = self.event_fd = -1
        self._ring = PyMem_RawMalloc(sizeof(giambio_ring))
        if self._ring == NULL:
            raise MemoryError
        self._under_way = {}
        self._process = getpid()
        error = giambio_ring_open(<giambio_ring *>self._ring, ENTRIES)
        if error:
            PyMem_RawFree(self._ring)
            self._ring = NULL
            raise setup_error(error)
        self.fd = (<giambio_ring *>self._ring).fd
        self.event_fd = (<giambio_ring *>self._ring).event_fd

    def __dealloc__(self):
        self.close()

    # -- requests: each is made here, and begins when it is submitted --------------------

    # A place is given with each read and write. With -1 the kernel would take the
    # descriptor's own position; but it forgets to move that after a short write.

    def read(self, int fd, Py_ssize_t size, int64_t place):
        """Read at most `size` bytes at a place in the file; -1 where there are no places."""
        cdef Request request = make(GIAMBIO_READ, fd)
        request._memory = PyBytes_FromStringAndSize(NULL, size)
        request._address = <uint64_t><size_t>PyBytes_AS_STRING(request._memory)
        request._length = <uint32_t>size
        request._offset = <uint64_t>place
        request._reads = True
        return request

    def write(self, int fd, data, Py_ssize_t start, Py_ssize_t size, int64_t place):
        """Write `size` bytes of `data` from `start` on, to a place in the file; see `read`."""
        cdef Request request = make(GIAMBIO_WRITE, fd)
        PyObject_GetBuffer(data, &request._view, PyBUF_SIMPLE)
        request._viewed = True
        if start < 0 or size < 0 or start + size > request._view.len:
            raise ValueError("there is not so much data")
        request._address = <uint64_t><size_t>request._view.buf + start
        request._length = <uint32_t>size
        request._offset = <uint64_t>place
        return request

    def open(self, bytes path, int flags, int mode):
        """Open a file; the value is a descriptor.

        In a thread of the system's from the start: otherwise it would first be tried with
        `O_NONBLOCK`, which means something else where the file is a pipe.
        """
        cdef Request request = make(GIAMBIO_OPENAT, AT_FDCWD)
        request._flags = GIAMBIO_IN_WORKER
        request._memory = path
        request._address = <uint64_t><size_t>PyBytes_AS_STRING(path)
        request._length = <uint32_t>mode
        request._op_flags = <uint32_t>flags
        request.opens = True
        return request

    def stat(self, int fd, bytes path, bint follow):
        """Ask for the `os.stat_result` of a path, or of a descriptor if `path` is None."""
        cdef Request request = make(GIAMBIO_STATX, AT_FDCWD if path is not None else fd)
        request._memory = b"" if path is None else path
        request._statx = PyBytes_FromStringAndSize(NULL, GIAMBIO_STATX_SIZE)
        memset(PyBytes_AS_STRING(request._statx), 0, GIAMBIO_STATX_SIZE)
        request._address = <uint64_t><size_t>PyBytes_AS_STRING(request._memory)
        request._offset = <uint64_t><size_t>PyBytes_AS_STRING(request._statx)
        request._length = GIAMBIO_STATX_MASK
        request._op_flags = (AT_EMPTY_PATH if path is None else 0) | (
            0 if follow else AT_SYMLINK_NOFOLLOW
        )
        return request

    def sync(self, int fd):
        """Have a file's data and attributes written to the disk."""
        return make(GIAMBIO_FSYNC, fd)

    def close_fd(self, int fd, bint may_take_long):
        """Close a descriptor; with `may_take_long`, certainly in a thread of the system's."""
        cdef Request request = make(GIAMBIO_CLOSE, fd)
        if may_take_long:
            request._flags = GIAMBIO_IN_WORKER
        return request

    # -- under way ------------------------------------------------------------------------

    cpdef object submit(self, Request request, Waiter waiter):
        """Begin a request; `waiter` is told when it is done, perhaps before this returns.

        Raises:
            OSError: the system does not take it.
        """
        cdef giambio_request asked
        if self._ring == NULL:
            raise OSError(EINTR, "the loop has ended")
        self._numbers += 1
        request._number = self._numbers
        request._waiter = waiter
        request.done = False
        request.under_way = True
        asked.opcode = request._opcode
        asked.fd = request._fd
        asked.address = request._address
        asked.offset = request._offset
        asked.number = request._number
        asked.length = request._length
        asked.op_flags = request._op_flags
        asked.flags = request._flags
        self._under_way[request._number] = request
        error = ask(self, &asked)
        if error:
            del self._under_way[request._number]
            request._waiter = None
            request.under_way = False
            raise_errno(error)
        self.reap()

    cpdef object cancel(self, Request request):
        """Ask for a request to be cancelled; its own completion tells what came of that.

        A descriptor is closed in any case.
        """
        cdef giambio_request asked
        if not request.under_way or self._ring == NULL or request._opcode == GIAMBIO_CLOSE:
            return
        memset(&asked, 0, sizeof(giambio_request))
        asked.opcode = GIAMBIO_CANCEL
        asked.fd = -1
        asked.address = request._number
        ask(self, &asked)  # if it is refused, the request just ends later
        self.reap()

    cpdef object reap(self):
        """Complete the requests that are done."""
        cdef uint64_t number
        cdef int outcome
        cdef Request request
        if self._ring == NULL:
            return
        while giambio_ring_next(<giambio_ring *>self._ring, &number, &outcome):
            request = self._under_way.pop(number, None)
            if request is not None:  # if it is, this is the answer to a `cancel`
                request._complete(outcome)
                if self._ring == NULL:
                    return

    def under_way(self):
        """How many requests are under way."""
        return len(self._under_way)

    def drain_event(self):
        """Read the eventfd empty, so that it can be waited for again."""
        cdef uint64_t count
        if self.event_fd >= 0:
            c_read(self.event_fd, &count, sizeof(count))

    cpdef object close(self):
        """Cancel all that is under way, wait until it is done, and release the descriptors.

        In a forked child that is the parent's affair, so there only the copies are closed.
        """
        cdef giambio_ring *ring = <giambio_ring *>self._ring
        if ring == NULL:
            return
        if getpid() == self._process:
            for request in list(self._under_way.values()):
                (<Request>request).abandon()
                self.cancel(request)
            while self._under_way:
                with nogil:
                    giambio_ring_wait(ring)
                self.reap()
        self._under_way.clear()
        self._ring = NULL
        self.fd = self.event_fd = -1
        giambio_ring_close(ring)
        PyMem_RawFree(ring)


cdef Request make(int opcode, int fd):
    """A new request."""
    cdef Request request = Request.__new__(Request)
    request._opcode = opcode
    request._fd = fd
    return request


cdef int ask(Ring owner, giambio_request *asked) except -1:
    """Hand a request to the system; 0 or an error number."""
    cdef int error
    while True:
        with nogil:
            error = giambio_ring_submit(<giambio_ring *>owner._ring, asked)
        if error != EBUSY:
            return error
        # Before Linux 5.19 nothing is taken while more is done than the queue holds.
        owner.reap()
        if owner._ring == NULL:
            return EINTR


cdef int raise_errno(int number) except -1:
    """Raise the OSError of an error number."""
    import os

    raise OSError(number, os.strerror(number))


cdef object setup_error(int number):
    """Why there is no ring."""
    import errno
    import os

    if number < 0:
        return OSError(errno.ENOSYS, "giambio was compiled without <linux/io_uring.h>")
    if number == errno.ENOSYS:
        return OSError(number, "this system has none, or one from before Linux 5.6")
    text = os.strerror(number)
    if number == errno.EPERM:
        text += " (forbidden by kernel.io_uring_disabled, or by the container)"
    return OSError(number, text)


cdef object stat_result(const char *statx):
    """What `os.stat` would have returned."""
    import os

    cdef int64_t[18] numbers
    giambio_statx_numbers(statx, numbers)
    (mode, ino, major, minor, nlink, uid, gid, size, *times, blksize, blocks, dev_major,
     dev_minor) = [numbers[i] for i in range(18)]
    seconds, nanoseconds = times[:3], times[3:]
    both = list(zip(seconds, nanoseconds, strict=True))
    return os.stat_result(
        (
            mode,
            ino,
            os.makedev(major, minor),
            nlink,
            uid,
            gid,
            size,
            *seconds,
            *(second + 1e-9 * nanosecond for second, nanosecond in both),
            *(second * 1_000_000_000 + nanosecond for second, nanosecond in both),
            blksize,
            blocks,
            os.makedev(dev_major, dev_minor),
        )
    )
