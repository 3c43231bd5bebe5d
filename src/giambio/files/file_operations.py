"""The operations that files are built of: each of them is one step, and is compiled.

`Read` is what a program does most: if the data is in the buffer or in the page
cache it is done on the spot, and else it says so. `RingCall` waits for io_uring, by
the rule for what cannot be withdrawn at once: cancelled, it asks the system to
cancel and goes on waiting for the answer, which may be that it came too late.
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

#: What a kernel, a file system or a container answers that does not know `RWF_NOWAIT`.
UNKNOWN = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM)
#: What a request ends with that was cancelled, or has to be made again for another reason.
CANCELLED = (errno.ECANCELED, errno.EINTR)


class AcquireFile(QueuedOperation):
    """Waits for one's turn with something that one task can use at a time."""

    __slots__ = ("_closing", "_lock")

    what = "a file operation"

    def __init__(self, lock: OperationLock, closing: bool = False) -> None:
        self.prepare_queued()
        self.kernel = lock.kernel
        self._lock = lock
        self._closing = closing

    def attempt(self) -> bool:
        """Take it, or stand in line."""
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
    """Opens what can be opened without waiting; its result is -1 if that cannot."""

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
    """What the operations on a descriptor have in common."""

    __slots__ = ("_file",)

    what = "a file operation"

    def begin(self, file: FileState) -> None:
        """The constructor's work."""
        self.prepare(file.kernel)
        self._file = file

    def read_now(self, size: int) -> bytes | None:
        """Read what can be read without waiting; None if nothing can."""
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
    """Reads what can be read without waiting; None if nothing can."""

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
    """Writes what can be written without waiting; its result is None if nothing can."""

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
    """Reads from the buffer or the page cache. None if that is not enough to be sure."""

    __slots__ = ("_size",)

    what = "AsyncFile.read()"

    def __init__(self, file: FileState, size: int) -> None:
        self.begin(file)
        self._size = size

    def attempt(self) -> bool:
        """Read all that was asked for, or leave the file as if nothing had been read."""
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
        """Data of at most the size, if it is all there is; what is not goes into the buffer."""
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
    """One request to io_uring. Its result is what came of it."""

    __slots__ = ("_asked", "_name", "_path", "_request", "_ring", "_waits")

    def __init__(
        self, kernel: Kernel, ring: Ring, request: Request, name: str, path: Any = None
    ) -> None:
        self.prepare(kernel)
        self._ring: Any = ring
        self._request: Any = request
        self._name = name
        # The file's name, for errors that are about it.
        self._path = path
        # Whether it is to be cancelled, and whether it counts as in flight.
        self._asked = False
        self._waits = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return self._name

    def advance(self) -> bool:
        """See `Operation.advance`; what is done may have failed."""
        if self.state == constants.GRANTED:
            return self._settle()
        return Operation.advance(self)

    def attempt(self) -> bool:
        """Begin it; or look what came of it, if the cancellation was taken back."""
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
        """The ring says that the request is done."""
        self._count(False)
        if -self._request.outcome in CANCELLED:
            Operation._ready(self)
        else:  # it has happened, whatever was asked for meanwhile
            self.grant(None)

    def _count(self, waits: bool) -> None:
        """Tell the kernel that something of ours is in flight, or is so no more."""
        kernel = self.kernel
        if kernel is not None and waits != self._waits:
            self._waits = waits
            kernel._idle.in_flight += 1 if waits else -1

    def abort(self) -> bool:
        """Ask for it to be cancelled; only its completion tells what came of that."""
        if not self._request.under_way:
            return True
        if not self._asked:
            self._asked = True
            self._ring.cancel(self._request)
        return False

    def close(self) -> None:
        """The coroutine is closed: nobody waits any more, but the request is under way."""
        if self.state != constants.DONE:
            self.state = constants.DONE
            self._count(False)
            self._request.abandon()
            self._ring.cancel(self._request)
