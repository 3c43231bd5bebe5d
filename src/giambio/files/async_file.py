"""Files, as their users see them: the standard file API, made async.

An `AsyncFile` is a façade. Behind it is one of three objects with the same methods:
the bytes of a file (`binary_file`), text over such bytes (`text_file`), or another library's
file object (`wrapped_file`). This module has the behaviour that they share: one task after
another has its turn, and closing happens in any case.
"""

from __future__ import annotations

import os
import typing
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from typing import Any, AnyStr, Generic, TypeVar

from giambio._build.sealed import final
from giambio.files.binary_file import BinaryFile
from giambio.files.file_state import FileState, Read, Seek, closed_error
from giambio.files.lines import Lines
from giambio.files.turn import Turn
from giambio.files.wrapped_file import WrappedFile
from giambio.kernel.blocks import refuse_with
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.operation import Closed
from giambio.net.wait_fd import end_watches
from giambio.streams.abc import ReceiveStream, SendStream
from giambio.tasks.cancel import CancelScope

__all__ = ["AsyncFile"]

T = TypeVar("T")


@typing.final  # for type checkers
class AsyncFile(ReceiveStream, SendStream, Generic[AnyStr]):
    """An open file; `open_file` makes one, and `wrap_file` does.

    It has the methods and attributes of Python's own file objects, and those that may
    have to wait are async. ``async with`` closes it, and ``async for`` gives its lines.
    Calls of several tasks are served one after another: the data of one `write` stays in
    one piece.

    Data in the system's cache is read on the spot, which costs little more than the
    system call. A call that would block goes through io_uring or a worker thread (see
    `build_info`); once that has begun, a cancelled task waits until it is done.

    Binary files are byte streams as well: `receive` and `send_all` make them fit
    wherever a `ReceiveStream` or a `SendStream` does.

    Dropped without being closed it closes itself, with a `ResourceWarning` that says
    where it was opened.

    Example:
        >>> import giambio, os, tempfile
        >>> async def main(path):
        ...     async with giambio.open_file(path, "w+") as file:
        ...         await file.write("one\\ntwo\\n")
        ...         await file.seek(0)
        ...         return [line async for line in file]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     giambio.run(main, os.path.join(folder, "notes"))
        ['one\\n', 'two\\n']
    """

    __slots__ = ("__weakref__", "_file")

    def __init__(self, file: Any = None) -> None:
        if not isinstance(file, (FileState, WrappedFile)):
            raise TypeError(
                "AsyncFile is made by giambio.open_file(), or by giambio.wrap_file() of a file "
                "that is open already"
            )
        # `BinaryFile`, `TextFile` or `WrappedFile`.
        self._file: Any = file

    # -- reading ----------------------------------------------------------------------

    async def read(self, size: int | None = -1) -> AnyStr:
        """Read from the file, to its end by default.

        Parameters:
            size: number of bytes or characters to read; None or negative for the
                rest of the file. An unbuffered file returns the result of one system
                call, which may be less.

        Returns:
            The data; fewer than `size` only at the end of the file, and nothing
            (``b""`` or ``""``) when the end was reached before.

        Raises:
            TypeError: `size` is no whole number.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResourceError: it is closed.
            UnicodeDecodeError: it is no text in its encoding.
            OSError: the system refuses.
            RuntimeError: a thread would be needed, and the loop has none.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing is lost: the next read gives it.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w+") as file:
            ...         await file.write("hello")
            ...         await file.seek(0)
            ...         return await file.read(4), await file.read()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            ('hell', 'o')
        """
        size = count("read()", size)
        file = self._file
        if type(file) is BinaryFile:
            data: Any = await Read(file, size)
            if data is not None:
                return data  # type: ignore[no-any-return]
        return await self._locked(file.read, size)

    async def readline(self, size: int | None = -1) -> AnyStr:
        """Read a line, with its end.

        Parameters:
            size: the most to read of it, in bytes or characters; no limit by default.

        Returns:
            The line; nothing (``b""`` or ``""``) at the end of the file.

        Raises:
            TypeError, io.UnsupportedOperation, ClosedResourceError, UnicodeDecodeError,
            OSError, RuntimeError, CancelledError: see `read`.

        A checkpoint. Cancelled, nothing is lost.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w+") as file:
            ...         await file.write("one\\ntwo\\n")
            ...         await file.seek(0)
            ...         return await file.readline()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            'one\\n'
        """
        return await self._locked(self._file.readline, count("readline()", size))

    async def readlines(self, hint: int | None = -1) -> list[AnyStr]:
        """Read lines, to the end of the file by default.

        Parameters:
            hint: stop after the line with which more bytes or characters are read than that.

        Returns:
            A list of lines, each with its end.

        Raises:
            TypeError, io.UnsupportedOperation, ClosedResourceError, UnicodeDecodeError,
            OSError, RuntimeError, CancelledError: see `read`.

        A checkpoint. Cancelled, nothing is lost.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w+") as file:
            ...         await file.writelines(["one\\n", "two\\n"])
            ...         await file.seek(0)
            ...         return await file.readlines()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            ['one\\n', 'two\\n']
        """
        return await self._locked(self._file.readlines, count("readlines()", hint))

    async def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer, until it is full or the file ends.

        Parameters:
            buffer: anything writable: a `bytearray`, a `memoryview`, an array.

        Returns:
            The number of bytes; fewer than fit only at the end of the file.

        Raises:
            TypeError: the buffer is not writable, or is none at all.
            io.UnsupportedOperation: it is a text file, or not open for reading.
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `read`.

        A checkpoint. Cancelled, the buffer is as it was, and nothing is lost.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "wb+") as file:
            ...         await file.write(b"hello")
            ...         await file.seek(0)
            ...         buffer = bytearray(4)
            ...         return await file.readinto(buffer), buffer
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            (4, bytearray(b'hell'))
        """
        if memoryview(buffer).readonly:
            raise TypeError(f"readinto() needs a writable buffer, not {type(buffer).__name__}")
        return await self._locked(self._file.readinto, buffer)

    async def receive(self, max_size: int = 65536) -> bytes:
        """Read the available bytes, and wait if there are none, as a `ReceiveStream` does.

        Parameters:
            max_size: the most to return, in bytes; 65536 by default.

        Returns:
            The bytes; ``b""`` at the end.

        Raises:
            TypeError, ValueError: `max_size` is not a number from 1 up.
            io.UnsupportedOperation: it is a text file, or not open for reading.
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `read`.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "wb+") as file:
            ...         await file.send_all(b"hello")
            ...         await file.seek(0)
            ...         return await file.receive(), await file.receive()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            (b'hello', b'')
        """
        if count("receive()", max_size) < 1:
            raise ValueError(f"receive() needs a number of bytes from 1 up, not {max_size!r}")
        return await self._locked(self._file.receive, max_size)

    def __aiter__(self) -> AsyncIterator[AnyStr]:
        return self if isinstance(self._file, WrappedFile) else Lines(self._file, self.__anext__)

    async def __anext__(self) -> AnyStr:
        line = await self._locked(self._file.readline, -1)
        if not line:
            raise StopAsyncIteration
        return line  # type: ignore[no-any-return]

    # -- writing ----------------------------------------------------------------------

    async def write(self, data: Any) -> int:
        """Write to the file.

        It is taken into a buffer first, unless it is larger than that, and goes to the
        system when the buffer is full, at `flush` and at `close`.

        Parameters:
            data: a `str` for a text file, and for a binary one any bytes-like object.

        Returns:
            The number of bytes or characters that were taken: all of them, unless the
            file is unbuffered.

        Raises:
            TypeError: it is data of another kind.
            io.UnsupportedOperation: the file is not open for writing.
            ClosedResourceError: it is closed.
            UnicodeEncodeError: the text cannot be put into the file's encoding.
            OSError: the system refuses, for instance because the disk is full. Data that
                was taken earlier is kept, and tried again at the next `flush` or `close`.
            RuntimeError: a thread would be needed, and the loop has none.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled or failed, nothing of `data` was written; but if it is
        larger than the buffer (65536 bytes by default), a first part may have been.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w") as file:
            ...         return await file.write("hello")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            5
        """
        return await self._locked(self._file.write, data)

    async def writelines(self, lines: Iterable[Any]) -> None:
        """Write several pieces; no other task writes in between.

        Parameters:
            lines: an iterable of data for `write`. No line ends are added.

        Raises:
            TypeError, io.UnsupportedOperation, ClosedResourceError, UnicodeEncodeError,
            OSError, RuntimeError, CancelledError: see `write`.

        A checkpoint. Cancelled or failed, a first part may have been written.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w") as file:
            ...         await file.writelines(["one\\n", "two\\n"])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
        """
        await self._locked(self._writelines, lines)

    async def _writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            await self._file.write(line)

    async def send_all(self, data: Any) -> None:
        """Write and flush: a binary file as a `SendStream`.

        Parameters:
            data: any bytes-like object.

        Raises:
            TypeError: it is not bytes-like.
            io.UnsupportedOperation: it is a text file, or not open for writing.
            BrokenResourceError: nobody reads from this pipe any more.
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `write`.

        A checkpoint. Cancelled, a part may have been written; the rest is kept, and
        written before anything else is.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "wb") as file:
            ...         await file.send_all(b"hello")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
        """
        await self._locked(self._file.send_all, data)

    async def flush(self) -> None:
        """Hand all that was taken for writing to the system.

        Raises:
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `write`.

        A checkpoint. Cancelled or failed, data that was not written is kept.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w") as file:
            ...         await file.write("hello")
            ...         await file.flush()
            ...         return os.path.getsize(path)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            5
        """
        await self._locked(self._file.flush)

    async def fsync(self) -> None:
        """Flush, and have the system write the file to the disk: `os.fsync`.

        Raises:
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `write`.

        A checkpoint. Cancelled, it may have happened or not.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w") as file:
            ...         await file.write("hello")
            ...         await file.fsync()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
        """
        await self._locked(self._file.fsync)

    async def truncate(self, size: int | None = None) -> int:
        """Cut the file off, or enlarge it with zeros. The position stays.

        Parameters:
            size: the new size in bytes; by default, where we are.

        Returns:
            The new size.

        Raises:
            io.UnsupportedOperation: the file is not open for writing.
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `write`.

        A checkpoint. Cancelled, it has not happened.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w") as file:
            ...         await file.write("hello")
            ...         return await file.truncate(4)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            4
        """
        return await self._locked(self._file.truncate, size)

    # -- the position -----------------------------------------------------------------

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place in the file.

        Parameters:
            offset: in bytes. In a text file, only a result of `tell`, or zero.
            whence: from where it is counted: `os.SEEK_SET` (0, the beginning),
                `os.SEEK_CUR` (1, here) or `os.SEEK_END` (2, the end).

        Returns:
            The new position.

        Raises:
            ValueError: `whence` is another number.
            io.UnsupportedOperation: text cannot be sought in this way.
            ClosedResourceError, OSError, RuntimeError, CancelledError: see `write`.

        A checkpoint. Cancelled, we are where we were.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "wb") as file:
            ...         await file.write(b"hello")
            ...         return await file.seek(-1, os.SEEK_END)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            4
        """
        file = self._file
        if type(file) is BinaryFile and type(offset) is int and whence == os.SEEK_SET:
            place: Any = await Seek(file, offset)
            if place is not None:
                return place  # type: ignore[no-any-return]
        return await self._locked(file.seek, offset, whence)

    async def tell(self) -> int:
        """Where we are in the file: in bytes; for text it is only good for `seek`.

        Raises:
            ClosedResourceError: the file is closed.
            OSError: it has no position; a pipe has none.
            CancelledError: the task is in a cancelled scope.

        A checkpoint.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "wb") as file:
            ...         await file.write(b"hello")
            ...         return await file.tell()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            5
        """
        return await self._locked(self._file.tell)

    # -- closing ----------------------------------------------------------------------

    def close(self) -> Awaitable[None]:
        """Flush and close the file. Await it after writing. Closing twice is harmless.

        Raises:
            OSError: buffered data could not be written; a note says how much of it.
                The file is closed then.
            CancelledError: the task is in a cancelled scope. The file is closed then,
                and flushed, unless it is a pipe or a terminal that takes nothing.

        Awaited, a checkpoint. Without an ``await`` the file is closed there and then; a
        `RuntimeWarning` says so if data had to be written, because that may block, and
        nobody gets its errors. A task that reads from a pipe meanwhile gets a
        `ClosedResourceError`.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     file = await giambio.open_file(path, "w")
            ...     await file.close()
            ...     return file.closed
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            True
        """
        file = self._file
        if file.pollable and not file.closed:
            file.closed = True  # no task need wait for it any longer
            end_watches(file.kernel._driver, file.fd)
        if file.turns.current is None and file.closes_at_once():
            file.close_now()
            return Closed()
        return Closing(self)

    def close_now(self) -> None:
        """Flush and close without waiting for a turn. It may block."""
        self._file.close_now()

    async def _close(self) -> None:
        file = self._file
        turn = Turn(file.kernel, file.turns)
        try:
            with CancelScope(shield=True):
                await turn
            try:
                if file.is_open():
                    await file.close()
            finally:
                file.closed = True
        finally:
            turn.end()
        await checkpoint_if_cancelled()

    def __aexit__(self, exc_type: Any, exc: Any, traceback: Any) -> Awaitable[None]:
        # A block that ends well needs no `Closing`, which warns of being forgotten.
        return self._close() if exc is None else super().__aexit__(exc_type, exc, traceback)

    __enter__ = __exit__ = refuse_with

    def __del__(self) -> None:
        try:
            file = self._file
        except AttributeError:  # its constructor was called with the wrong arguments
            return
        if file.fd >= 0:
            problem = f"{self!r} opened at {file.made_at} was dropped without being closed"
            try:
                self.close_now()
            finally:  # only then, because the warning may be an error
                warnings.warn(problem, ResourceWarning, stacklevel=2, source=None)

    # -- attributes -------------------------------------------------------------------

    @property
    def name(self) -> Any:
        """The path that was opened, as a string or bytes, or a descriptor's number."""
        return self._file.name

    @property
    def mode(self) -> str:
        """The mode in which it was opened."""
        return self._file.mode  # type: ignore[no-any-return]

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._file.closed or not self._file.is_open()

    @property
    def encoding(self) -> str | None:
        """The encoding of a text file; None for a binary one."""
        return getattr(self._file, "encoding", None)

    @property
    def errors(self) -> str | None:
        """How encoding errors are handled in a text file; None for a binary one."""
        return getattr(self._file, "errors", None)

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The kinds of line ends that a text file was seen to have; None if not known."""
        return getattr(self._file, "newlines", None)

    def fileno(self) -> int:
        """The descriptor. Other users of it do not see the data in our buffers.

        Raises:
            ClosedResourceError: the file is closed.
            OSError: it has none.

        Not a checkpoint.

        Example:
            >>> import giambio, os, tempfile
            >>> async def main(path):
            ...     async with giambio.open_file(path, "w") as file:
            ...         return os.fstat(file.fileno()).st_size
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     giambio.run(main, os.path.join(folder, "notes"))
            0
        """
        return self._asked("fileno")  # type: ignore[no-any-return]

    def isatty(self) -> bool:
        """Tell whether it is a terminal. Not a checkpoint.

        Raises:
            ClosedResourceError: the file is closed.
        """
        return self._asked("isatty")  # type: ignore[no-any-return]

    def readable(self) -> bool:
        """Tell whether it can be read from. Not a checkpoint.

        Raises:
            ClosedResourceError: the file is closed.
        """
        return self._asked("readable")  # type: ignore[no-any-return]

    def writable(self) -> bool:
        """Tell whether it can be written to. Not a checkpoint.

        Raises:
            ClosedResourceError: the file is closed.
        """
        return self._asked("writable")  # type: ignore[no-any-return]

    def seekable(self) -> bool:
        """Tell whether it has a position that can be changed. Not a checkpoint.

        Raises:
            ClosedResourceError: the file is closed.
        """
        return self._asked("seekable")  # type: ignore[no-any-return]

    def _asked(self, what: str) -> Any:
        if self.closed:
            raise closed_error()
        return getattr(self._file, what)()

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<giambio.AsyncFile {self.name!r} mode {self.mode!r}{state}>"

    async def _locked(self, method: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call a method while no other task uses the file."""
        file = self._file
        turn = Turn(file.kernel, file.turns)
        try:
            await turn
            if file.closed:
                raise closed_error()
            return await method(*args)
        finally:
            turn.end()


final(AsyncFile)


class Closing:
    """The result of a `close` that may have to wait; not awaited, it closes all the same."""

    __slots__ = ("_file",)

    def __init__(self, file: AsyncFile[Any]) -> None:
        self._file: AsyncFile[Any] | None = file

    def __await__(self) -> Generator[Any, Any, None]:
        file = self._file
        self._file = None
        if file is None:
            raise RuntimeError("this close() was awaited already; call it again to do it again")
        return file._close().__await__()

    def __del__(self) -> None:
        file = self._file
        if file is None or (file.closed and file._file.fd < 0):
            return
        problem = (
            f"close() of {file!r} was never awaited: its data was written at once, which may block"
        )
        writes = file._file.writes_to_close()
        try:
            file.close_now()
        finally:  # only then, because the warning may be an error
            if writes:
                warnings.warn(problem, RuntimeWarning, stacklevel=2, source=None)


def count(what: str, size: Any) -> int:
    """A number of bytes or characters; None stands for "all"."""
    if size is None:
        return -1
    if not isinstance(size, int):
        raise TypeError(f"{what} needs a whole number, not {size!r}")
    return size
