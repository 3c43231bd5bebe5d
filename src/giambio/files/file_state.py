"""State of an open file: its descriptor, its buffers, and operations that need no waiting.

There are two kinds of descriptor. A file on a disk is always "ready", yet reading it
may block. A pipe, a terminal or a socket is read when it is ready. Both are read
without waiting if possible; `how` says in which way (see `nowait`). Compiled, because
most reads get no further than this.

The position is the descriptor's own, so that a child process that inherits it continues
from there, and appending is left to the system.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from giambio.drivers import nowait
from giambio.errors import ClosedResourceError
from giambio.files.file_routes import counts, switch
from giambio.files.line_ends import line_end
from giambio.files.turn import Turns
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.tracebacks import user_place

__all__ = ["FileState", "Read", "Seek", "closed_error"]

T = TypeVar("T")

CACHE_COUNTS = counts["page cache"]
#: A read of a page or more bypasses the buffer.
PAGE = 4096
#: Errors of kernels, file systems and containers without `RWF_NOWAIT`.
UNKNOWN = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM)


# Its methods are called by the class here: compiled code would look for overriding ones of the
# subclasses, which are Python's, at each call.


class FileState:
    """A descriptor, with its read-ahead and its write buffer.

    Parameters:
        mode: as in `open_file`.
        buffer: size of the read-ahead and of the write buffer, in bytes; 0 for none.
        shared: whether other processes share the descriptor's flags.

    Raises:
        IsADirectoryError: it is a folder.
    """

    __slots__ = (
        "__weakref__",
        "ahead",
        "appending",
        "at",
        "buffer",
        "by_newline",
        "can_read",
        "can_seek",
        "can_write",
        "closed",
        "direct",
        "fd",
        "fd_lock",
        "how",
        "in_cache",
        "is_text",
        "kernel",
        "limit",
        "made_at",
        "mode",
        "name",
        "pending",
        "pollable",
        "text",
        "turns",
        "used",
    )

    def __init__(
        self, kernel: Kernel, fd: int, name: Any, mode: str, buffer: int, shared: bool
    ) -> None:
        self.kernel = kernel
        self.turns = Turns()
        self.closed = False
        self.fd = fd
        self.name = name
        self.mode = mode
        self.can_read = "r" in mode or "+" in mode
        self.can_write = "r" not in mode or "+" in mode
        self.buffer = buffer
        # The least that is read into no buffer.
        self.direct = min(buffer, PAGE)
        # The most to collect before it is written.
        self.limit = buffer
        # The read-ahead, and how much of it has been used.
        self.ahead = b""
        self.at = 0
        # What a text file has decoded, and how much of it has been used.
        self.is_text = False
        self.text = ""
        self.used = 0
        # Whether a line ends at each newline, and nowhere else.
        self.by_newline = True
        # Written data that the system does not have yet.
        self.pending = bytearray()
        kind = nowait.mode_of(fd)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        # Outside of POSIX only sockets can be waited for.
        self.pollable = os.name == "posix" and not (stat.S_ISREG(kind) or stat.S_ISBLK(kind))
        self.how = nowait.NOWAIT
        if self.pollable and not shared:
            os.set_blocking(fd, False)
            self.how = nowait.NONBLOCKING
        elif not self.pollable and not switch.page_cache:
            self.how = nowait.NEVER
        # Whether it has been read from the page cache. Only file systems on local disks allow
        # that, and they close a file that was only read at once.
        self.in_cache = False
        self.can_seek = not self.pollable or has_position(fd)
        self.appending = self.can_seek and "a" in mode
        if self.appending:
            os.lseek(fd, 0, os.SEEK_END)
        self.made_at = user_place()
        # Held while a thread uses the descriptor, and to close it: once closed, its number may
        # be another file's.
        self.fd_lock = threading.Lock()

    # -- the read-ahead ---------------------------------------------------------------

    def unread(self) -> int:
        """Number of unused bytes in the read-ahead."""
        return len(self.ahead) - self.at

    def take(self, size: int) -> bytes:
        """Take at most `size` bytes from the read-ahead; all if negative."""
        start = self.at
        data = self.ahead
        if 0 <= size < len(data) - start:
            self.at = start + size
            return data[start : start + size]
        FileState.put(self, b"")
        return data[start:] if start else data

    def put(self, data: bytes) -> None:
        """Replace the read-ahead."""
        self.ahead = data
        self.at = 0

    def line_end(self) -> int:
        """Where the next line ends that has been read ahead; 0 if there is none."""
        if not self.by_newline:
            return 0
        return line_end(self.text, self.used) if self.is_text else line_end(self.ahead, self.at)

    def is_at(self, data: Any, start: int) -> bool:
        """Whether that is still what comes next of the data which was read ahead."""
        if self.is_text:
            return self.text is data and self.used == start
        return self.ahead is data and self.at == start

    def take_line(self, end: int) -> Any:
        """Take the line that ends there."""
        if not self.is_text:
            return FileState.take(self, end - self.at)
        start = self.used
        self.used = end
        return self.text[start:end]

    # -- without waiting --------------------------------------------------------------

    def read_at_once(self, size: int) -> bytes | None:
        """Read `size` bytes, or up to the end, from the read-ahead and the page cache.

        Returns:
            None if that is impossible; then the data is in the read-ahead.
        """
        if self.closed or self.fd < 0:
            raise closed_error()
        if self.turns.current is not None or self.pending or not self.can_read:
            return None
        if size < 0:
            return FileState.read_rest_at_once(self)
        if not 0 < size <= nowait.MOST:
            return None
        left = size - FileState.unread(self)
        while left > 0:
            if self.pollable and left < size:
                return None
            data = FileState.read_now(self, left if size >= self.direct else self.buffer)
            if data is None:
                return None
            FileState.put(self, FileState.take(self, -1) + data)
            left -= len(data)
            if not data or not self.buffer:
                break
        return FileState.take(self, size)

    def read_rest_at_once(self) -> bytes | None:
        """Read up to the end; see `read_at_once`."""
        if self.pollable or self.how == nowait.NEVER:
            return None
        left = nowait.unread(self.fd)
        while FileState.unread(self) + left <= nowait.MOST:
            # One byte more, because only a read that gets less than it asks for may be at the end.
            data = FileState.read_now(self, max(left + 1, PAGE))
            if data is None:
                return None
            if data:
                FileState.put(self, FileState.take(self, -1) + data)
            if len(data) == left:  # to where the file ended, or nothing: that is the end
                return FileState.take(self, -1)
            left = 0
        return None

    def seek_at_once(self, offset: int) -> int | None:
        """Seek from the beginning, and return the position; None if there is more to do."""
        if self.closed or self.fd < 0:
            raise closed_error()
        if self.turns.current is not None or self.pending or self.ahead:
            return None
        return os.lseek(self.fd, offset, os.SEEK_SET)

    def read_now(self, size: int) -> bytes | None:
        """Read without waiting; None if that is impossible."""
        if self.fd < 0:
            raise closed_error()
        while self.how != nowait.NEVER:
            try:
                data: bytes | None = nowait.read_now(self.fd, size, self.how)
            except OSError as exc:
                self._refused(exc)
                continue
            if data is not None:
                if not self.pollable:
                    self.in_cache = True
                    CACHE_COUNTS[0] += 1  # `READS`
                self.kernel._budget -= len(data) >> nowait.LARGE_SHIFT
            return data
        return None

    def write_now(self, data: Any, start: int) -> int:
        """Write some of the data from `start` without waiting; -1 if that is impossible."""
        while True:
            if self.fd < 0:
                raise closed_error()
            try:
                count = nowait.write_now(self.fd, data, start, self.how)
            except OSError as exc:
                self._refused(exc)
                continue
            if count > 0:
                self.kernel._budget -= count >> nowait.LARGE_SHIFT
            return count

    def _refused(self, exc: OSError) -> None:
        """Choose another way to read and write, if the system does not support this one here."""
        if self.how != nowait.NOWAIT or exc.errno not in UNKNOWN:
            raise exc
        if not self.pollable:
            self.how = nowait.NEVER
        elif self._reopen():
            self.how = nowait.NONBLOCKING
        else:
            self.how = nowait.LEVEL

    def _reopen(self) -> bool:
        """Open the file again, for an open file description with unshared flags."""
        access = (os.O_RDWR if self.can_read else os.O_WRONLY) if self.can_write else os.O_RDONLY
        try:
            fd = os.open(f"/proc/self/fd/{self.fd}", access | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, AttributeError):
            return False
        try:
            os.dup2(fd, self.fd, inheritable=False)
        finally:
            os.close(fd)
        return True

    # -- the descriptor ---------------------------------------------------------------

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
            return fd

    def suspend(self) -> None:
        """Close the descriptor, and keep everything else for `resume`."""
        fd = self.surrender()
        if fd >= 0:
            os.close(fd)

    def resume(self, kernel: Kernel, fd: int) -> None:
        """Continue in another loop, with another descriptor of the same file."""
        self.kernel = kernel
        self.fd = fd
        if self.pollable:
            self.how = nowait.NOWAIT

    def closes_at_once(self) -> bool:
        """Whether closing takes no time: nothing is buffered, and no disk has to be told."""
        return not self.pending and (self.pollable or (self.in_cache and not self.can_write))

    def writes_to_close(self) -> bool:
        """Whether closing has to write something first."""
        return bool(self.pending)

    def close_now(self) -> None:
        """Flush, unless that has to wait for a reader, and close; this may block."""
        self.closed = True
        try:
            if self.fd >= 0:
                self._write_rest()
        finally:
            self.pending = bytearray()
            self.put(b"")
            self.suspend()

    def _write_rest(self) -> None:
        data = memoryview(self.pending)
        while data:
            if self.pollable:
                how = nowait.LEVEL if self.how == nowait.NOWAIT else self.how
                count = nowait.write_now(self.fd, data, 0, how)
                if count < 0:
                    raise BlockingIOError(f"{len(data)} bytes for {self.name!r} are lost")
            else:
                count = os.write(self.fd, data)
            data = data[count:]


class Read(Operation):
    """Reads at once; see `FileState.read_at_once`."""

    __slots__ = ("_file", "_size")

    what = "AsyncFile.read()"

    def __init__(self, file: FileState, size: int) -> None:
        self.prepare(file.kernel)
        self._file = file
        self._size = size

    def attempt(self) -> bool:
        """Try, once."""
        try:
            self.result = FileState.read_at_once(self._file, self._size)
        except (OSError, ClosedResourceError) as exc:
            return self.fail(exc)
        return True


class Seek(Operation):
    """Seeks at once; see `FileState.seek_at_once`."""

    __slots__ = ("_file", "_offset")

    what = "AsyncFile.seek()"

    def __init__(self, file: FileState, offset: int) -> None:
        self.prepare(file.kernel)
        self._file = file
        self._offset = offset

    def attempt(self) -> bool:
        """Try, once."""
        try:
            self.result = FileState.seek_at_once(self._file, self._offset)
        except (OSError, ClosedResourceError) as exc:
            return self.fail(exc)
        return True


def has_position(fd: int) -> bool:
    """Whether one can seek: most of what can be waited for has no position."""
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return False
    return True


def closed_error() -> ClosedResourceError:
    """The error of using a closed file."""
    return ClosedResourceError("this file is closed; open it again to use it")
