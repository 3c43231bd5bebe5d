"""File objects of others: each call is made in a worker thread.

It is for what Python offers and giambio does not: compressed files, archives, files
of other libraries. What is only in memory is called on the spot.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any

from giambio.files.file_syscalls import in_worker
from giambio.tasks.cancel import CancelScope

__all__ = ["WrappedFile"]

#: What a `SpooledTemporaryFile` that is in memory does there.
IN_MEMORY = ("read", "readline", "readinto", "read1", "write", "flush", "tell", "seek", "close")


class WrappedFile:
    """The methods of another library's file, for the task whose turn it is."""

    __slots__ = ("_file",)

    def __init__(self, file: Any) -> None:
        self._file = file

    async def _call(self, name: str, *args: Any) -> Any:
        method: Callable[..., Any] = getattr(self._file, name)
        if self._is_in_memory(name, args):
            return method(*args)
        return await in_worker(f"{name}() of {type(self._file).__name__}", method, *args)

    def _is_in_memory(self, name: str, args: tuple[Any, ...]) -> bool:
        """Tell whether a call will only touch memory."""
        file = self._file
        if isinstance(file, io.BytesIO | io.StringIO):
            return True
        tempfile = sys.modules.get("tempfile")
        if tempfile is None or not isinstance(file, tempfile.SpooledTemporaryFile):
            return False
        # What is written may make it move to the disk; a character is at most four bytes.
        most = file._max_size
        grows = name == "write" and most and file.tell() + 4 * len(args[0]) > most
        return not file._rolled and name in IN_MEMORY and not grows

    async def read(self, size: int) -> Any:
        """`read` of the file."""
        return await self._call("read", size)

    async def readline(self, size: int) -> Any:
        """`readline` of the file."""
        return await self._call("readline", size)

    async def readlines(self, hint: int) -> list[Any]:
        """`readlines` of the file."""
        lines: list[Any] = await self._call("readlines", hint)
        return lines

    async def readinto(self, buffer: Any) -> int:
        """`readinto` of the file."""
        count: int = await self._call("readinto", buffer)
        return count

    async def receive(self, max_size: int) -> bytes:
        """What one read of the file gives."""
        name = "read1" if hasattr(self._file, "read1") else "read"
        data: bytes = await self._call(name, max_size)
        return data

    async def write(self, data: Any) -> int:
        """`write` of the file."""
        count: int = await self._call("write", data)
        return count

    async def send_all(self, data: Any) -> None:
        """`write` and `flush` of the file."""
        await self._call("write", data)
        await self._call("flush")

    async def flush(self) -> None:
        """`flush` of the file."""
        await self._call("flush")

    async def fsync(self) -> None:
        """`flush` of the file, and `os.fsync`."""
        await self._call("flush")
        await in_worker("fsync()", os.fsync, self._file.fileno())

    async def truncate(self, size: int | None) -> int:
        """`truncate` of the file."""
        count: int = await self._call("truncate", size)
        return count

    async def tell(self) -> int:
        """`tell` of the file."""
        position: int = await self._call("tell")
        return position

    async def seek(self, offset: int, whence: int) -> int:
        """`seek` of the file."""
        await self._call("seek", offset, whence)
        return await self.tell()

    async def close(self) -> None:
        """`close` of the file."""
        with CancelScope(shield=True):
            await self._call("close")

    def close_now(self) -> None:
        """Close it here and now."""
        self._file.close()

    def is_open(self) -> bool:
        """Tell whether it is open."""
        return not getattr(self._file, "closed", False)

    @property
    def encoding(self) -> Any:
        """`encoding` of the file."""
        return getattr(self._file, "encoding", None)

    @property
    def errors(self) -> Any:
        """`errors` of the file."""
        return getattr(self._file, "errors", None)

    @property
    def newlines(self) -> Any:
        """`newlines` of the file."""
        return getattr(self._file, "newlines", None)

    def fileno(self) -> int:
        """`fileno` of the file."""
        answer: int = self._file.fileno()
        return answer

    def isatty(self) -> bool:
        """`isatty` of the file."""
        answer: bool = self._file.isatty()
        return answer

    def readable(self) -> bool:
        """`readable` of the file."""
        answer: bool = self._file.readable()
        return answer

    def writable(self) -> bool:
        """`writable` of the file."""
        answer: bool = self._file.writable()
        return answer

    def seekable(self) -> bool:
        """`seekable` of the file."""
        answer: bool = self._file.seekable()
        return answer
