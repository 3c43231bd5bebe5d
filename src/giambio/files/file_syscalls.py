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
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from giambio.drivers import nowait
from giambio.errors import ClosedResourceError
from giambio.files import file_routes
from giambio.files.file_operations import OpenNow, ReadNow, RingCall, WriteNow
from giambio.files.file_routes import counts, ring_of, switch
from giambio.files.file_state import FileState, closed_error
from giambio.kernel.operation import Operation, current_kernel
from giambio.net.wait_fd import wait_readable, wait_writable
from giambio.threads.call import ThreadCall
from giambio.threads.workers import for_files

__all__ = [
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
    return ThreadCall(what, for_files.submit, function, args, copy_context(), None, abandonable)


# -- reading and writing ----------------------------------------------------------------


async def read_some(file: FileState, size: int) -> bytes:
    """Read at most `size` bytes, and at least one before the end of the file."""
    size = min(size, nowait.MOST)
    while True:
        data: bytes | None = await ReadNow(file, size)
        if data is not None:
            return data
        if not file.pollable:
            break
        await readiness(file, wait_readable)
    ring = ring_for(file)
    if ring is not None:
        counts.ring_reads += 1
        place = os.lseek(file.fd, 0, os.SEEK_CUR)
        request = ring.read(file.fd, size, place)
        read: bytes = await RingCall(file.kernel, ring, request, "reading a file")
        os.lseek(file.fd, place + len(read), os.SEEK_SET)
        return read
    counts.worker_reads += 1
    return await in_worker("reading a file", file.in_thread, os.read, size)


async def write_some(file: FileState, data: Any, start: int) -> int:
    """Write some of the data from `start`, at least one byte; return their number."""
    if file.pollable:
        while True:
            count: int | None = await WriteNow(file, data, start)
            if count is not None:
                return count
            await readiness(file, wait_writable)
    # Appended data stays in one piece, also if others append to the same file.
    size = len(data) - start if file.appending else min(len(data) - start, nowait.MOST)
    ring = ring_for(file)
    if ring is not None:
        counts.ring_others += 1
        place = os.lseek(file.fd, 0, os.SEEK_CUR)
        request = ring.write(file.fd, data, start, size, place)
        written: int = await RingCall(file.kernel, ring, request, "writing a file")
        if file.appending:
            os.lseek(file.fd, 0, os.SEEK_END)
        else:
            os.lseek(file.fd, place + written, os.SEEK_SET)
        return written
    counts.worker_others += 1
    piece = memoryview(data)[start : start + size]
    return await in_worker("writing a file", file.in_thread, os.write, piece)


async def readiness(file: FileState, wait: Callable[[int], Operation[None]]) -> None:
    """Wait until a pipe, a terminal or a socket is ready."""
    try:
        await wait(file.fd)
    except ClosedResourceError:
        raise closed_error() from None


def ring_for(file: FileState) -> Any:
    """The io_uring for a file; None without one."""
    return ring_of(file.kernel) if file.use_ring else None


# -- everything else --------------------------------------------------------------------


async def sync(file: FileState) -> None:
    """Write the data to the disk: `os.fsync`."""
    ring = ring_for(file)
    if ring is not None:
        counts.ring_others += 1
        await RingCall(file.kernel, ring, ring.sync(file.fd), "syncing a file")
    else:
        counts.worker_others += 1
        await in_worker("syncing a file", file.in_thread, os.fsync)


async def truncate(file: FileState, size: int) -> None:
    """Set the size of a file: `os.ftruncate`."""
    counts.worker_others += 1
    await in_worker("truncating a file", file.in_thread, os.ftruncate, size)


async def size_of(file: FileState) -> int:
    """Size of a file: the offset of its end."""
    ring = ring_for(file)
    if ring is not None and stat.S_ISREG(file.kind):
        counts.ring_others += 1
        request = ring.stat(file.fd, None, True)
        found: os.stat_result = await RingCall(file.kernel, ring, request, "seeking in a file")
        return found.st_size
    counts.worker_others += 1
    return await in_worker("seeking in a file", file.in_thread, end_of)


def end_of(fd: int) -> int:
    """Offset of the end of a file; the position stays."""
    here = os.lseek(fd, 0, os.SEEK_CUR)
    end = os.lseek(fd, 0, os.SEEK_END)
    os.lseek(fd, here, os.SEEK_SET)
    return end


async def stat_path(path: str, follow: bool) -> os.stat_result:
    """`os.stat` of a path."""
    kernel = current_kernel()
    ring = ring_of(kernel) if switch.io_uring else None
    if ring is not None:
        counts.ring_others += 1
        request = ring.stat(-1, to_bytes(path), follow)
        found: os.stat_result = await RingCall(kernel, ring, request, "asking about a file", path)
        return found
    counts.worker_others += 1
    function = os.stat if follow else os.lstat
    return await in_worker("asking about a file", function, path)


async def open_descriptor(path: Any, flags: int) -> int:
    """Open a file: `os.open`. Cancelled, nothing stays open."""
    sys.audit("open", path, None, flags)
    kernel = current_kernel()
    if switch.page_cache:
        fd: int = await OpenNow(to_bytes(path), flags)
        if fd >= 0:
            counts.cached_others += 1
            return fd
    ring = ring_of(kernel) if switch.io_uring else None
    if ring is not None:
        counts.ring_others += 1
        request = ring.open(to_bytes(path), flags | os.O_CLOEXEC, 0o666)
        opened: int = await RingCall(kernel, ring, request, "opening a file", path)
        return opened
    counts.worker_others += 1
    opening = Opening(path, flags)
    try:
        return await in_worker("opening a file", opening.run, abandonable=True)
    except BaseException:
        opening.abandon()
        raise


class Opening:
    """A file that a thread opens for a task, which may abandon it meanwhile."""

    __slots__ = ("_abandoned", "_fd", "_flags", "_lock", "_path")

    def __init__(self, path: Any, flags: int) -> None:
        self._path = path
        self._flags = flags
        self._fd = -1
        self._abandoned = False
        self._lock = threading.Lock()

    def run(self) -> int:
        """Open the file, in the thread."""
        fd = os.open(self._path, self._flags, 0o666)
        with self._lock:
            self._fd = fd
            if self._abandoned:
                os.close(fd)
        return fd

    def abandon(self) -> None:
        """Close the file, now or as soon as it is open."""
        with self._lock:
            self._abandoned = True
            if self._fd >= 0:
                os.close(self._fd)


async def close_descriptor(file: FileState) -> None:
    """Close a file's descriptor in any case.

    That may take long: the last descriptor of a large deleted file frees its blocks.
    """
    loop: Any = file.kernel
    ring = ring_for(file)
    try:
        if file.pollable or (file.cached and not file.writable):
            pass  # that takes no time
        elif ring is not None:
            await close_by_ring(file, ring)
        elif loop._threads:
            counts.worker_others += 1
            await in_worker("closing a file", file.close_now)
    finally:
        file.close_now()


async def close_by_ring(file: FileState, ring: Any) -> None:
    """Close a file's descriptor through io_uring; once submitted, it will be closed."""
    counts.ring_others += 1
    request = ring.close_fd(file.fd, file.writable)
    call = RingCall(file.kernel, ring, request, "closing a file")
    try:
        await call
    finally:
        if request.under_way or request.done:
            file.surrender()


def to_bytes(path: Any) -> bytes:
    """Encode a path for the system."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded
