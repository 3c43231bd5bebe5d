"""Reading and writing what needs no waiting: the Python twin of `nowait.pyx`.

For a file on a disk that means `preadv2` with `RWF_NOWAIT`, which reads what is in
the page cache and refuses the rest. It works on pipes and sockets as well, and
there leaves the descriptor's flags alone: they may be shared with the parent shell.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import Any, Final

from giambio.drivers import interest

__all__ = [
    "LARGE_SHIFT",
    "LEVEL",
    "MOST",
    "NEVER",
    "NONBLOCKING",
    "NOWAIT",
    "mode_of",
    "open_now",
    "read_now",
    "unread",
    "write_now",
]

#: How a descriptor is read without waiting: it cannot be; by `preadv2`; it has
#: `O_NONBLOCK`; or by asking beforehand whether it is ready.
NEVER: Final = 0
NOWAIT: Final = 1
NONBLOCKING: Final = 2
LEVEL: Final = 3

#: The most that one call is asked to move, so that others have their turn.
MOST: Final = 1048576
#: A transfer counts as one operation more for each 2**16 bytes.
LARGE_SHIFT: Final = 16

#: What a pipe that is ready for writing certainly takes (POSIX's `PIPE_BUF` is at least 512).
SURELY_TAKEN = 512
RWF_NOWAIT = 8


def read_now(fd: int, size: int, how: int) -> bytes | None:
    """Read at most `size` bytes from where the descriptor stands; None if that has to wait.

    Raises:
        OSError: it failed, or this kind of file cannot be read in this way.
    """
    try:
        if how == NOWAIT:
            if not hasattr(os, "preadv"):
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            data = bytearray(size)
            count = os.preadv(fd, [data], -1, RWF_NOWAIT)
            return bytes(memoryview(data)[:count])
        if how == LEVEL and not is_ready(fd, interest.READING):
            return None
        return os.read(fd, size)
    except BlockingIOError:
        return None


def mode_of(fd: int) -> int:
    """Return what a descriptor is of, for the functions of `stat`.

    Raises:
        OSError: the system refuses.
    """
    return os.fstat(fd).st_mode


def unread(fd: int) -> int:
    """Return how many bytes there are from where the descriptor stands to the end of its file.

    A hint: files grow and shrink, and where it is unknown this is 0.
    """
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return 0
    return max(0, found.st_size - os.lseek(fd, 0, os.SEEK_CUR))


def open_now(path: bytes, flags: int) -> int:
    """Open an ordinary file if all that takes is in the system's caches; -1 if not.

    Here never: Python cannot tell. Natively it is `openat2` with `RESOLVE_CACHED`.
    """
    return -1


def write_now(fd: int, data: Any, start: int, how: int) -> int:
    """Write some of what follows `start`: the number of bytes; -1 if that has to wait.

    Raises:
        OSError: as `read_now`.
    """
    view = memoryview(data)[start:]
    try:
        if how == NOWAIT:
            if not hasattr(os, "pwritev"):
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            return os.pwritev(fd, [view], -1, RWF_NOWAIT)
        if how == LEVEL:
            if not is_ready(fd, interest.WRITING):
                return -1
            view = view[:SURELY_TAKEN]
        return os.write(fd, view)
    except BlockingIOError:
        return -1


def is_ready(fd: int, direction: int) -> bool:
    """Return whether a descriptor is ready, or has an end or an error to report."""
    reading, writing = ([fd], []) if direction == interest.READING else ([], [fd])
    if not hasattr(select, "poll"):
        return any(select.select(reading, writing, [], 0))
    poll = select.poll()
    poll.register(fd, select.POLLIN if reading else select.POLLOUT)
    return bool(poll.poll(0))
