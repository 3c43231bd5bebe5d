"""A binary file: `io.BufferedReader` and `io.BufferedWriter`, over async system calls.

The read-ahead and the write buffer are consistent at every ``await``: a cancellation or
an error there loses no byte that was read, and data that was accepted for writing is
kept until it is written. The caller holds the file's lock.
"""

from __future__ import annotations

import io
import os
from typing import Any

from giambio.errors import BrokenResourceError
from giambio.files.file_state import FileState
from giambio.files.file_syscalls import (
    LARGEST_READ,
    close_descriptor,
    position,
    read_some,
    size_of,
    sync,
    truncate,
    write_some,
)
from giambio.tasks.cancel import CancelScope

__all__ = ["BinaryFile"]


class BinaryFile(FileState):
    """The methods of a binary file, for the task that holds its lock."""

    __slots__ = ()

    # -- reading ----------------------------------------------------------------------

    async def read(self, size: int) -> bytes:
        """Read `size` bytes, or all if negative; fewer only at the end."""
        await self._begin_reading()
        if not self.buffer and size > 0:
            return await read_some(self, size)
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
                return await read_some(self, LARGEST_READ)
            if size >= self.direct:
                return await read_some(self, size)
            await self._fill()
        return self.take(size)

    async def receive(self, size: int) -> bytes:
        """Read the available bytes, at most `size`; wait only if there are none."""
        await self._begin_reading()
        return self.take(size) if self.unread() else await read_some(self, size)

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
            self.put(await read_some(self, self.buffer or 1))
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
            return await write_some(self, data, 0) if size else 0
        if len(self.pending) + size > self.limit:
            await self.flush()
        if size <= self.limit:
            self.pending += data
            return size
        written = 0
        while written < size:
            written += await write_some(self, data, written)
        return size

    async def flush(self) -> None:
        """Write the buffer to the system; on an error, the rest is kept."""
        data = bytes(self.pending)
        start = 0
        while start < len(data):
            count = await write_some(self, data, start)
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
        await sync(self)

    async def truncate(self, size: int | None) -> int:
        """Set the size of the file, by default to the position."""
        self._begin_writing("truncate")
        await self.flush()
        if size is None:
            size = self.position()
        await truncate(self, size)
        return size

    async def close(self) -> None:
        """Flush, and close in any case."""
        try:
            # A disk accepts data soon; a pipe may never do, so there a cancellation counts.
            with CancelScope(shield=not self.pollable):
                await self.flush()
        except BaseException as exc:
            exc.add_note(f"{len(self.pending)} bytes for {self.name!r} were not written")
            raise
        finally:
            self.pending = bytearray()
            with CancelScope(shield=True):
                await close_descriptor(self)

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
        return position(self) - self.unread() + len(self.pending)

    async def seek(self, offset: int, whence: int) -> int:
        """Seek, and return the new position."""
        await self.flush()
        if whence == os.SEEK_CUR:
            offset += self.position()
        elif whence == os.SEEK_END:
            offset += await size_of(self)
        elif whence != os.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        end = position(self)
        start = end - len(self.ahead)
        if start <= offset <= end and self.ahead:
            self.at = offset - start
        else:
            os.lseek(self.fd, offset, os.SEEK_SET)
            self.put(b"")
        return offset
