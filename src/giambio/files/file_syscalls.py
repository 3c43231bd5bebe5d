"""System calls that may have to wait for a disk, by io_uring or a worker thread.

A call that has begun cannot be withdrawn: cancelled, its task waits for it, and keeps the
result if it succeeded. Only opening can be abandoned, because opening a pipe may block for
ever; a file opened too late is closed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from giambio.drivers import nowait
from giambio.files import file_routes
from giambio.files.file_routes import OTHERS, counts, ring_of, switch
from giambio.files.ring_call import RingCall
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation, current_kernel
from giambio.streams.budget import spend_budget
from giambio.threads.call import ThreadCall, calling
from giambio.threads.workers import for_files

__all__ = ["call", "in_worker", "open_descriptor", "stat_path"]

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


def call(
    kernel: Kernel,
    what: str,
    request: Callable[[Any], Any] | None,
    function: Callable[[], T],
    path: Any = None,
    kind: int = OTHERS,
    abandonable: bool = False,
) -> Operation[T]:
    """Have the system do something that may have to wait for a disk.

    Parameters:
        what: the call, for messages.
        request: makes a request for an io_uring; None if io_uring cannot do this.
        function: does the same, in a worker thread.
        path: the file's name, for errors.
        kind: `READS` or `OTHERS`.
        abandonable: see `in_worker`.
    """
    ring = ring_of(kernel) if request else None
    if request is None or ring is None:
        counts["worker threads"][kind] += 1
        return in_worker(what, function, abandonable=abandonable)
    counts["io_uring"][kind] += 1
    return RingCall(kernel, ring, request(ring), what, path)


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
            counts["page cache"][OTHERS] += 1
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
        if calling.call and calling.call.abandoned:  # close it now, and not when it is dropped
            os.close(self.take())

    def take(self) -> int:
        """Return the descriptor."""
        fd, self._fd = self._fd, -1
        return fd

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def to_bytes(path: Any) -> bytes:
    """Encode a path for the system."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded
