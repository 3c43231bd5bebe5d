"""Opening files: Python's `open`, without blocking."""

from __future__ import annotations

import io
import os
import warnings
from functools import cache
from typing import Any, Literal, TypeAlias, overload

from giambio.arguments import is_int
from giambio.files.async_file import AsyncFile
from giambio.files.binary_file import BinaryFile
from giambio.files.file_syscalls import open_descriptor
from giambio.files.text_file import TextFile
from giambio.files.wrapped_file import WrappedFile
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.opening import Opening
from giambio.kernel.operation import current_kernel

__all__ = ["make_file", "open_file", "wrap_file"]

Name: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes] | int
TextMode: TypeAlias = Literal[
    "r", "w", "a", "x", "r+", "w+", "a+", "x+", "rt", "wt", "at", "xt", "r+t", "w+t", "a+t", "x+t"
]
BinaryMode: TypeAlias = Literal[
    "rb", "wb", "ab", "xb", "rb+", "wb+", "ab+", "xb+", "r+b", "w+b", "a+b", "x+b"
]

#: Default size of the read-ahead and of the write buffer, in bytes.
BUFFER = 65536
FLAGS = {
    "r": 0,
    "w": os.O_CREAT | os.O_TRUNC,
    "a": os.O_CREAT | os.O_APPEND,
    "x": os.O_CREAT | os.O_EXCL,
}


@overload
def open_file(
    path: Name,
    mode: TextMode = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Opening[AsyncFile[str]]: ...


@overload
def open_file(
    path: Name,
    mode: BinaryMode,
    buffering: int = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
) -> Opening[AsyncFile[bytes]]: ...


@overload
def open_file(
    path: Name,
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Opening[AsyncFile[Any]]: ...


def open_file(
    path: Name,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Opening[AsyncFile[Any]]:
    """Open a file: Python's `open`, made async.

    Parameters:
        path: the file's path: a string, bytes, or a path object. Or the number of an
            open descriptor, which the file then owns.
        mode: ``"r"`` to read (the default), ``"w"`` to write it anew, ``"a"`` to append,
            ``"x"`` to create it; with ``"+"`` for both reading and writing, and with
            ``"b"`` for bytes instead of text.
        buffering: 0 for none (only in binary mode), 1 for a flush at each line end (only
            in text mode), a larger number for the buffer's size in bytes. By default it
            is 65536, and a terminal is flushed at each line end.
        encoding: of a text file; the system's by default, which need not be UTF-8.
        errors: the handling of encoding errors, such as ``"replace"``; by default they raise.
        newline: the translation of line ends; see `open`.

    Returns:
        Awaited, or entered with ``async with``: an `AsyncFile`.

    Raises:
        TypeError, ValueError, LookupError: invalid arguments, or a contradiction between them.
        OSError: the file cannot be opened, with its usual subclasses, such as
            `FileNotFoundError`.
        RuntimeError: a worker thread is needed, and the loop has none.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, no file stays open; but it may have been created or emptied.

    Example:
        >>> import giambio, os, tempfile
        >>> async def main(path):
        ...     async with giambio.open_file(path, "a") as file:
        ...         await file.write("done\\n")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     giambio.run(main, os.path.join(folder, "log.txt"))
    """
    if isinstance(path, bool) or not isinstance(path, str | bytes | os.PathLike | int):
        raise TypeError(f"open_file() needs a path or a descriptor, not {path!r}")
    flags = parse(mode)
    buffering = check(mode, buffering, encoding, errors, newline)
    name = path if isinstance(path, int) else os.fspath(path)
    text = (encoding, errors, newline)
    return Opening("open_file()", open_checked(name, flags, mode, buffering, *text))


async def open_checked(
    name: str | bytes | int, flags: int, mode: str, buffering: int, *text: str | None
) -> AsyncFile[Any]:
    """Do the work of `open_file`, whose arguments were checked."""
    if isinstance(name, int):
        await checkpoint_if_cancelled()
        fd = name
        os.fstat(fd)  # an error here concerns a descriptor that is not ours
    else:
        fd = await open_descriptor(name, flags)
    return make_file(fd, name, mode, buffering, *text, shared=isinstance(name, int))


def wrap_file(file: Any) -> AsyncFile[Any]:
    """Wrap another library's file object in an `AsyncFile`.

    Parameters:
        file: an object with the methods of Python's files: a `gzip.GzipFile`, a member
            of an archive... Methods that it lacks cannot be used.

    Returns:
        An `AsyncFile`. Each of its calls is made in a worker thread, and a cancelled task
        waits until it is done; a file in memory (`io.BytesIO`, `io.StringIO`) is called
        on the spot.

    Raises:
        TypeError: it is not a file object.
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio, io
        >>> async def main():
        ...     async with giambio.wrap_file(io.StringIO("hello")) as file:
        ...         return await file.read()
        >>> giambio.run(main)
        'hello'
    """
    if isinstance(file, AsyncFile) or not (hasattr(file, "read") or hasattr(file, "write")):
        raise TypeError(f"wrap_file() needs an ordinary file object, not {file!r}")
    return AsyncFile(WrappedFile(file))


def parse(mode: Any) -> int:
    """Parse a mode such as ``"rb+"``.

    Returns:
        The flags for `os.open`.

    Raises:
        TypeError, ValueError: it is invalid.
    """
    if not isinstance(mode, str):
        raise TypeError(f"mode needs to be a str such as 'r', not {mode!r}")
    return flags_of(mode)


@cache
def flags_of(mode: str) -> int:
    """See `parse`: there are few modes, and many files."""
    kinds = [letter for letter in mode if letter in FLAGS]
    if len(kinds) != 1 or set(mode) - set("rwax+tb") or len(set(mode)) < len(mode):
        raise ValueError(
            f"mode {mode!r} makes no sense: it needs one of 'r', 'w', 'a' and 'x', and may have "
            "'+' (both reading and writing) and 'b' (bytes) or 't' (text)"
        )
    if "b" in mode and "t" in mode:
        raise ValueError(f"mode {mode!r} asks for both text and bytes")
    (kind,) = kinds
    access = os.O_RDWR if "+" in mode else os.O_RDONLY if kind == "r" else os.O_WRONLY
    return FLAGS[kind] | access | getattr(os, "O_BINARY", 0)


def check(
    mode: str, buffering: int, encoding: Any, errors: Any, newline: Any, stacklevel: int = 3
) -> int:
    """Raise if options contradict each other, before a file is created or truncated.

    Returns:
        The buffering.
    """
    if not is_int(buffering):
        raise TypeError(f"buffering needs to be a whole number, not {buffering!r}")
    if "b" in mode:
        for what, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"binary mode takes no {what}=; it is about text")
        if buffering == 1:
            warnings.warn(
                "binary mode has no lines to flush at: buffering=1 means the default there",
                RuntimeWarning,
                stacklevel=stacklevel,
            )
            return -1
    else:
        if buffering == 0:
            raise ValueError("text cannot be unbuffered; open the file in binary mode")
        io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)
    return max(buffering, -1)


def make_file(
    fd: int, name: Any, mode: str, buffering: int = -1, *text: str | None, shared: bool = False
) -> AsyncFile[Any]:
    """Make an `AsyncFile` of a descriptor; on an error, close it.

    Parameters:
        fd: the descriptor.
        name: the path, or a name in its place.
        mode: see `open_file`.
        buffering: see `open_file`.
        text: the encoding, errors and newline; see `open_file`.
        shared: whether other processes may share the descriptor's flags.
    """
    buffer = BUFFER if buffering in (-1, 1) else buffering
    state = (current_kernel(), fd, name, mode, buffer, shared)
    try:
        if "b" in mode:
            return AsyncFile(BinaryFile(*state))
        by_line = buffering == 1 or (buffering == -1 and os.isatty(fd))
        return AsyncFile(TextFile(*state, by_line, *text))
    except BaseException:
        os.close(fd)
        raise
