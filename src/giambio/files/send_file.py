"""`send_file`: a file's data, sent on a stream.

On a socket the system moves what it has in its page cache, by `sendfile`. What it would have to
read from a disk first, and what goes through TLS or another stream, is read here, by the routes
that files have, and sent.
"""

from __future__ import annotations

import io
import os
import stat
from functools import partial
from typing import Any

from giambio.arguments import check_int
from giambio.files.async_file import AsyncFile
from giambio.files.binary_file import BinaryFile
from giambio.files.file_routes import READS, counts, switch
from giambio.files.file_syscalls import call
from giambio.kernel.operation import current_kernel
from giambio.net.sendfile import SENDFILE_PIECE, SendFile, break_off
from giambio.net.socket import AsyncSocket
from giambio.streams.abc import SendStream
from giambio.streams.budget import spend_budget

__all__ = ["send_file"]

#: Python's file objects whose bytes are those of their descriptor.
PLAIN = (io.FileIO, io.BufferedReader, io.BufferedRandom)


async def send_file(
    stream: SendStream, file: Any, offset: int = 0, count: int | None = None
) -> int:
    """Send a file's data, or a part of it, on a stream.

    Parameters:
        stream: an `AsyncSocket`, a `TLSStream`, or any other `SendStream`.
        file: a binary file on a disk: an `AsyncFile` of `open_file`, or a file object of Python's
            own `open`. Its position is neither used nor changed.
        offset: where to begin, in bytes; the beginning by default.
        count: the most to send, in bytes; up to the end of the file by default.

    Returns:
        The number of bytes that were sent; less than `count` only at the end of the file.

    On a socket the system sends what is in its page cache (``sendfile``), without a copy. Other
    data is read first, by the routes of files (see `build_info`), so no disk holds up the loop.
    What a Python file object has buffered for writing is not seen: flush it before.

    Raises:
        TypeError: `stream` or `file` is no such thing, or a parameter not a whole number.
        ValueError: `offset` or `count` is negative, or `file` is a pipe or the like.
        OSError: the file cannot be read.
        RuntimeError: a thread would be needed, and the loop has none.
        BusyResourceError, ClosedResourceError, BrokenResourceError,
        CancelledError: see `SendStream.send_all`.

    A checkpoint. Cancelled, a part may have been sent; then further sends on a socket or a
    `TLSStream` raise `BrokenResourceError`, also if reading has failed half-way.

    Example:
        >>> import giambio, os, tempfile
        >>> async def main(path):
        ...     left, right = giambio.socketpair()
        ...     async with left, right, giambio.open_file(path, "wb+") as file:
        ...         await file.write(b"hello, world")
        ...         print(await giambio.send_file(left, file, offset=7))
        ...         return await right.receive()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     giambio.run(main, os.path.join(folder, "notes"))
        5
        b'world'
    """
    check_int("send_file()", "offset", offset, 0)
    if count is not None:
        check_int("send_file()", "count", count, 0)
    if not isinstance(stream, SendStream):
        raise TypeError(f"send_file() needs a stream to send on, such as a socket, not {stream!r}")
    number = descriptor_of(file)
    await spend_budget()
    if isinstance(file, AsyncFile) and file.writable():
        await file.flush()
    # One of our own: the file may be closed meanwhile.
    fd = os.dup(number)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(
                f"send_file() needs a file on a disk, not {file!r}; pass on what receive() returns "
                "from it"
            )
        end = status.st_size if count is None else min(status.st_size, offset + count)
        return await send_part(stream, fd, offset, end)
    finally:
        os.close(fd)


async def send_part(stream: SendStream, fd: int, begin: int, end: int) -> int:
    """Send the bytes of a descriptor from `begin` to `end`; return how many there were."""
    at = begin
    try:
        while at < end:
            if isinstance(stream, AsyncSocket) and hasattr(os, "sendfile") and switch.page_cache:
                at += await SendFile(stream, fd, at, end)
            if at < end:
                data = await read_at(fd, at, min(SENDFILE_PIECE, end - at))
                if not data:  # the file has become shorter
                    break
                await stream.send_all(data)
                at += len(data)
    except BaseException:
        if at > begin:
            leave_half_sent(stream)
        raise
    return at - begin


async def read_at(fd: int, offset: int, size: int) -> bytes:
    """Read at an offset, on the spot if possible."""
    data = read_cached(fd, offset, size)
    if data is not None:
        counts["page cache"][READS] += 1
        return data
    return await call(
        current_kernel(),
        "reading a file",
        lambda ring: ring.read(fd, size, offset),
        partial(os.pread, fd, size, offset),
        kind=READS,
    )


def read_cached(fd: int, offset: int, size: int) -> bytes | None:
    """Read what is in the page cache; None if that is nothing, or not to be known."""
    if not (switch.page_cache and hasattr(os, "RWF_NOWAIT")):
        return None
    data = bytearray(size)
    try:
        read = os.preadv(fd, [data], offset, os.RWF_NOWAIT)
    except OSError:  # it has to be waited for, or the file system cannot tell
        return None
    return bytes(memoryview(data)[:read])


def descriptor_of(file: Any) -> int:
    """Return the descriptor whose bytes are those of the file.

    Raises:
        TypeError: there is none.
    """
    if isinstance(file, AsyncFile):
        plain = isinstance(file._file, BinaryFile)
    else:
        file = getattr(file, "file", file)  # of `tempfile`
        plain = isinstance(file, PLAIN)
    if not plain:
        raise TypeError(
            f"send_file() needs a binary file on a disk, such as open_file(path, 'rb'), not "
            f"{file!r}; read others, and send_all() the data"
        )
    number: int = file.fileno()
    return number


def leave_half_sent(stream: SendStream) -> None:
    """Let nothing follow on a stream where a part is missing."""
    if isinstance(stream, AsyncSocket):
        break_off(stream)
    elif hasattr(stream, "_half_sent"):  # a `TLSStream`, whose module need not be loaded
        stream._half_sent = True
