"""The awaitable operations on files; compiled, because each read makes at least one.

`Read` is the most frequent: it completes on the spot if the data is in the buffer or in
the page cache, and returns None otherwise. `RingCall` waits for io_uring, whose requests
cannot be withdrawn at once: cancelled, it asks the system to cancel and waits for the
answer, which may be that the request has completed.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from giambio.drivers import nowait
from giambio.drivers.uring import Request, Ring
from giambio.files.file_state import FileState, OperationLock, closed_error
from giambio.kernel import constants
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.wait_queue import QueuedOperation

__all__ = ["AcquireFile", "OpenNow", "Read", "ReadNow", "RingCall", "WriteNow"]

#: Errors of kernels, file systems and containers without `RWF_NOWAIT`.
UNKNOWN = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM)
#: Results of requests that were cancelled, or interrupted and have to be repeated.
CANCELLED = (errno.ECANCELED, errno.EINTR)


class AcquireFile(QueuedOperation):
    """Acquires an `OperationLock`."""

    __slots__ = ("_closing", "_lock")

    what = "a file operation"

    def __init__(self, lock: OperationLock, closing: bool = False) -> None:
        self.prepare_queued()
        self.kernel = lock.kernel
        self._lock = lock
        self._closing = closing

    def attempt(self) -> bool:
        """Take the lock, or queue for it."""
        lock = self._lock
        if lock.closed and not self._closing:
            return self.fail(closed_error())
        if lock.locked:
            return self.wait_in(lock.waiters)
        lock.locked = True
        return True

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        self._lock.release()


class OpenNow(Operation):
    """Opens a file if that needs no waiting; the result is -1 otherwise."""

    __slots__ = ("_flags", "_path")

    what = "open_file()"

    def __init__(self, path: bytes, flags: int) -> None:
        self.prepare(None)
        self._path = path
        self._flags = flags

    def attempt(self) -> bool:
        """Try, once."""
        self.result = nowait.open_now(self._path, self._flags)
        return True


class FileOperation(Operation):
    """Base of the operations on a descriptor."""

    __slots__ = ("_file",)

    what = "a file operation"

    def begin(self, file: FileState) -> None:
        """Initialise the operation, for the constructors."""
        self.prepare(file.kernel)
        self._file = file

    def read_now(self, size: int) -> bytes | None:
        """Read without waiting; None if that is impossible."""
        file = self._file
        while file.how != nowait.NEVER:
            try:
                data: bytes | None = nowait.read_now(file.fd, size, file.how)
            except OSError as exc:
                if file.how != nowait.NOWAIT or exc.errno not in UNKNOWN:
                    raise
                file.refused()
            else:
                if data is not None:
                    if not file.pollable:
                        file.cached = True
                        file.counts.cached_reads += 1
                    self.spend(len(data) >> nowait.LARGE_SHIFT)
                return data
        return None


class ReadNow(FileOperation):
    """Reads without waiting; the result is None if that is impossible."""

    __slots__ = ("_size",)

    def __init__(self, file: FileState, size: int) -> None:
        self.begin(file)
        self._size = size

    def attempt(self) -> bool:
        """Try, once."""
        if self._file.fd < 0:
            return self.fail(closed_error())
        try:
            self.result = self.read_now(self._size)
        except OSError as exc:
            return self.fail(exc)
        return True


class WriteNow(FileOperation):
    """Writes without waiting; the result is None if that is impossible."""

    __slots__ = ("_data", "_start")

    def __init__(self, file: FileState, data: Any, start: int) -> None:
        self.begin(file)
        self._data = data
        self._start = start

    def attempt(self) -> bool:
        """Try, once."""
        file = self._file
        while True:
            if file.fd < 0:
                return self.fail(closed_error())
            try:
                count = nowait.write_now(file.fd, self._data, self._start, file.how)
            except OSError as exc:
                if file.how != nowait.NOWAIT or exc.errno not in UNKNOWN:
                    return self.fail(exc)
                file.refused()
                continue
            if count >= 0:
                self.spend(count >> nowait.LARGE_SHIFT)
                self.result = count
            return True


class Read(FileOperation):
    """Reads from the buffer or the page cache; the result is None if they lack the data."""

    __slots__ = ("_size",)

    what = "AsyncFile.read()"

    def __init__(self, file: FileState, size: int) -> None:
        self.begin(file)
        self._size = size

    def attempt(self) -> bool:
        """Read all `size` bytes, or leave the file as if nothing had been read."""
        file = self._file
        if file.closed:
            return self.fail(closed_error())
        size = self._size
        if file.locked or file.pending_size or size <= 0 or not file.readable:
            return True
        try:
            self.result = self._from_buffer(size) if file.unread() else self._from_system(size)
        except OSError as exc:
            return self.fail(exc)
        return True

    def _from_buffer(self, size: int) -> bytes | None:
        file = self._file
        end = file.at + size
        if end > len(file.ahead):
            return None
        data = file.ahead[file.at : end]
        file.at = end
        return data

    def _from_system(self, size: int) -> bytes | None:
        file = self._file
        if size < file.direct:
            data = self.read_now(file.fill)
            if data is None or len(data) <= size:
                return self._if_complete(data, size)
            file.ahead = data
            file.at = size
            return data[:size]
        return self._if_complete(self.read_now(min(size, nowait.MOST)), size)

    def _if_complete(self, data: bytes | None, size: int) -> bytes | None:
        """Complete data to `size` bytes or the end of the file; else put it into the buffer."""
        file = self._file
        while data and len(data) < size and not file.stepwise:
            file.ahead = data  # nothing is lost if it fails now
            file.at = 0
            more = None if file.pollable else self.read_now(min(size - len(data), nowait.MOST))
            if more is None:
                return None
            file.ahead = b""
            if not more:
                return data
            data += more
        return data


class RingCall(Operation):
    """Submits a request to io_uring; its result is that of the operation."""

    __slots__ = ("_asked", "_name", "_path", "_request", "_ring", "_waits")

    def __init__(
        self, kernel: Kernel, ring: Ring, request: Request, name: str, path: Any = None
    ) -> None:
        self.prepare(kernel)
        self._ring: Any = ring
        self._request: Any = request
        self._name = name
        # The file's name, for errors.
        self._path = path
        # Whether its cancellation was requested, and whether it counts as in flight.
        self._asked = False
        self._waits = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """Name of the operation in messages."""
        return self._name

    def advance(self) -> bool:
        """See `Operation.advance`; a completed request may have failed."""
        if self.state == constants.GRANTED:
            return self._settle()
        return Operation.advance(self)

    def attempt(self) -> bool:
        """Submit the request, or take its result if the cancellation was withdrawn."""
        request = self._request
        if request.under_way:
            return False
        while not request.done or -request.outcome in CANCELLED:
            self._asked = False
            try:
                self._ring.submit(request, self)
            except OSError as exc:
                return self.fail(exc)
            if request.under_way:
                self._count(True)
                return False
        return self._settle()

    def _settle(self) -> bool:
        request = self._request
        if request.outcome >= 0:
            if not request.opens:  # else it is no number of bytes
                self.spend(request.outcome >> nowait.LARGE_SHIFT)
            self.result = request.value()
            self.state = constants.DONE
            return True
        number = -request.outcome
        text = os.strerror(number)
        error = OSError(number, text) if self._path is None else OSError(number, text, self._path)
        return self.fail(error)

    def _ready(self) -> None:
        """The request has completed; called by the ring."""
        self._count(False)
        if -self._request.outcome in CANCELLED:
            Operation._ready(self)
        else:  # it succeeded, even if its cancellation was requested
            self.grant(None)

    def _count(self, waits: bool) -> None:
        """Tell the kernel whether the request is in flight."""
        kernel = self.kernel
        if kernel is not None and waits != self._waits:
            self._waits = waits
            kernel._idle.in_flight += 1 if waits else -1

    def abort(self) -> bool:
        """Request the cancellation; its completion will tell the outcome."""
        if not self._request.under_way:
            return True
        if not self._asked:
            self._asked = True
            self._ring.cancel(self._request)
        return False

    def close(self) -> None:
        """The coroutine is closed: abandon a request that may be under way."""
        if self.state != constants.DONE:
            self.state = constants.DONE
            self._count(False)
            self._request.abandon()
            self._ring.cancel(self._request)
