"""Paths: `pathlib.Path`, with the methods that touch the disk made async.

`pathlib` itself separates the value (`PurePath`) from the access to the disk, so the
value is inherited, and only the access is written here.
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar

from giambio._build.sealed import final
from giambio.files.async_file import AsyncFile
from giambio.files.file_syscalls import in_worker, stat_path
from giambio.files.open import open_file
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.opening import Opening

__all__ = ["Path"]

P = ParamSpec("P")
T = TypeVar("T")
AnyPath: TypeAlias = "str | os.PathLike[str]"

#: How many entries of a directory are read at a time.
CHUNK = 256
#: Errors that mean: there is no such file.
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)


if TYPE_CHECKING:
    from pathlib import PurePath as Pure
else:
    Pure = type(pathlib.PurePath())

#: The class of this system's paths, such as `pathlib.PosixPath`.
Plain = type(pathlib.Path())


class Path(Pure):
    """A path: `pathlib.Path`, with the methods that touch the disk made async.

    A `pathlib.PurePath`, so it fits wherever a path object does: it equals a
    `pathlib.Path` of the same parts, and hashes like it.

    Files are read and written as by `open_file`. `stat`, `exists` and the like use
    io_uring where available; all other methods that touch the disk call pathlib's own in
    a worker thread. Cancelled there, the task waits for the call to end. Errors are
    those of `pathlib`.

    Parameters:
        segments: parts of the path: strings or path objects.

    Example:
        >>> import giambio, pathlib, tempfile
        >>> async def main(folder):
        ...     path = giambio.Path(folder) / "notes.txt"
        ...     await path.write_text("hello")
        ...     print(path.suffix, path == pathlib.Path(folder, "notes.txt"))
        ...     return [entry.name async for entry in giambio.Path(folder).iterdir()]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     giambio.run(main, folder)
        .txt True
        ['notes.txt']
    """

    __slots__ = ("__weakref__",)

    # From 3.12 on pathlib's own takes any keywords, and tells no signature.
    def __new__(cls, *segments: AnyPath) -> Self:
        return super().__new__(cls, *segments)

    def __repr__(self) -> str:
        return f"giambio.Path({self.as_posix()!r})"

    def as_uri(self) -> str:
        """The path as a ``file:`` URI."""
        return Plain(self).as_uri()  # that of `PurePath` is deprecated

    async def _call(
        self, method: Callable[Concatenate[Any, P], T], *args: P.args, **keywords: P.kwargs
    ) -> T:
        """Call one of pathlib's own methods in a worker thread."""
        call = partial(method, Plain(self), *args, **keywords)
        return await in_worker(f"{method.__name__}()", call)

    # -- status -----------------------------------------------------------------------

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Status of the file: `os.stat`."""
        return await stat_path(str(self), follow_symlinks)

    async def lstat(self) -> os.stat_result:
        """Status of a symbolic link itself: `os.lstat`."""
        return await stat_path(str(self), False)

    async def exists(self) -> bool:
        """Whether the file or directory exists."""
        return await self._is(lambda mode: True)

    async def is_file(self) -> bool:
        """Whether it is a regular file."""
        return await self._is(stat.S_ISREG)

    async def is_dir(self) -> bool:
        """Whether it is a directory."""
        return await self._is(stat.S_ISDIR)

    async def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return await self._is(stat.S_ISLNK, follow=False)

    async def is_fifo(self) -> bool:
        """Whether it is a named pipe."""
        return await self._is(stat.S_ISFIFO)

    async def is_socket(self) -> bool:
        """Whether it is a socket."""
        return await self._is(stat.S_ISSOCK)

    async def is_block_device(self) -> bool:
        """Whether it is a block device."""
        return await self._is(stat.S_ISBLK)

    async def is_char_device(self) -> bool:
        """Whether it is a character device."""
        return await self._is(stat.S_ISCHR)

    async def _is(self, test: Callable[[int], bool], follow: bool = True) -> bool:
        try:
            return test((await stat_path(str(self), follow)).st_mode)
        except ValueError:  # no file has such a name
            return False
        except OSError as exc:
            if exc.errno not in ABSENT:
                raise
            return False

    async def is_mount(self) -> bool:
        """Whether a file system is mounted there."""
        return await self._call(Plain.is_mount)

    async def samefile(self, other: AnyPath) -> bool:
        """Whether both paths are the same file."""
        return await self._call(Plain.samefile, os.fspath(other))

    async def owner(self) -> str:
        """Name of the user who owns the file."""
        return await self._call(Plain.owner)

    async def group(self) -> str:
        """Name of the group that owns the file."""
        return await self._call(Plain.group)

    # -- other paths ------------------------------------------------------------------

    @classmethod
    async def cwd(cls) -> Path:
        """The working directory."""
        return Path(await in_worker("cwd()", pathlib.Path.cwd))

    @classmethod
    async def home(cls) -> Path:
        """The user's home directory."""
        return Path(await in_worker("home()", pathlib.Path.home))

    async def absolute(self) -> Path:
        """The absolute path; links and dots stay."""
        return Path(await self._call(Plain.absolute))

    async def resolve(self, strict: bool = False) -> Path:
        """The absolute path without symbolic links and dots."""
        return Path(await self._call(Plain.resolve, strict))

    async def expanduser(self) -> Path:
        """The path with ``~`` and ``~user`` expanded."""
        return Path(await self._call(Plain.expanduser))

    async def readlink(self) -> Path:
        """Target of a symbolic link."""
        return Path(await self._call(Plain.readlink))

    def iterdir(self) -> Entries:
        """Entries of a directory: ``async for entry in path.iterdir()``."""
        return Entries("iterdir()", Plain(self).iterdir)

    def glob(self, pattern: str) -> Entries:
        """Files that match a pattern: ``async for file in path.glob("*.txt")``."""
        return Entries("glob()", lambda: Plain(self).glob(pattern))

    def rglob(self, pattern: str) -> Entries:
        """Files that match a pattern, in all directories below as well."""
        return Entries("rglob()", lambda: Plain(self).rglob(pattern))

    # -- files ------------------------------------------------------------------------

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[AsyncFile[Any]]:
        """Open the file: `open_file`."""
        return open_file(self, mode, buffering, encoding, errors, newline)

    async def read_bytes(self) -> bytes:
        """Return the content of the file, as bytes."""
        async with open_file(self, "rb") as file:
            return await file.read()

    async def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the content of the file, as text."""
        async with open_file(self, "r", -1, encoding, errors) as file:
            return await file.read()

    async def write_bytes(self, data: Any) -> int:
        """Replace the content of the file by bytes."""
        view = memoryview(data)
        async with open_file(self, "wb") as file:
            return await file.write(view)

    async def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Replace the content of the file by text."""
        if not isinstance(data, str):
            raise TypeError(f"write_text() needs a str, not {type(data).__name__}")
        async with open_file(self, "w", -1, encoding, errors, newline) as file:
            return await file.write(data)

    async def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Create the file, or set its modification time to now."""
        await self._call(Plain.touch, mode, exist_ok)

    async def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Create a directory."""
        await self._call(Plain.mkdir, mode, parents, exist_ok)

    async def unlink(self, missing_ok: bool = False) -> None:
        """Delete a file."""
        await self._call(Plain.unlink, missing_ok)

    async def rmdir(self) -> None:
        """Delete an empty directory."""
        await self._call(Plain.rmdir)

    async def rename(self, target: AnyPath) -> Path:
        """Rename the file, and return its new path."""
        return Path(await self._call(Plain.rename, os.fspath(target)))

    async def replace(self, target: AnyPath) -> Path:
        """Rename the file, and replace any file of that name."""
        return Path(await self._call(Plain.replace, os.fspath(target)))

    async def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Change the permissions."""
        await self._call(Plain.chmod, mode, follow_symlinks=follow_symlinks)

    async def symlink_to(self, target: AnyPath, target_is_directory: bool = False) -> None:
        """Create a symbolic link to `target`."""
        await self._call(Plain.symlink_to, os.fspath(target), target_is_directory)

    async def hardlink_to(self, target: AnyPath) -> None:
        """Create a hard link to `target`."""
        await self._call(Plain.hardlink_to, os.fspath(target))


class Entries:
    """Async iterator over paths; a worker thread reads some of them at a time."""

    __slots__ = ("_found", "_iterator", "_start", "_what")

    def __init__(self, what: str, start: Callable[[], Iterator[pathlib.Path]]) -> None:
        self._what = what
        self._start = start
        self._iterator: Iterator[pathlib.Path] | None = None
        # Read but not returned yet, the next one last.
        self._found: list[pathlib.Path] = []

    def __aiter__(self) -> Entries:
        return self

    async def __anext__(self) -> Path:
        if self._found:
            await checkpoint_if_cancelled()
        else:
            self._found = await in_worker(self._what, self._more)
            if not self._found:
                raise StopAsyncIteration
        return Path(self._found.pop())

    def _more(self) -> list[pathlib.Path]:
        if self._iterator is None:
            self._iterator = iter(self._start())
        return list(islice(self._iterator, CHUNK))[::-1]


final(Path)
final(Entries)
