"""The four system calls that a connection lives on: the Python twin.

The native one calls the system itself. It receives into one buffer that the
loop owns, and copies out what came: allocating `max_size` bytes for each call
costs more than the system call. Between the two it neither calls Python nor
releases the GIL.
"""

from __future__ import annotations

from socket import socket
from typing import Any, Final

__all__ = ["LARGE_SHIFT", "RECEIVE_BUFFER", "ReceiveBuffer", "receive", "receive_into", "send"]


#: The size of a loop's receive buffer, and so the most that one `receive` returns.
RECEIVE_BUFFER: Final = 262144

#: A transfer counts as one operation more for each 2**16 bytes.
LARGE_SHIFT: Final = 16


class ReceiveBuffer:
    """The receive buffer of one loop; here only its size counts."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


def receive(sock: socket, fd: int, size: int, buffer: ReceiveBuffer) -> bytes | None:
    """Receive at most `size` bytes; None if there is nothing yet."""
    try:
        return sock.recv(min(size, buffer.size))
    except BlockingIOError:
        return None


def receive_into(sock: socket, fd: int, target: Any) -> int:
    """Receive into a writable buffer: the number of bytes; -1 if there is nothing yet."""
    try:
        return sock.recv_into(target)
    except BlockingIOError:
        return -1


def send(sock: socket, fd: int, data: Any, offset: int) -> int:
    """Send what follows `offset`: the number of bytes taken; -1 if there is no room."""
    try:
        return sock.send(data if not offset else memoryview(data)[offset:])
    except BlockingIOError:
        return -1
