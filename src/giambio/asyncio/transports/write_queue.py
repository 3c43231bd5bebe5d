"""What a transport could not send yet: the objects that were written, and no copy of them."""

from __future__ import annotations

from collections import deque
from itertools import islice
from socket import socket
from typing import Any

from giambio.net import syscalls

__all__ = ["WriteQueue", "flat", "lasting"]


class WriteQueue:
    """Bytes to send, in the order in which they were written."""

    __slots__ = ("_offset", "_parts", "size")

    def __init__(self) -> None:
        self._parts: deque[Any] = deque()
        # How many bytes of the first part are sent.
        self._offset = 0
        #: How many bytes are left to send.
        self.size = 0

    def append(self, data: Any) -> None:
        """Queue bytes, which do not change any more; see `lasting`."""
        self._parts.append(data)
        self.size += len(data)

    def skip(self, count: int) -> None:
        """Forget bytes at the front, because they were sent."""
        self.size -= count
        count += self._offset
        parts = self._parts
        while parts and count >= len(parts[0]):
            count -= len(parts.popleft())
        self._offset = count

    def send(self, sock: socket, fd: int) -> int:
        """Send as much as the system takes in one call.

        Returns:
            The number of bytes; -1 if there is no room.

        Raises:
            OSError: the connection broke.
        """
        parts = self._parts
        if len(parts) == 1:
            count = syscalls.send(sock, fd, parts[0], self._offset)
        else:
            some = list(islice(parts, syscalls.MOST_PARTS))
            count = syscalls.send_parts(sock, fd, some, self._offset)
        if count > 0:
            self.skip(count)
        return count

    def clear(self) -> None:
        """Forget everything."""
        self._parts.clear()
        self._offset = 0
        self.size = 0


def flat(view: memoryview) -> Any:
    """Return the bytes of a view, such that its length is their number."""
    return view if view.itemsize == 1 and view.ndim == 1 and view.contiguous else bytes(view)


def lasting(data: Any) -> Any:
    """Return bytes that their owner cannot change while they wait: a copy only where needed."""
    if type(data) is bytes or (type(data) is memoryview and type(data.obj) is bytes):
        return data
    return bytes(data)
