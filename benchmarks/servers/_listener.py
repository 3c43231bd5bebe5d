"""What every Python echo server here shares: where it listens and how it says so.

The harness starts a server, reads one line "ADDRESS DESCRIPTION" from its standard
output, measures, and kills it. With a file as its argument, a certificate and its
key, a server speaks TLS; with `unix` it has a Unix socket. Keeping this in one place
means that the server files contain only what a user of that library would write.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl import SSLContext

BACKLOG = 4096
RECEIVE_SIZE = 65536
"""How much a server asks for at a time, where its library has no default."""


UNIX = sys.argv[1:] == ["unix"]
"""Whether this run is about Unix sockets."""


def open_listener() -> socket.socket:
    """A non-blocking listening socket, on a free port of the loopback or a Unix socket.

    Accepted sockets inherit its congestion control. Machines differ in their
    default, and some (BBR) pace what they send with timers; Reno is always
    there and does nothing as long as no packet is lost.
    """
    if UNIX:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("")  # the system chooses a name for which no file is left over
        listener.listen(BACKLOG)
    else:
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    listener.setblocking(False)
    return listener


def announce(listener: Any, description: str) -> None:
    """Tell the harness that whoever comes to `listener` will now be served."""
    name = listener.getsockname()
    address = name[1:].decode() if UNIX else name[1]
    print(address, description, flush=True)


def set_nodelay(connection: Any) -> None:
    """Send small messages at once, where the library does not see to it itself."""
    if not UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def certificate() -> str | None:
    """The file to speak TLS with, if this run is to."""
    return sys.argv[1] if len(sys.argv) > 1 and not UNIX else None


def tls_context() -> SSLContext | None:
    """What to speak TLS with, if this run is to."""
    path = certificate()
    if path is None:
        return None
    import ssl  # not before, because it takes memory

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context
