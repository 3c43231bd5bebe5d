"""A binary file: `io.BufferedReader` and `io.BufferedWriter`, over async system calls.

The read-ahead and the write buffer are consistent at every ``await``: a cancellation or
an error there loses no byte that was read, and data that was accepted for writing is
kept until it is written. The caller has its turn.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from giambio.drivers import nowait
from giambio.errors import BrokenResourceError, ClosedResourceError
from giambio.files.file_routes import OTHERS, READS, counts, ring_of
from giambio.files.file_state import FileState, closed_error
from giambio.files.file_syscalls import call
from giambio.files.ring_call import RingCall
from giambio.kernel.operation import Operation
from giambio.net.wait_fd import wait_readable, wait_writable
from giambio.streams.budget import spend_budget
from giambio.tasks.cancel import CancelScope

__all__ = ["BinaryFile"]

#: The most that a thread is asked to read, which holds up nobody but a cancelled task.
LARGEST_READ = 16 * nowait.MOST


class BinaryFile(FileState):
    """The methods of a binary file, for the task that has its turn."""

    __slots__ = ()

    # -- reading ----------------------------------------------------------------------

    async def read(self, size: int) -> bytes:
        """Read `size` bytes, or all if negative; fewer only at the end."""
        await self._begin_reading()
        if not self.buffer and size > 0:
            return self.take(size) if self.unread() else await self._read_some(size)
        left = size
        pieces: list[bytes] = []
        try:
            while left and (piece := await self._piece(left)):
                pieces.append(piece)
                left -= len(piece)
        except BaseException:
            self.put(b"".join(pieces) + self.take(-1))
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _piece(self, size: int) -> bytes:
        """Take at most `size` bytes (negative: any number), as cheaply as possible."""
        if not self.unread():
            if size < 0:
                return await self._read_some(LARGEST_READ)
            if size >= self.direct:
                return await self._read_some(size)
            await self._fill()
        return self.take(size)

    async def receive(self, size: int) -> bytes:
        """Read the available bytes, at most `size`; wait only if there are none."""
        await self._begin_reading()
        return self.take(size) if self.unread() else await self._read_some(size)

    async def readline(self, size: int) -> bytes:
        """Read a line; at most `size` bytes, unless negative."""
        await self._begin_reading()
        pieces: list[bytes] = []
        left = size
        try:
            while left and await self._fill():
                end = self.ahead.find(b"\n", self.at) + 1
                length = end - self.at if end else self.unread()
                piece = self.take(length if left < 0 else min(length, left))
                pieces.append(piece)
                left -= len(piece)
                if piece.endswith(b"\n"):
                    break
        except BaseException:
            self.put(b"".join(pieces) + self.take(-1))
            raise
        return b"".join(pieces)

    async def _fill(self) -> bool:
        """Read ahead, if nothing is left from the last time; False at the end of the file."""
        if not self.unread():
            self.put(await self._read_some(self.buffer or 1))
        return bool(self.ahead)

    async def readlines(self, hint: int) -> list[bytes]:
        """Read lines until they exceed `hint` bytes; all if it is not positive."""
        lines: list[bytes] = []
        total = 0
        try:
            while (hint <= 0 or total <= hint) and (line := await self.readline(-1)):
                lines.append(line)
                total += len(line)
        except BaseException:
            self.put(b"".join(lines) + self.take(-1))
            raise
        return lines

    async def readinto(self, buffer: Any) -> int:
        """Read into a buffer until it is full or the file ends; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    async def _begin_reading(self) -> None:
        if not self.can_read:
            raise io.UnsupportedOperation("not readable: this file was opened for writing only")
        await self.flush()

    # -- writing ----------------------------------------------------------------------

    async def write(self, data: Any) -> int:
        """Buffer data for writing; return the number of bytes, all of them if buffered.

        Room is made first, so a write that is cancelled or fails there has accepted
        nothing. Only one larger than the buffer may have written a part.
        """
        data = self._begin_writing("write", data)
        size = len(data)
        if not self.buffer:
            return await self._write_some(data, 0) if size else 0
        if len(self.pending) + size > self.limit:
            await self.flush()
        if size <= self.limit:
            self.pending += data
            return size
        written = 0
        while written < size:
            written += await self._write_some(data, written)
        return size

    async def flush(self, closing: bool = False) -> None:
        """Write the buffer to the system; on an error, the rest is kept."""
        data = bytes(self.pending)
        start = 0
        while start < len(data):
            count = await self._write_some(data, start, closing)
            del self.pending[:count]
            start += count

    async def send_all(self, data: Any) -> None:
        """Write and flush; cancelled, the rest is sent before anything else."""
        self.pending += self._begin_writing("send_all", data)
        try:
            await self.flush()
        except BrokenPipeError as exc:
            raise BrokenResourceError("nobody reads from this pipe any more") from exc

    async def fsync(self) -> None:
        """Flush, and write the file to the disk."""
        await self.flush()
        await self._call("syncing a file", os.fsync, request=lambda ring: ring.sync(self.fd))

    async def truncate(self, size: int | None) -> int:
        """Set the size of the file, by default to the position."""
        self._begin_writing("truncate")
        await self.flush()
        if size is None:
            size = self.position()
        await self._call("truncating a file", os.ftruncate, size)
        return size

    async def close(self) -> None:
        """Flush, and close in any case."""
        try:
            # A disk accepts data soon; a pipe may never do, so there a cancellation counts.
            with CancelScope(shield=not self.pollable):
                await self.flush(closing=True)
        except BaseException as exc:
            exc.add_note(f"{len(self.pending)} bytes for {self.name!r} were not written")
            raise
        finally:
            self.pending = bytearray()
            with CancelScope(shield=True):
                await self._close()

    async def _close(self) -> None:
        """Close the descriptor; the last one of a large deleted file frees its blocks first."""
        loop: Any = self.kernel
        ring = ring_of(loop)
        request = None
        try:
            if self.closes_at_once():
                pass
            elif ring is not None:
                counts["io_uring"][OTHERS] += 1
                request = ring.close_fd(self.fd, self.can_write)
                await RingCall(loop, ring, request, "closing a file")
            elif loop._threads:
                await call(loop, "closing a file", None, self.close_now)
        finally:
            if request is not None and (request.under_way or request.done):
                self.surrender()  # once submitted, it will be closed
            self.close_now()

    def _begin_writing(self, what: str, data: Any = b"") -> Any:
        """Move the file back to the reader's position; return data as contiguous bytes."""
        if not self.can_write:
            raise io.UnsupportedOperation(f"{what}: this file was opened for reading only")
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str': open the file as text")
        if not isinstance(data, bytes):
            view = memoryview(data)
            data = view.cast("B") if view.c_contiguous else view.tobytes()
        if self.can_seek and self.ahead:
            os.lseek(self.fd, -self.unread(), os.SEEK_CUR)
            self.put(b"")
        return data

    # -- its state --------------------------------------------------------------------

    def is_open(self) -> bool:
        """Whether the file is open."""
        return self.fd >= 0

    def fileno(self) -> int:
        """The descriptor."""
        return self.fd

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return os.isatty(self.fd)

    def readable(self) -> bool:
        """Whether the file is open for reading."""
        return self.can_read

    def writable(self) -> bool:
        """Whether the file is open for writing."""
        return self.can_write

    def seekable(self) -> bool:
        """Whether the file has a position."""
        return self.can_seek

    # -- the position -----------------------------------------------------------------

    async def tell(self) -> int:
        """See `AsyncFile.tell`."""
        return self.position()

    def position(self) -> int:
        """Offset of the next byte to read or write."""
        return self._offset() - self.unread() + len(self.pending)

    async def seek(self, offset: int, whence: int) -> int:
        """Seek, and return the new position."""
        await self.flush()
        if whence == os.SEEK_CUR:
            offset += self.position()
        elif whence == os.SEEK_END:
            status = await self._call(
                "seeking in a file", os.fstat, request=lambda ring: ring.stat(self.fd, None, True)
            )
            if stat.S_ISREG(status.st_mode):
                offset += status.st_size
            else:  # the size of a device is not in its status
                offset = os.lseek(self.fd, offset, os.SEEK_END)
                self.put(b"")
        elif whence != os.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        end = self._offset()
        start = end - len(self.ahead)
        if start <= offset <= end and self.ahead:
            self.at = offset - start
        else:
            os.lseek(self.fd, offset, os.SEEK_SET)
            self.put(b"")
        return offset

    def _offset(self) -> int:
        """Offset of the descriptor."""
        return os.lseek(self.fd, 0, os.SEEK_CUR)

    # -- system calls: without waiting if possible, then by the route there is -----------

    async def _read_some(self, size: int) -> bytes:
        """Read at most `size` bytes, and at least one before the end of the file."""
        await spend_budget()
        while (data := self.read_now(min(size, nowait.MOST))) is None and self.pollable:
            await self._ready(wait_readable)
        if data is not None:
            return data
        operation = self._call(
            "reading a file",
            os.read,
            min(size, LARGEST_READ),
            request=lambda ring: ring.read(self.fd, min(size, nowait.MOST), self._offset()),
            kind=READS,
        )
        read: bytes = await operation
        if isinstance(operation, RingCall):  # that leaves the position to us
            os.lseek(self.fd, len(read), os.SEEK_CUR)
        return read

    async def _write_some(self, data: Any, start: int, closing: bool = False) -> int:
        """Write some of the data from `start`, at least one byte; return their number."""
        if self.pollable:
            await spend_budget()
            while (count := self.write_now(data, start)) < 0:
                await self._ready(wait_writable, closing)
            return count
        # Appended data stays in one piece, also if others append to the same file.
        size = len(data) - start if self.appending else min(len(data) - start, nowait.MOST)
        operation = self._call(
            "writing a file",
            os.write,
            memoryview(data)[start : start + size],
            request=lambda ring: ring.write(self.fd, data, start, size, self._offset()),
        )
        written: int = await operation
        if isinstance(operation, RingCall):
            whence = os.SEEK_END if self.appending else os.SEEK_CUR
            os.lseek(self.fd, 0 if self.appending else written, whence)
        return written

    async def _ready(self, wait: Callable[[int], Awaitable[None]], closing: bool = False) -> None:
        """Wait until a pipe, a terminal or a socket is ready."""
        # Closing ends the waits, but the task may have yielded control before it came here.
        if self.closed and not closing:
            raise closed_error()
        try:
            await wait(self.fd)
        except ClosedResourceError:
            raise closed_error() from None

    def _call(
        self, what: str, function: Any, *args: Any, request: Any = None, kind: int = OTHERS
    ) -> Operation[Any]:
        """Call a function of the descriptor; see `call`."""
        return call(self.kernel, what, request, partial(self.in_thread, function, *args), kind=kind)
