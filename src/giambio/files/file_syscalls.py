"""The system calls on files, each by the best route there is.

First the call is tried without waiting; then a pipe waits until it is ready, and a file
on a disk uses io_uring or a worker thread. A call that has begun cannot be withdrawn:
cancelled, its task waits for it, and keeps the result if it succeeded. Only opening can be
abandoned, because opening a pipe may block for ever; a file opened too late is closed.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from giambio.drivers import nowait
from giambio.errors import ClosedResourceError
from giambio.files import file_routes
from giambio.files.file_routes import counts, ring_of, switch
from giambio.files.file_state import FileState, closed_error
from giambio.files.ring_call import RingCall
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation, current_kernel
from giambio.net.wait_fd import wait_readable, wait_writable
from giambio.streams.budget import spend_budget
from giambio.threads.call import ThreadCall
from giambio.threads.workers import submit_for_files

__all__ = [
    "LARGEST_READ",
    "close_descriptor",
    "in_worker",
    "open_descriptor",
    "read_some",
    "size_of",
    "stat_path",
    "sync",
    "truncate",
    "write_some",
]

T = TypeVar("T")

#: The most that a thread is asked to read, which holds up nobody but a cancelled task.
LARGEST_READ = 16 * nowait.MOST


def in_worker(
    what: str, function: Callable[..., T], *args: Any, abandonable: bool = False
) -> Operation[T]:
    """Call a blocking function in one of the worker threads for files.

    Cancelled, the task waits until the function has returned, and keeps its result,
    unless the call is `abandonable`.

    Raises:
        RuntimeError: the loop was made with ``threads=False``.
    """
    loop: Any = current_kernel()
    if not loop._threads:
        reason = f" (no io_uring: {file_routes.ring_problem})" if file_routes.ring_problem else ""
        raise RuntimeError(
            f"{what} needs a worker thread{reason}, and this loop was made with threads=False"
        )
    return ThreadCall(what, submit_for_files, function, args, copy_context(), None, abandonable)


def call(
    kernel: Kernel,
    what: str,
    request: Callable[[Any], Any] | None,
    function: Callable[[], T],
    path: Any = None,
    kind: str = "others",
    abandonable: bool = False,
) -> Operation[T]:
    """Have the system do something that may have to wait for a disk.

    Parameters:
        what: the call, for messages.
        request: makes a request for an io_uring; None if io_uring cannot do this.
        function: does the same, in a worker thread.
        path: the file's name, for errors.
        kind: "reads" or "others".
        abandonable: see `in_worker`.
    """
    ring = ring_of(kernel) if request else None
    if request is None or ring is None:
        counts["worker threads", kind] += 1
        return in_worker(what, function, abandonable=abandonable)
    counts["io_uring", kind] += 1
    return RingCall(kernel, ring, request(ring), what, path)


# -- reading and writing ----------------------------------------------------------------


async def read_some(file: FileState, size: int) -> bytes:
    """Read at most `size` bytes, and at least one before the end of the file."""
    await spend_budget()
    while (data := file.read_now(min(size, nowait.MOST))) is None and file.pollable:
        await readiness(file, wait_readable)
    if data is not None:
        return data
    ring = ring_of(file.kernel)
    data = await call(
        file.kernel,
        "reading a file",
        lambda ring: ring.read(file.fd, min(size, nowait.MOST), position(file)),
        partial(file.in_thread, os.read, min(size, LARGEST_READ)),
        kind="reads",
    )
    if ring is not None:  # that leaves the position to us
        os.lseek(file.fd, len(data), os.SEEK_CUR)
    return data


async def write_some(file: FileState, data: Any, start: int) -> int:
    """Write some of the data from `start`, at least one byte; return their number."""
    if file.pollable:
        await spend_budget()
        while (count := file.write_now(data, start)) < 0:
            await readiness(file, wait_writable)
        return count
    # Appended data stays in one piece, also if others append to the same file.
    size = len(data) - start if file.appending else min(len(data) - start, nowait.MOST)
    ring = ring_of(file.kernel)
    written = await call(
        file.kernel,
        "writing a file",
        lambda ring: ring.write(file.fd, data, start, size, position(file)),
        partial(file.in_thread, os.write, memoryview(data)[start : start + size]),
    )
    if ring is not None:
        whence = os.SEEK_END if file.appending else os.SEEK_CUR
        os.lseek(file.fd, 0 if file.appending else written, whence)
    return written


def position(file: FileState) -> int:
    """Offset of the descriptor."""
    return os.lseek(file.fd, 0, os.SEEK_CUR)


async def readiness(file: FileState, wait: Callable[[int], Operation[None]]) -> None:
    """Wait until a pipe, a terminal or a socket is ready."""
    try:
        await wait(file.fd)
    except ClosedResourceError:
        raise closed_error() from None


# -- everything else --------------------------------------------------------------------


async def sync(file: FileState) -> None:
    """Write the data to the disk: `os.fsync`."""
    function = partial(file.in_thread, os.fsync)
    await call(file.kernel, "syncing a file", lambda ring: ring.sync(file.fd), function)


async def truncate(file: FileState, size: int) -> None:
    """Set the size of a file: `os.ftruncate`."""
    await call(file.kernel, "truncating a file", None, partial(file.in_thread, os.ftruncate, size))


async def size_of(file: FileState) -> int:
    """Size of a file: the offset of its end."""
    status = await call(
        file.kernel,
        "seeking in a file",
        lambda ring: ring.stat(file.fd, None, True),
        partial(file.in_thread, os.fstat),
    )
    return status.st_size if stat.S_ISREG(status.st_mode) else end_of(file.fd)


def end_of(fd: int) -> int:
    """Offset of the end of a file; the position stays."""
    here = os.lseek(fd, 0, os.SEEK_CUR)
    end = os.lseek(fd, 0, os.SEEK_END)
    os.lseek(fd, here, os.SEEK_SET)
    return end


def stat_path(path: str, follow: bool) -> Operation[os.stat_result]:
    """`os.stat` of a path."""
    return call(
        current_kernel(),
        "asking about a file",
        lambda ring: ring.stat(-1, to_bytes(path), follow),
        partial(os.stat, path, follow_symlinks=follow),
        path,
    )


async def open_descriptor(path: Any, flags: int) -> int:
    """Open a file: `os.open`. Cancelled, nothing stays open."""
    sys.audit("open", path, None, flags)
    if switch.page_cache:
        await spend_budget()
        fd = nowait.open_now(to_bytes(path), flags)
        if fd >= 0:
            counts["page cache", "others"] += 1
            return fd
    opened: Any = await call(
        current_kernel(),
        "opening a file",
        lambda ring: ring.open(to_bytes(path), flags | os.O_CLOEXEC, 0o666),
        partial(Descriptor, path, flags),
        path,
        abandonable=True,
    )
    return opened.take() if isinstance(opened, Descriptor) else opened


class Descriptor:
    """A file that a thread has opened for a task; closed if nobody takes it."""

    __slots__ = ("_fd",)

    def __init__(self, path: Any, flags: int) -> None:
        self._fd = -1
        self._fd = os.open(path, flags, 0o666)

    def take(self) -> int:
        """Return the descriptor."""
        fd, self._fd = self._fd, -1
        return fd

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


async def close_descriptor(file: FileState) -> None:
    """Close a file's descriptor in any case.

    That may take long: the last descriptor of a large deleted file frees its blocks.
    """
    loop: Any = file.kernel
    ring = ring_of(loop)
    request = None
    try:
        if file.pollable or (file.in_cache and not file.can_write):
            pass  # that takes no time
        elif ring is not None:
            counts["io_uring", "others"] += 1
            request = ring.close_fd(file.fd, file.can_write)
            await RingCall(loop, ring, request, "closing a file")
        elif loop._threads:
            await call(loop, "closing a file", None, file.close_now)
    finally:
        if request is not None and (request.under_way or request.done):
            file.surrender()  # once submitted, it will be closed
        file.close_now()


def to_bytes(path: Any) -> bytes:
    """Encode a path for the system."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded
