"""Lingering close: the end of a connection on which the other side is still sending.

A connection that is closed with unread input is reset, and then the other side may lose what it
has not received yet: the answer to a request whose rest nobody wanted to read. So sending ends
first, and what still comes is dropped for a while. HTTP servers do that (RFC 9112, section 9.6);
the name and the times are those of nginx.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from giambio.errors import GiambioError
from giambio.net.socket import AsyncSocket
from giambio.streams.abc import ByteStream
from giambio.tasks.timeouts import fail_after, move_on_after

__all__ = ["has_unread_input", "lingering_close"]

#: How long to wait for the end of the other side, in seconds, and for its next data.
LINGERING_TIME = 30.0
LINGERING_TIMEOUT = 5.0


async def lingering_close(stream: ByteStream) -> None:
    """Close a connection so that the other side receives all that was sent.

    Parameters:
        stream: a connected socket, a `TLSStream`, or any other `ByteStream`. It is closed in any
            case.

    For a server that answers before it has read the whole request: a plain `close` with unread
    input resets the connection, and the answer may be lost. This ends the sending direction, drops
    what still comes, and closes when the other side has ended, when nothing has come for 5 seconds,
    or after 30 seconds. `serve_tcp` and its like do it by themselves if there is unread input
    when a handler returns; a handler that knows that more will come calls this.

    With TLS 1.2 and older, which cannot end one direction alone, it only closes.

    Raises:
        TypeError: `stream` is no `ByteStream`.
        CancelledError: the task is in a cancelled scope; the stream is closed then, at once.

    A checkpoint. Errors of the connection are none here: it ends anyway.

    Example:
        >>> import giambio
        >>> async def handler(stream):
        ...     await stream.receive(10)  # the rest does not matter
        ...     await stream.send_all(b"too long")
        ...     await giambio.lingering_close(stream)
        >>> async def main():
        ...     client, server = giambio.socketpair()
        ...     async with client, giambio.TaskManager() as manager:
        ...         await manager.spawn(handler, server)
        ...         await client.send_all(b"a long request")
        ...         await client.send_eof()
        ...         return await client.receive(), await client.receive()
        >>> giambio.run(main)
        (b'too long', b'')
    """
    if not isinstance(stream, ByteStream):
        raise TypeError(f"lingering_close() needs a ByteStream, such as a socket, not {stream!r}")
    async with stream:
        with suppress(OSError, GiambioError, NotImplementedError), move_on_after(LINGERING_TIME):
            await stream.send_eof()
            more = True
            while more:
                with fail_after(LINGERING_TIMEOUT):
                    more = bool(await stream.receive())


def has_unread_input(stream: Any) -> bool:
    """Return whether closing a connection now would reset it; False for what is no socket."""
    if not isinstance(stream, AsyncSocket):
        return False
    try:  # `suppress` would be a fifth of what the end of a connection costs
        return bool(stream._open_socket().recv(1, socket.MSG_PEEK))
    except (OSError, GiambioError):
        return False
