"""A binary file: `io.BufferedReader` and `io.BufferedWriter`, over async system calls.

The read-ahead and the write buffer are in the `FileState`, and are consistent at every
``await``: a cancellation or an error there loses no byte that was read, and data that
was accepted for writing is kept until it is written. The caller holds the file's lock.
"""

from __future__ import annotations

import io
import os
from typing import Any

from giambio.drivers import nowait
from giambio.errors import BrokenResourceError
from giambio.files.file_state import FileState
from giambio.files.file_syscalls import (
    close_descriptor,
    read_some,
    size_of,
    sync,
    truncate,
    write_some,
)
from giambio.tasks.cancel import CancelScope

__all__ = ["BinaryFile"]


class BinaryFile:
    """The methods of a binary file, for the task that holds its lock."""

    __slots__ = ("_file",)

    def __init__(self, file: FileState) -> None:
        self._file = file

    # -- reading ----------------------------------------------------------------------

    async def read(self, size: int) -> bytes:
        """Read `size` bytes, or all if negative; fewer only at the end."""
        self._check_readable()
        file = self._file
        if size == 0:
            return b""
        await self.flush()
        if file.stepwise and size > 0:
            return await read_some(file, size)
        left = size
        pieces: list[bytes] = []
        try:
            while left:
                piece = await self._piece(left)
                if not piece:
                    break
                pieces.append(piece)
                left -= len(piece)
        except BaseException:
            file.put_ahead(b"".join(pieces))
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _piece(self, size: int) -> bytes:
        """Take at most `size` bytes (negative: any number), as cheaply as possible."""
        file = self._file
        if not file.unread():
            if size < 0:
                return await read_some(file, nowait.MOST)
            if size >= file.direct:
                return await read_some(file, size)
            await self.fill()
        return self._take(size if size >= 0 else file.unread())

    def _take(self, size: int) -> bytes:
        """Take at most `size` bytes from the read-ahead."""
        file = self._file
        if size >= file.unread():
            return file.take_ahead()
        data = file.ahead[file.at : file.at + size]
        file.at += size
        return data

    async def fill(self) -> bool:
        """Read ahead, if nothing is left from the last time.

        Returns:
            False at the end of the file.
        """
        file = self._file
        if not file.unread():
            file.ahead = await read_some(file, file.fill)
            file.at = 0
        return bool(file.ahead)

    async def receive(self, max_size: int) -> bytes:
        """See `AsyncFile.receive`."""
        return await self.read_available(max_size)

    async def read_available(self, size: int) -> bytes:
        """Read the available bytes, at most `size`; wait only if there are none."""
        self._check_readable()
        await self.flush()
        if self._file.unread():
            return self._take(size)
        return await read_some(self._file, size)

    async def readline(self, size: int) -> bytes:
        """Read a line; at most `size` bytes, unless negative."""
        self._check_readable()
        await self.flush()
        file = self._file
        pieces: list[bytes] = []
        left = size
        try:
            while left and await self.fill():
                end = file.ahead.find(b"\n", file.at) + 1
                length = (end or len(file.ahead)) - file.at
                if 0 <= left < length:
                    length = left
                piece = self._take(length)
                pieces.append(piece)
                left -= length if left > 0 else 0
                if piece.endswith(b"\n"):
                    break
        except BaseException:
            file.put_ahead(b"".join(pieces))
            raise
        return b"".join(pieces)

    async def readlines(self, hint: int) -> list[bytes]:
        """Read lines until they exceed `hint` bytes; all if it is not positive."""
        lines: list[bytes] = []
        total = 0
        try:
            while line := await self.readline(-1):
                lines.append(line)
                total += len(line)
                if 0 < hint < total:
                    break
        except BaseException:
            self._file.put_ahead(b"".join(lines))
            raise
        return lines

    async def readinto(self, buffer: Any) -> int:
        """Read into a buffer until it is full or the file ends; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _check_readable(self) -> None:
        if not self._file.readable:
            raise io.UnsupportedOperation("not readable: this file was opened for writing only")

    # -- writing ----------------------------------------------------------------------

    async def write(self, data: Any) -> int:
        """Buffer data for writing; return the number of bytes, all of them if buffered.

        Room is made first, so a write that is cancelled or fails there has accepted
        nothing. Only one larger than the buffer may have written a part.
        """
        file = self._file
        self._check_writable("write")
        data = as_bytes(data)
        size = len(data)
        if file.stepwise:
            return await write_some(file, data, 0) if size else 0
        self._forget_ahead()
        if file.pending_size + size > file.limit:
            await self.flush()
        if size <= file.limit:
            if size:
                file.pending.append(bytes(data))
                file.pending_size += size
            return size
        written = 0
        while written < size:
            written += await write_some(file, data, written)
        return size

    async def flush(self) -> None:
        """Write the buffer to the system; on an error, the rest is kept."""
        file = self._file
        while file.pending:
            data = file.pending[0] if len(file.pending) == 1 else b"".join(file.pending)
            file.pending = [data]
            count = await write_some(file, data, 0)
            file.pending_size -= count
            file.pending = [data[count:]] if count < len(data) else []

    async def send_all(self, data: Any) -> None:
        """Write and flush; cancelled, the rest is sent before anything else."""
        file = self._file
        self._check_writable("send_all")
        data = as_bytes(data)
        self._forget_ahead()
        if data:
            file.pending.append(bytes(data))
            file.pending_size += len(data)
        try:
            await self.flush()
        except BrokenPipeError as exc:
            raise BrokenResourceError("nobody reads from this pipe any more") from exc

    async def fsync(self) -> None:
        """Flush, and write the file to the disk."""
        await self.flush()
        await sync(self._file)

    async def truncate(self, size: int | None) -> int:
        """Set the size of the file, by default to the position."""
        self._check_writable("truncate")
        await self.flush()
        self._forget_ahead()
        if size is None:
            size = self.position()
        await truncate(self._file, size)
        return size

    async def close(self) -> None:
        """Flush, and close in any case."""
        file = self._file
        try:
            # A disk accepts data soon; a pipe may never do, so there a cancellation counts.
            with CancelScope(shield=not file.pollable):
                await self.flush()
        except BaseException as exc:
            exc.add_note(f"{file.pending_size} bytes for {file.name!r} were not written")
            raise
        finally:
            file.drop_pending()
            with CancelScope(shield=True):
                await close_descriptor(file)

    def close_now(self) -> None:
        """Close the file on the spot; this may block."""
        self._file.close_now()

    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._file.fd >= 0

    # -- what it is -------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor."""
        return self._file.fd

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return os.isatty(self._file.fd)

    def readable(self) -> bool:
        """Whether the file is open for reading."""
        return self._file.readable

    def writable(self) -> bool:
        """Whether the file is open for writing."""
        return self._file.writable

    def seekable(self) -> bool:
        """Whether the file has a position."""
        return self._file.seekable

    def _check_writable(self, what: str) -> None:
        if not self._file.writable:
            raise io.UnsupportedOperation(f"{what}: this file was opened for reading only")

    def _forget_ahead(self) -> None:
        """Drop the read-ahead, and move the file back to the reader's position."""
        file = self._file
        if file.seekable and file.ahead:
            if file.unread():
                os.lseek(file.fd, -file.unread(), os.SEEK_CUR)
            file.take_ahead()

    # -- the position -----------------------------------------------------------------

    async def tell(self) -> int:
        """See `AsyncFile.tell`."""
        return self.position()

    def position(self) -> int:
        """Offset of the next byte to read or write."""
        file = self._file
        return os.lseek(file.fd, 0, os.SEEK_CUR) - file.unread() + file.pending_size

    async def seek(self, offset: int, whence: int) -> int:
        """Seek, and return the new position."""
        file = self._file
        await self.flush()
        if whence == os.SEEK_CUR:
            offset += self.position()
        elif whence == os.SEEK_END:
            offset += await size_of(file)
        elif whence != os.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        end = os.lseek(file.fd, 0, os.SEEK_CUR)
        start = end - len(file.ahead)
        if start <= offset <= end and file.ahead:
            file.at = offset - start
        else:
            os.lseek(file.fd, offset, os.SEEK_SET)
            file.take_ahead()
        return offset


def as_bytes(data: Any) -> Any:
    """Return data as contiguous bytes, copied only if necessary."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not 'str': open the file as text")
    view = memoryview(data)
    return view.cast("B") if view.c_contiguous else view.tobytes()
