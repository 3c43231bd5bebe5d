"""What every Python echo server here shares: where it listens and how it says so.

The harness starts a server, reads one line "PORT DESCRIPTION" from its standard
output, measures, and kills it. Keeping this in one place means that the server
files contain only what a user of that library would write.
"""

from __future__ import annotations

import socket

BACKLOG = 4096
RECEIVE_SIZE = 65536
"""How much every server asks for at a time: asyncio's and Trio's own default."""


def open_listener() -> socket.socket:
    """A non-blocking listening socket on a free port of the loopback.

    Accepted sockets inherit its congestion control. Machines differ in their
    default, and some (BBR) pace what they send with timers; Reno is always
    there and does nothing as long as no packet is lost.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    listener.setblocking(False)
    return listener


def announce(listener: socket.socket, description: str) -> None:
    """Tell the harness that connections to `listener` will now be served."""
    print(listener.getsockname()[1], description, flush=True)


def set_nodelay(connection: socket.socket) -> None:
    """Send small messages at once, where the library does not see to it itself."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
