"""Another library's file object, each of whose calls is made in a worker thread.

For kinds of files that Python offers and giambio does not: compressed files, archives, files
of other libraries. A file that is only in memory is called on the spot.
"""

from __future__ import annotations

import io
import os
import sys
from functools import partial
from typing import Any

from giambio.files.file_syscalls import in_worker
from giambio.files.turn import Turns
from giambio.kernel.operation import current_kernel
from giambio.tasks.cancel import CancelScope

__all__ = ["WrappedFile"]

#: The methods that may block.
BLOCKING = ("read", "readline", "readlines", "readinto", "write", "flush", "truncate", "tell")
#: The methods of a `SpooledTemporaryFile` that stay in memory as long as it does.
IN_MEMORY = ("read", "readline", "readinto", "read1", "write", "flush", "tell", "seek", "close")


class WrappedFile:
    """The file of an `AsyncFile` that another library made; for the task that has its turn."""

    __slots__ = ("_file", "closed", "kernel", "mode", "name", "turns")

    #: It has no descriptor that is ours.
    fd = -1
    pollable = False

    def __init__(self, file: Any) -> None:
        self._file = file
        self.kernel = current_kernel()
        self.turns = Turns()
        self.closed = False
        self.name = getattr(file, "name", None)
        self.mode = str(getattr(file, "mode", ""))

    def __getattr__(self, name: str) -> Any:
        """The file's own method or attribute; a method that may block becomes async."""
        return partial(self._call, name) if name in BLOCKING else getattr(self._file, name)

    async def _call(self, name: str, *args: Any) -> Any:
        method = getattr(self._file, name)
        if self._is_in_memory(name, args):
            return method(*args)
        return await in_worker(f"{name}() of {type(self._file).__name__}", method, *args)

    def _is_in_memory(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether a call will only touch memory."""
        file = self._file
        if isinstance(file, io.BytesIO | io.StringIO):
            return True
        tempfile = sys.modules.get("tempfile")
        if tempfile is None or not isinstance(file, tempfile.SpooledTemporaryFile):
            return False
        # A write may move it to the disk; a character is at most four bytes.
        most = file._max_size
        grows = name == "write" and most and file.tell() + 4 * len(args[0]) > most
        return not file._rolled and name in IN_MEMORY and not grows

    async def receive(self, max_size: int) -> Any:
        """Return the data of a single read."""
        return await self._call("read1" if hasattr(self._file, "read1") else "read", max_size)

    async def send_all(self, data: Any) -> None:
        """Write and flush."""
        await self._call("write", data)
        await self._call("flush")

    async def fsync(self) -> None:
        """Flush, and call `os.fsync`."""
        await self._call("flush")
        await in_worker("fsync()", os.fsync, self._file.fileno())

    async def seek(self, offset: int, whence: int) -> Any:
        """Seek, and return the position: not every library's `seek` does."""
        await self._call("seek", offset, whence)
        return await self._call("tell")

    def closes_at_once(self) -> bool:
        """Whether closing takes no time: who knows."""
        return False

    def writes_to_close(self) -> bool:
        """Whether closing may write something: who knows, if the file can be written."""
        if self._is_in_memory("close", ()):
            return False
        writable = getattr(self._file, "writable", None)
        return hasattr(self._file, "write") if writable is None else bool(writable())

    async def close(self) -> None:
        """Close the file, also in a cancelled scope."""
        with CancelScope(shield=True):
            await self._call("close")

    def close_now(self) -> None:
        """Close the file on the spot; this may block."""
        self.closed = True
        self._file.close()

    def is_open(self) -> bool:
        """Whether the file is open."""
        return not getattr(self._file, "closed", False)
