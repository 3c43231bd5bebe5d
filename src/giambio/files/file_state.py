"""State of an open file: its descriptor, its buffers, and the lock on its operations.

There are two kinds of descriptor. A file on a disk is always "ready", yet reading it
may block. A pipe, a terminal or a socket is read when it is ready. Both are read
without waiting if possible; `how` says in which way (see `nowait`).

The position is the descriptor's own, so that a child process that inherits it continues
from there, and appending is left to the system.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from giambio.drivers import nowait
from giambio.errors import ClosedResourceError
from giambio.files.file_routes import Counts, counts, switch
from giambio.kernel.kernel import Kernel
from giambio.kernel.tracebacks import user_place
from giambio.kernel.wait_queue import WaitQueue

__all__ = ["FileState", "OperationLock", "closed_error"]

T = TypeVar("T")

#: Default size of the read-ahead and of the write buffer, in bytes.
BUFFER = 65536
#: A read of a page or more bypasses the buffer.
PAGE = 4096


class OperationLock:
    """Serialises the operations of several tasks on one file, first come, first served."""

    __slots__ = ("__weakref__", "closed", "kernel", "locked", "waiters")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.closed = False
        self.locked = False
        self.waiters = WaitQueue()

    def release(self) -> None:
        """Hand the lock to the task that has waited longest, or unlock."""
        while True:
            first: Any = self.waiters.pop()
            if first is None:
                self.locked = False
                return
            if first.grant(None):
                return


class FileState(OperationLock):
    """A descriptor, with its read-ahead and its write buffer."""

    __slots__ = (
        "ahead",
        "appending",
        "cached",
        "at",
        "counts",
        "direct",
        "fd",
        "fd_lock",
        "fill",
        "how",
        "kind",
        "limit",
        "made_at",
        "name",
        "pending",
        "pending_size",
        "pollable",
        "readable",
        "seekable",
        "shared",
        "stepwise",
        "use_ring",
        "writable",
    )

    def __init__(
        self,
        kernel: Kernel,
        fd: int,
        name: Any,
        readable: bool,
        writable: bool,
        buffer: int,
        shared: bool = False,
    ) -> None:
        self.kernel = kernel
        self.closed = False
        self.locked = False
        self.waiters = WaitQueue()
        self.fd = fd
        self.name = name
        self.readable = readable
        self.writable = writable
        self.appending = False
        # Unbuffered: each read and each write is one system call.
        self.stepwise = not buffer
        self.fill = buffer or 1
        self.direct = min(buffer, PAGE)
        self.limit = buffer
        # The read-ahead, and how much of it has been used.
        self.ahead = b""
        self.at = 0
        # Written data that the system does not have yet.
        self.pending: list[bytes] = []
        self.pending_size = 0
        self.kind = kind = os.fstat(fd).st_mode
        # Outside of POSIX only sockets can be waited for.
        self.pollable = os.name == "posix" and not (stat.S_ISREG(kind) or stat.S_ISBLK(kind))
        # Whether other processes share the descriptor's flags.
        self.shared = shared
        self.how = nowait.NOWAIT
        if self.pollable and not shared:
            os.set_blocking(fd, False)
            self.how = nowait.NONBLOCKING
        elif not self.pollable and not switch.page_cache:
            self.how = nowait.NEVER
        # Whether it has been read from the page cache. Only file systems on local disks allow
        # that, and they close a file that was only read at once.
        self.cached = False
        self.use_ring = switch.io_uring
        self.seekable = not self.pollable or can_seek(fd)
        self.counts: Counts = counts
        self.made_at = user_place()
        # Held while a thread uses the descriptor, and to close it: once closed, its number may
        # be another file's.
        self.fd_lock = threading.Lock()

    def unread(self) -> int:
        """Number of unused bytes in the read-ahead."""
        return len(self.ahead) - self.at

    def take_ahead(self) -> bytes:
        """Empty the read-ahead, and return its unused bytes."""
        data = self.ahead[self.at :] if self.at else self.ahead
        self.ahead = b""
        self.at = 0
        return data

    def put_ahead(self, data: bytes) -> None:
        """Put data in front of the read-ahead, to be read next."""
        self.ahead = data + self.take_ahead() if self.unread() else data
        self.at = 0

    def refused(self) -> None:
        """Choose another way to read: the system does not support the present one here."""
        if not self.pollable:
            self.how = nowait.NEVER
        elif self._reopen():
            self.how = nowait.NONBLOCKING
        else:
            self.how = nowait.LEVEL

    def _reopen(self) -> bool:
        """Open the file again, for an open file description with unshared flags."""
        if self.readable and self.writable:
            flags = os.O_RDWR
        else:
            flags = os.O_RDONLY if self.readable else os.O_WRONLY
        try:
            fd = os.open(f"/proc/self/fd/{self.fd}", flags | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, AttributeError):
            return False
        try:
            os.dup2(fd, self.fd, inheritable=False)
        finally:
            os.close(fd)
        return True

    def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function with the descriptor, from another thread."""
        with self.fd_lock:
            if self.fd < 0:
                raise closed_error()
            return function(self.fd, *args)

    def surrender(self) -> int:
        """Hand out the descriptor, to be closed; -1 if it was closed before."""
        with self.fd_lock:
            fd = self.fd
            self.fd = -1
            self.closed = True
            self.ahead = b""
            self.at = 0
            return fd

    def suspend(self) -> None:
        """Close the descriptor, and keep everything else for `resume`."""
        with self.fd_lock:
            fd = self.fd
            self.fd = -1
        if fd >= 0:
            os.close(fd)

    def resume(self, kernel: Kernel, fd: int) -> None:
        """Continue in another loop, with another descriptor of the same file."""
        self.kernel = kernel
        self.fd = fd
        if self.pollable:
            self.how = nowait.NOWAIT

    def close_now(self) -> None:
        """Flush, unless that has to wait for a reader, and close; this may block."""
        if self.fd < 0:
            return
        try:
            if self.pending:
                self._write_rest()
        finally:
            self.drop_pending()
            os.close(self.surrender())

    def drop_pending(self) -> None:
        """Empty the write buffer."""
        self.pending = []
        self.pending_size = 0

    def _write_rest(self) -> None:
        data = memoryview(b"".join(self.pending))
        while data:
            if self.pollable:
                how = nowait.LEVEL if self.how == nowait.NOWAIT else self.how
                count = nowait.write_now(self.fd, data, 0, how)
                if count < 0:
                    raise BlockingIOError(f"{len(data)} bytes for {self.name!r} are lost")
            else:
                count = os.write(self.fd, data)
            data = data[count:]


def can_seek(fd: int) -> bool:
    """Whether a descriptor has a position."""
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return False
    return True


def closed_error() -> ClosedResourceError:
    """The error of using a closed file."""
    return ClosedResourceError("this file is closed; open it again to use it")
