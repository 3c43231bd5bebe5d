"""The system calls of sockets: the Python twin.

The native one calls the system itself. It receives into one buffer that the
loop owns, and copies the bytes out: allocating `max_size` bytes for each call
costs more than the system call. Between the two it neither calls Python nor
releases the GIL. Only where most of `max_size` is likely to come, as it did the
last time, it receives into the result itself. It accepts connections that do not block from
the start, where Python would have to ask the system for that.
"""

from __future__ import annotations

from typing import Final

from giambio.net.socket_calls import (
    accept,
    receive,
    receive_datagram,
    receive_from,
    receive_into,
    send,
    send_parts,
    send_to,
)

__all__ = [
    "LARGE_SHIFT",
    "MOST_PARTS",
    "PLENTY",
    "RECEIVE_BUFFER",
    "ReceiveBuffer",
    "accept",
    "bounded",
    "receive",
    "receive_datagram",
    "receive_from",
    "receive_into",
    "send",
    "send_parts",
    "send_to",
]


#: The size of a loop's receive buffer, and so the most that one `receive` returns.
RECEIVE_BUFFER: Final = 262144

#: A transfer counts as one operation more for each 2**16 bytes.
LARGE_SHIFT: Final = 16

#: From this size on it is worth avoiding a copy.
PLENTY: Final = 8192

#: The most objects that are sent by one call.
MOST_PARTS: Final = 64


class ReceiveBuffer:
    """The receive buffer of one loop; on a connection only its size counts here."""

    __slots__ = ("memory", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        # The bytes, for datagrams; made when they are first needed.
        self.memory: memoryview | None = None


def bounded(size: int) -> int:
    """Return a size, bounded by that of the receive buffer."""
    return min(size, RECEIVE_BUFFER)
