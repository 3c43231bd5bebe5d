"""The last moment of a socket that carried TLS, without waiting.

A socket that is closed with unread bytes in it resets its connection, and the
system drops all data that the other side has not received yet. With TLS there
often are such bytes, through no fault of the program: the tickets of TLS 1.3, or
the other side's goodbye. So they are received first.
"""

from __future__ import annotations

import socket as stdlib_socket

from giambio.errors import ClosedResourceError
from giambio.net.socket import AsyncSocket
from giambio.streams.abc import ReceiveStream
from giambio.streams.buffered import BufferedStream

__all__ = ["part"]

#: The most bytes to receive: a peer that sends without end is reset.
LIMIT = 1 << 20
PIECE = 65536


def part(stream: ReceiveStream, goodbye: bytes) -> None:
    """Send the last bytes on a stream that is about to be closed, if it is a socket with room.

    Parameters:
        stream: nothing happens if it is no `AsyncSocket`.
        goodbye: the bytes.
    """
    while isinstance(stream, BufferedStream):
        stream = stream.transport_stream
    if not isinstance(stream, AsyncSocket):
        return
    try:
        # Fails if the plain socket was closed: then the number may be another connection's.
        stream.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_TYPE)
        sock = stdlib_socket.socket(fileno=stream.fileno())
    except (ClosedResourceError, OSError):
        return
    try:
        sock.setblocking(False)  # despite `socket.setdefaulttimeout`
        if goodbye:
            sock.send(goodbye)
        taken = 0
        while taken < LIMIT and (data := sock.recv(PIECE)):
            taken += len(data)
    except OSError:
        pass  # no room, no data, or no connection: it was worth a try
    finally:
        sock.detach()
