"""Temporary files and directories, deleted when their block is left.

The standard library's `tempfile` makes them, in a worker thread; the files are read and
written by the same routes as all others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from giambio._build.sealed import final
from giambio.files.async_file import AsyncFile
from giambio.files.file_syscalls import in_worker
from giambio.files.open import check, make_file, parse, wrap_file
from giambio.kernel.blocks import refuse_with
from giambio.tasks.cancel import CancelScope

__all__ = ["NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "TemporaryFile"]

AnyPath = str | os.PathLike[str] | None


class TemporaryBlock:
    """A block with a temporary file: made on entering, closed on leaving."""

    __slots__ = ("_file", "_mode", "_options", "_text")

    def __init__(
        self,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: AnyPath = None,
        *,
        errors: str | None = None,
    ) -> None:
        parse(mode)
        level = 3 if type(self) is TemporaryFile else 4  # the others call this by `super()`
        buffering = check(mode, buffering, encoding, errors, newline, level)
        self._mode = mode
        self._text = (buffering, encoding, errors, newline)
        self._options: dict[str, Any] = {"suffix": suffix, "prefix": prefix, "dir": dir}
        self._file: AsyncFile[Any] | None = None

    async def __aenter__(self) -> AsyncFile[Any]:
        with await in_worker("making a temporary file", self._create) as made:
            fd = os.dup(made.fileno())  # unbuffered: only its descriptor is used
            name = "<temporary file>" if isinstance(made.name, int) else made.name
        self._file = make_file(fd, name, self._mode, *self._text)
        return self._file

    async def __aexit__(self, *exc_info: Any) -> None:
        if self._file is not None:
            await self._file.__aexit__(*exc_info)

    __enter__ = __exit__ = refuse_with

    def _create(self) -> Any:
        """Create the file, in a thread: by the class of the same name in `tempfile`."""
        import tempfile

        return getattr(tempfile, type(self).__name__)("w+b", 0, **self._options)


class TemporaryFile(TemporaryBlock):
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

    __slots__ = ()


class NamedTemporaryFile(TemporaryBlock):
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

    __slots__ = ("_delete",)

    def __init__(
        self,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: AnyPath = None,
        delete: bool = True,
        *,
        errors: str | None = None,
    ) -> None:
        super().__init__(mode, buffering, encoding, newline, suffix, prefix, dir, errors=errors)
        self._options["delete"] = False  # that is done here
        self._delete = delete

    async def __aexit__(self, *exc_info: Any) -> None:
        try:
            await super().__aexit__(*exc_info)
        finally:
            if self._file is not None and self._delete:
                await clean_up("deleting a temporary file", exc_info, os.unlink, self._file.name)


class SpooledTemporaryFile(TemporaryBlock):
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

    __slots__ = ("_max_size",)

    def __init__(
        self,
        max_size: int = 0,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: AnyPath = None,
        *,
        errors: str | None = None,
    ) -> None:
        super().__init__(mode, buffering, encoding, newline, suffix, prefix, dir, errors=errors)
        self._max_size = max_size

    async def __aenter__(self) -> AsyncFile[Any]:
        import tempfile

        names = ("buffering", "encoding", "errors", "newline")
        options: Any = self._options | dict(zip(names, self._text, strict=True))
        make: Any = tempfile.SpooledTemporaryFile
        self._file = wrap_file(make(self._max_size, self._mode, **options))
        return self._file


class TemporaryDirectory:
    """A temporary folder: ``async with giambio.TemporaryDirectory() as folder:``

    Parameters:
        suffix, prefix, dir: see `tempfile.TemporaryDirectory`.
        ignore_cleanup_errors: whether to ignore errors of deleting.

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

    __slots__ = ("_folder", "_options")

    def __init__(
        self,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: AnyPath = None,
        *,
        ignore_cleanup_errors: bool = False,
    ) -> None:
        self._options: Any = {"suffix": suffix, "prefix": prefix, "dir": dir}
        self._options["ignore_cleanup_errors"] = ignore_cleanup_errors
        self._folder: Any = None

    async def __aenter__(self) -> str:
        import tempfile

        make: Any = partial(tempfile.TemporaryDirectory, **self._options)
        self._folder = await in_worker("making a temporary folder", make)
        return self._folder.name  # type: ignore[no-any-return]

    async def __aexit__(self, *exc_info: Any) -> None:
        if self._folder is not None:
            await clean_up("deleting a temporary folder", exc_info, self._folder.cleanup)

    __enter__ = __exit__ = refuse_with


for cls in (TemporaryFile, NamedTemporaryFile, SpooledTemporaryFile, TemporaryDirectory):
    final(cls)


async def clean_up(what: str, exc_info: Any, function: Callable[..., None], *args: Any) -> None:
    """Call a function that deletes something, however the block was left."""
    if isinstance(exc_info[1], GeneratorExit):  # the loop was interrupted: there is no waiting
        function(*args)
        return
    with CancelScope(shield=True):
        await in_worker(what, function, *args)
