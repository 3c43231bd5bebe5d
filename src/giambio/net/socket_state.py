"""What a socket is inside: the plain socket, its readiness, and who may use it.

`AsyncSocket` is an `SocketState` with methods for users; the operations behind
those methods work on the `SocketState`.
"""

from __future__ import annotations

import socket as stdlib_socket
from typing import Any

from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.errors import ClosedResourceError
from giambio.kernel.kernel import Kernel
from giambio.kernel.tracebacks import user_place
from giambio.net import syscalls, wait_fd
from giambio.net.syscalls import ReceiveBuffer

__all__ = ["SocketState", "closed_error"]

IP = (stdlib_socket.AF_INET, stdlib_socket.AF_INET6)

#: The plain sockets behind open `AsyncSocket`s. It keeps them out of the garbage
#: collector's hands, which would close and report one before the `AsyncSocket` around it.
owned: set[stdlib_socket.socket] = set()


class SocketState:
    """A socket, as the operations see it."""

    __slots__ = (
        "__weakref__",
        "_broken_by",
        "_buffer",
        "_fd",
        "_kernel",
        "_made_at",
        "_plenty",
        "_send_broken",
        "_short_reads",
        "_sock",
        "_source",
    )

    def __init__(self, kernel: Kernel, sock: stdlib_socket.socket) -> None:
        self._kernel = kernel
        self._sock = sock
        self._fd = sock.fileno()
        self._short_reads = sock.type == stdlib_socket.SOCK_STREAM and sock.family in IP
        # Whether the last `receive` got most of what it asked for, and that was much.
        self._plenty = False
        self._send_broken = False
        # The number of the error that broke the connection. The system tells of it once, to
        # a reader or to a writer, and then of an end, as if nothing were missing.
        self._broken_by = 0
        self._buffer: ReceiveBuffer = receive_buffer(kernel)
        self._made_at = user_place()
        owned.add(sock)
        self._source: Source | None = Source(self._fd)  # from here on it is open

    def close_now(self) -> None:
        """Release the descriptor, and tell who waits on it."""
        source = self._source
        if source is None:
            return
        self._source = None
        driver = self._kernel._driver
        if driver is not None:
            driver.forget(source)
            wait_fd.end_watches(driver, self._fd)
        self._sock.close()
        owned.discard(self._sock)
        reader = source.reader
        writer = source.writer
        source.reader = None
        source.writer = None
        if reader is not None:
            reader._ready()
        if writer is not None:
            writer._ready()

    def made_here(self) -> None:
        """Take the calling user's code for the place where it was made."""
        self._made_at = user_place()

    def _open_socket(self) -> stdlib_socket.socket:
        """The socket behind it.

        Raises:
            ClosedResourceError: it is closed.
        """
        if self._source is None:
            raise closed_error()
        return self._sock

    def _wait(self, source: Source, direction: int) -> None:
        """Have the driver report from now on."""
        if source.armed & direction:
            return  # as it does already, on a busy connection; saves 80 instructions
        driver = self._kernel._driver
        if driver is not None:
            try:
                driver.arm(source, direction)
            except BaseException:
                if direction == interest.READING:
                    source.reader = None
                else:
                    source.writer = None
                raise

    def _accepted(self, connection: stdlib_socket.socket) -> Any:
        """Make what `accept` gives out, of a connection."""
        raise NotImplementedError


def closed_error() -> ClosedResourceError:
    """The error of using a closed socket."""
    return ClosedResourceError("this socket is closed; make a new one to connect again")


def receive_buffer(kernel: Kernel) -> ReceiveBuffer:
    """The one receive buffer of a loop."""
    buffer: ReceiveBuffer | None = kernel._services.get("receive buffer")
    if buffer is None:
        buffer = kernel._services["receive buffer"] = ReceiveBuffer(syscalls.RECEIVE_BUFFER)
    return buffer
