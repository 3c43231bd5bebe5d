"""Temporary files and folders, which are gone when their block is left.

The standard library's `tempfile` makes them, in a worker thread; what is done in the
files goes the same ways as in every other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any

from giambio._build.sealed import final
from giambio.files.async_file import AsyncFile
from giambio.files.file_syscalls import in_worker
from giambio.files.open import check, make_file, parse, wrap_file
from giambio.tasks.cancel import CancelScope

__all__ = ["NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "TemporaryFile"]


class TemporaryFile:
    """A temporary file without a name: ``async with giambio.TemporaryFile() as file:``

    Parameters:
        mode: see `open_file`; ``"w+b"`` by default.
        buffering, encoding, errors, newline: see `open_file`.
        suffix, prefix, dir: see `tempfile.TemporaryFile`.

    The block gives an `AsyncFile`; when it is left, the file is closed and gone.

    Raises:
        TypeError, ValueError: arguments that make no sense.
        OSError: on entering: the file cannot be made.
        RuntimeError: on entering: a thread is needed, and the loop has none.
        CancelledError: on entering: the task is in a cancelled scope.

    Entering and leaving the block are checkpoints. Cancelled, no file is left.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.TemporaryFile("w+") as file:
        ...         await file.write("hello")
        ...         await file.seek(0)
        ...         return await file.read()
        >>> giambio.run(main)
        'hello'
    """

    __slots__ = ("_file", "_make", "_mode", "_text")

    def __init__(
        self,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: str | os.PathLike[str] | None = None,
        *,
        errors: str | None = None,
    ) -> None:
        self._mode = parse(mode)
        buffering = check(self._mode, buffering, encoding, errors, newline)
        self._text = (buffering, encoding, errors, newline)
        self._make = (suffix, prefix, dir)
        self._file: AsyncFile[Any] | None = None

    async def __aenter__(self) -> AsyncFile[Any]:
        import tempfile

        suffix, prefix, folder = self._make
        made: Any = await in_worker(
            "making a temporary file",
            lambda: tempfile.TemporaryFile(  # noqa: SIM115  # its descriptor is taken out
                "w+b", 0, suffix=suffix, prefix=prefix, dir=folder
            ),
        )
        file = make_file(take_descriptor(made), "<temporary file>", self._mode, *self._text)
        self._file = file
        return file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            await self._file.__aexit__(exc_type, exc, traceback)


class NamedTemporaryFile:
    """A temporary file with a name: ``async with giambio.NamedTemporaryFile() as file:``

    Parameters:
        mode: see `open_file`; ``"w+b"`` by default.
        buffering, encoding, errors, newline: see `open_file`.
        suffix, prefix, dir: see `tempfile.NamedTemporaryFile`.
        delete: False keeps the file when the block is left.

    The block gives an `AsyncFile`, whose ``name`` is its path; when it is left, the
    file is closed and deleted.

    Raises:
        TypeError, ValueError: arguments that make no sense.
        OSError: on entering: the file cannot be made; on leaving: it cannot be deleted.
        RuntimeError: on entering: a thread is needed, and the loop has none.
        CancelledError: on entering: the task is in a cancelled scope.

    Entering and leaving the block are checkpoints. Cancelled, no file is left.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     async with giambio.NamedTemporaryFile(suffix=".txt") as file:
        ...         print(os.path.splitext(file.name)[1], os.path.exists(file.name))
        ...     print(os.path.exists(file.name))
        >>> giambio.run(main)
        .txt True
        False
    """

    __slots__ = ("_delete", "_file", "_make", "_mode", "_text")

    def __init__(
        self,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: str | os.PathLike[str] | None = None,
        delete: bool = True,
        *,
        errors: str | None = None,
    ) -> None:
        self._mode = parse(mode)
        buffering = check(self._mode, buffering, encoding, errors, newline)
        self._text = (buffering, encoding, errors, newline)
        self._make = (suffix, prefix, dir)
        self._delete = delete
        self._file: AsyncFile[Any] | None = None

    async def __aenter__(self) -> AsyncFile[Any]:
        made, name = await in_worker("making a temporary file", make_named, *self._make)
        file = make_file(take_descriptor(made), name, self._mode, *self._text)
        self._file = file
        return file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file = self._file
        if file is None:
            return
        try:
            await file.__aexit__(exc_type, exc, traceback)
        finally:
            if self._delete:
                await clean_up("deleting a temporary file", exc, os.unlink, file.name)


class SpooledTemporaryFile:
    """A temporary file that is in memory while it is small.

    Parameters:
        max_size: how many bytes it may have in memory; 0 means any number.
        mode: see `open_file`; ``"w+b"`` by default.
        buffering, encoding, errors, newline: see `open_file`.
        suffix, prefix, dir: see `tempfile.SpooledTemporaryFile`.

    ``async with giambio.SpooledTemporaryFile(...) as file:`` gives an `AsyncFile`. Once
    it has become larger it is on the disk, and each call is made in a worker thread.

    Raises:
        TypeError, ValueError: arguments that make no sense.
        CancelledError: on leaving: the task is in a cancelled scope.

    Leaving the block is a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.SpooledTemporaryFile(max_size=1000) as file:
        ...         await file.write(b"hello")
        ...         await file.seek(0)
        ...         return await file.read()
        >>> giambio.run(main)
        b'hello'
    """

    __slots__ = ("_file", "_options")

    def __init__(
        self,
        max_size: int = 0,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: str | os.PathLike[str] | None = None,
        *,
        errors: str | None = None,
    ) -> None:
        check(parse(mode), buffering, encoding, errors, newline)
        options = (max_size, mode, buffering, encoding, newline, suffix, prefix, dir)
        self._options: tuple[Any, Any] = (options, errors)
        self._file: AsyncFile[Any] | None = None

    async def __aenter__(self) -> AsyncFile[Any]:
        import tempfile

        options, errors = self._options
        made = tempfile.SpooledTemporaryFile(*options, errors=errors)  # noqa: SIM115  # see __aexit__
        self._file = wrap_file(made)
        return self._file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            await self._file.__aexit__(exc_type, exc, traceback)


class TemporaryDirectory:
    """A temporary folder: ``async with giambio.TemporaryDirectory() as folder:``

    Parameters:
        suffix, prefix, dir: see `tempfile.TemporaryDirectory`.
        ignore_cleanup_errors: True says nothing about what cannot be deleted.

    The block gives the folder's path, as a string; when it is left, the folder is
    deleted with all that is in it.

    Raises:
        OSError: on entering: it cannot be made; on leaving: it cannot be deleted.
        RuntimeError: on entering: a thread is needed, and the loop has none.
        CancelledError: on entering: the task is in a cancelled scope.

    Entering and leaving the block are checkpoints. Cancelled, no folder is left.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     async with giambio.TemporaryDirectory() as folder:
        ...         print(os.path.isdir(folder))
        ...     print(os.path.isdir(folder))
        >>> giambio.run(main)
        True
        False
    """

    __slots__ = ("_folder", "_ignore", "_make")

    def __init__(
        self,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: str | os.PathLike[str] | None = None,
        *,
        ignore_cleanup_errors: bool = False,
    ) -> None:
        self._make = (suffix, prefix, dir)
        self._ignore = ignore_cleanup_errors
        self._folder: Any = None

    async def __aenter__(self) -> str:
        import tempfile

        suffix, prefix, folder = self._make
        self._folder = await in_worker(
            "making a temporary folder",
            lambda: tempfile.TemporaryDirectory(
                suffix, prefix, folder, ignore_cleanup_errors=self._ignore
            ),
        )
        name: str = self._folder.name
        return name

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            await clean_up("deleting a temporary folder", exc, self._folder.cleanup)


for cls in (TemporaryFile, NamedTemporaryFile, SpooledTemporaryFile, TemporaryDirectory):
    final(cls)


def make_named(suffix: Any, prefix: Any, folder: Any) -> tuple[Any, str]:
    """Make a file with a name: it, and the name."""
    import tempfile

    fd, name = tempfile.mkstemp(suffix, prefix, folder)
    return open(fd, "r+b", buffering=0), name


def take_descriptor(file: Any) -> int:
    """Take the descriptor out of an unbuffered file object."""
    with file:
        return os.dup(file.fileno())


async def clean_up(
    what: str, exc: BaseException | None, function: Callable[..., None], *args: Any
) -> None:
    """Call a function that deletes something, in any case."""
    if isinstance(exc, GeneratorExit):  # the loop was interrupted: nobody may wait
        function(*args)
        return
    with CancelScope(shield=True):
        await in_worker(what, function, *args)
