"""Paths: `pathlib.Path`, with what touches the disk made async."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from giambio._build.sealed import final
from giambio.files.async_file import AsyncFile
from giambio.files.file_syscalls import in_worker, stat_path
from giambio.files.open import open_file
from giambio.kernel.checkpoints import checkpoint_if_cancelled

__all__ = ["Path"]

T = TypeVar("T")
AnyPath: TypeAlias = "str | os.PathLike[str]"

#: How many entries of a folder are read at a time.
CHUNK = 256
#: Errors that say: there is no such file.
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)


class Path:
    """A path: `pathlib.Path`, with the methods that touch the disk made async.

    It takes whatever makes up a path, and can be used wherever a path object can: it is
    equal to a `pathlib.Path` of the same parts, and hashes like it. What only looks at
    the path itself is a plain method or attribute, as there.

    Files are read and written as by `open_file`. `stat`, `exists` and their like go
    through io_uring where it can be had; everything else that touches the disk is
    pathlib's own, called in a worker thread. Cancelled there, the task waits until it is
    done. Errors are those of `pathlib`.

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

    __slots__ = ("__weakref__", "_path")

    def __init__(self, *segments: AnyPath) -> None:
        self._path = pathlib.Path(*(os.fspath(segment) for segment in segments))

    # -- a value ----------------------------------------------------------------------

    def __fspath__(self) -> str:
        return str(self._path)

    def __str__(self) -> str:
        return str(self._path)

    def __bytes__(self) -> bytes:
        return bytes(self._path)

    def __repr__(self) -> str:
        return f"giambio.Path({self.as_posix()!r})"

    def __hash__(self) -> int:
        return hash(self._path)

    def __eq__(self, other: object) -> bool:
        return bool(self._path == plain(other))

    def __lt__(self, other: Path | pathlib.PurePath) -> bool:
        return self._path < plain(other)  # type: ignore[no-any-return]

    def __le__(self, other: Path | pathlib.PurePath) -> bool:
        return self._path <= plain(other)  # type: ignore[no-any-return]

    def __gt__(self, other: Path | pathlib.PurePath) -> bool:
        return self._path > plain(other)  # type: ignore[no-any-return]

    def __ge__(self, other: Path | pathlib.PurePath) -> bool:
        return self._path >= plain(other)  # type: ignore[no-any-return]

    def __truediv__(self, other: AnyPath) -> Path:
        return like(self._path / os.fspath(other))

    def __rtruediv__(self, other: AnyPath) -> Path:
        return like(os.fspath(other) / self._path)

    @property
    def parts(self) -> tuple[str, ...]:
        """Its parts."""
        return self._path.parts

    @property
    def drive(self) -> str:
        """The drive, on Windows."""
        return self._path.drive

    @property
    def root(self) -> str:
        """The root, if it has one."""
        return self._path.root

    @property
    def anchor(self) -> str:
        """Drive and root."""
        return self._path.anchor

    @property
    def name(self) -> str:
        """The last part."""
        return self._path.name

    @property
    def suffix(self) -> str:
        """The last part from the last dot on."""
        return self._path.suffix

    @property
    def suffixes(self) -> list[str]:
        """All suffixes."""
        return self._path.suffixes

    @property
    def stem(self) -> str:
        """The last part without the suffix."""
        return self._path.stem

    @property
    def parent(self) -> Path:
        """The path without its last part."""
        return like(self._path.parent)

    @property
    def parents(self) -> Sequence[Path]:
        """All parents, the nearest first."""
        return tuple(map(like, self._path.parents))

    def as_posix(self) -> str:
        """The path with slashes."""
        return self._path.as_posix()

    def as_uri(self) -> str:
        """The path as a ``file:`` URI."""
        return self._path.as_uri()

    def is_absolute(self) -> bool:
        """Tell whether it begins at a root."""
        return self._path.is_absolute()

    def is_relative_to(self, other: AnyPath) -> bool:
        """Tell whether it lies below another path."""
        return self._path.is_relative_to(os.fspath(other))

    def joinpath(self, *segments: AnyPath) -> Path:
        """The path with more parts."""
        return like(self._path.joinpath(*(os.fspath(segment) for segment in segments)))

    def match(self, pattern: str) -> bool:
        """Tell whether it fits a pattern."""
        return self._path.match(pattern)

    def relative_to(self, other: AnyPath) -> Path:
        """The path as seen from another one."""
        return like(self._path.relative_to(os.fspath(other)))

    def with_name(self, name: str) -> Path:
        """The path with another last part."""
        return like(self._path.with_name(name))

    def with_stem(self, stem: str) -> Path:
        """The path with another stem."""
        return like(self._path.with_stem(stem))

    def with_suffix(self, suffix: str) -> Path:
        """The path with another suffix."""
        return like(self._path.with_suffix(suffix))

    # -- what is there ----------------------------------------------------------------

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """What the system knows of the file."""
        return await stat_path(str(self), follow_symlinks)

    async def lstat(self) -> os.stat_result:
        """The same, of a link itself."""
        return await stat_path(str(self), False)

    async def exists(self) -> bool:
        """Tell whether there is such a file or folder."""
        return await self._is(lambda mode: True)

    async def is_file(self) -> bool:
        """Tell whether it is an ordinary file."""
        return await self._is(stat.S_ISREG)

    async def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return await self._is(stat.S_ISDIR)

    async def is_symlink(self) -> bool:
        """Tell whether it is a symbolic link."""
        return await self._is(stat.S_ISLNK, follow=False)

    async def is_fifo(self) -> bool:
        """Tell whether it is a named pipe."""
        return await self._is(stat.S_ISFIFO)

    async def is_socket(self) -> bool:
        """Tell whether it is a socket."""
        return await self._is(stat.S_ISSOCK)

    async def is_block_device(self) -> bool:
        """Tell whether it is a block device."""
        return await self._is(stat.S_ISBLK)

    async def is_char_device(self) -> bool:
        """Tell whether it is a character device."""
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
        """Tell whether a file system is mounted there."""
        return await in_worker("is_mount()", self._path.is_mount)

    async def samefile(self, other: AnyPath) -> bool:
        """Tell whether both are the same file."""
        return await in_worker("samefile()", self._path.samefile, os.fspath(other))

    async def owner(self) -> str:
        """The name of the user whose file it is."""
        return await in_worker("owner()", self._path.owner)

    async def group(self) -> str:
        """The name of the group whose file it is."""
        return await in_worker("group()", self._path.group)

    # -- other paths ------------------------------------------------------------------

    @classmethod
    async def cwd(cls) -> Path:
        """The working folder."""
        return like(await in_worker("cwd()", pathlib.Path.cwd))

    @classmethod
    async def home(cls) -> Path:
        """The user's own folder."""
        return like(await in_worker("home()", pathlib.Path.home))

    async def absolute(self) -> Path:
        """The path from the root on."""
        return like(await in_worker("absolute()", self._path.absolute))

    async def resolve(self, strict: bool = False) -> Path:
        """The path from the root on, without links and dots."""
        return like(await in_worker("resolve()", self._path.resolve, strict))

    async def expanduser(self) -> Path:
        """The path with ``~`` replaced."""
        return like(await in_worker("expanduser()", self._path.expanduser))

    async def readlink(self) -> Path:
        """Where a symbolic link points."""
        return like(await in_worker("readlink()", self._path.readlink))

    def iterdir(self) -> Entries:
        """The entries of a folder: ``async for entry in path.iterdir()``."""
        return Entries("iterdir()", self._path.iterdir)

    def glob(self, pattern: str) -> Entries:
        """The files below that fit a pattern: ``async for file in path.glob("*.txt")``."""
        return Entries("glob()", lambda: self._path.glob(pattern))

    def rglob(self, pattern: str) -> Entries:
        """The same in all folders below."""
        return Entries("rglob()", lambda: self._path.rglob(pattern))

    # -- files ------------------------------------------------------------------------

    async def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> AsyncFile[Any]:
        """See `open_file`."""
        return await open_file(self, mode, buffering, encoding, errors, newline)

    async def read_bytes(self) -> bytes:
        """All bytes of the file."""
        async with await open_file(self, "rb") as file:
            return await file.read()

    async def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """All text of the file."""
        async with await open_file(self, "r", -1, encoding, errors) as file:
            return await file.read()

    async def write_bytes(self, data: Any) -> int:
        """Make these bytes the file's whole content."""
        view = memoryview(data)
        async with await open_file(self, "wb") as file:
            return await file.write(view)

    async def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Make this text the file's whole content."""
        if not isinstance(data, str):
            raise TypeError(f"write_text() needs a str, not {type(data).__name__}")
        async with await open_file(self, "w", -1, encoding, errors, newline) as file:
            return await file.write(data)

    async def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make the file, or its time of change now."""
        await in_worker("touch()", self._path.touch, mode, exist_ok)

    async def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a folder."""
        await in_worker("mkdir()", self._path.mkdir, mode, parents, exist_ok)

    async def unlink(self, missing_ok: bool = False) -> None:
        """Delete a file."""
        await in_worker("unlink()", self._path.unlink, missing_ok)

    async def rmdir(self) -> None:
        """Delete an empty folder."""
        await in_worker("rmdir()", self._path.rmdir)

    async def rename(self, target: AnyPath) -> Path:
        """Give it another name."""
        return like(await in_worker("rename()", self._path.rename, os.fspath(target)))

    async def replace(self, target: AnyPath) -> Path:
        """Give it another name, also if a file has that already."""
        return like(await in_worker("replace()", self._path.replace, os.fspath(target)))

    async def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Change who may do what with it."""
        await in_worker("chmod()", lambda: self._path.chmod(mode, follow_symlinks=follow_symlinks))

    async def symlink_to(self, target: AnyPath, target_is_directory: bool = False) -> None:
        """Make it a symbolic link."""
        await in_worker(
            "symlink_to()", self._path.symlink_to, os.fspath(target), target_is_directory
        )

    async def hardlink_to(self, target: AnyPath) -> None:
        """Make it another name of a file."""
        await in_worker("hardlink_to()", self._path.hardlink_to, os.fspath(target))


class Entries:
    """An async iterator over paths; a worker thread reads some of them at a time."""

    __slots__ = ("_found", "_iterator", "_start", "_what")

    def __init__(self, what: str, start: Callable[[], Iterator[pathlib.Path]]) -> None:
        self._what = what
        self._start = start
        self._iterator: Iterator[pathlib.Path] | None = None
        # Those that are read and not given yet, the next one last.
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
        return like(self._found.pop())

    def _more(self) -> list[pathlib.Path]:
        if self._iterator is None:
            self._iterator = iter(self._start())
        return list(islice(self._iterator, CHUNK))[::-1]


final(Path)
final(Entries)


def like(path: pathlib.Path) -> Path:
    """One of ours, of one of Python's."""
    ours = Path.__new__(Path)
    ours._path = path
    return ours


def plain(other: Any) -> Any:
    """One of Python's, of one of ours."""
    return other._path if isinstance(other, Path) else other
