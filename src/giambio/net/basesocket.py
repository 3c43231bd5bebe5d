"""The common part of stream and datagram sockets.

A socket is a plain, non-blocking one and a `Source`, which remembers whether that is ready and
which operations use its two ends. The operations behind the methods of `AsyncSocket` and
`AsyncDatagramSocket` work on these; so do closing, names and options.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
import sys
import warnings
import weakref
from typing import Any, Self, overload

from giambio.arguments import ReadableBuffer
from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.errors import ClosedResourceError
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Closed, Immediate, Operation
from giambio.kernel.tracebacks import DROPPER, user_place
from giambio.net import syscalls, wait_fd
from giambio.net.address import IP, UNIX, Address, parse, written
from giambio.net.resolver import numeric_address
from giambio.net.syscalls import ReceiveBuffer

__all__ = ["BaseSocket", "closed_error", "take_over"]

FAMILIES = {stdlib_socket.AF_INET: "IPv4", stdlib_socket.AF_INET6: "IPv6", UNIX: "Unix"}

#: The plain sockets behind open `BaseSocket`s. It keeps them out of the garbage collector's
#: hands, which would close and report one before the `BaseSocket` around it.
owned: set[stdlib_socket.socket] = set()

#: The plain sockets that users have handed over, open or closed.
wrapped: weakref.WeakSet[stdlib_socket.socket] = weakref.WeakSet()

#: A plain socket's kind and family, as numbers. Its own properties look for a name for each, which
#: takes longer than all else that is done for a new connection.
type_of = stdlib_socket.SocketType.type.__get__
family_of = stdlib_socket.SocketType.family.__get__


class BaseSocket:
    """A socket of any kind, for the tasks of one loop."""

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

    #: The kind of socket that it is for, as messages call it.
    _kind = "socket"

    def __init__(self, kernel: Kernel, sock: stdlib_socket.socket) -> None:
        self._kernel = kernel
        self._sock = sock
        self._fd = sock.fileno()
        self._short_reads = has_short_reads(type_of(sock), family_of(sock))
        # Whether the last `receive` asked for much, and got most of it.
        self._plenty = False
        self._send_broken = False
        # The number of the error that broke the connection. The system reports it once, to
        # a reader or to a writer, and then an end, as if nothing were missing.
        self._broken_by = 0
        self._buffer: ReceiveBuffer = receive_buffer(kernel)
        self._made_at = user_place()
        source = Source(self._fd)
        owned.add(sock)
        self._source: Source | None = source  # from here on it is open

    # -- closing -----------------------------------------------------------------------------

    def close(self) -> Operation[None]:
        """Close the socket, at once; awaiting the result is welcome but not needed.

        Tasks that wait on the socket get a `ClosedResourceError`. Closing twice is
        harmless.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint that never waits. Works after the loop has ended.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     sock = giambio.wrap_socket(socket.socket())
            ...     await sock.close()
            ...     await sock.close()
            >>> giambio.run(main)
        """
        self.close_now()
        return Closed()

    def aclose(self) -> Operation[None]:
        """The same as `close`, by the name that `contextlib.aclosing` looks for.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint that never waits.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     await giambio.wrap_socket(socket.socket()).aclose()
            >>> giambio.run(main)
        """
        return self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close_now()

    def __aenter__(self) -> Operation[Self]:
        return Immediate(self)

    def __aexit__(self, *exc_info: object) -> Operation[None]:
        self.close_now()
        return Immediate(None)

    def __del__(self) -> None:
        try:
            left_open = self._source is not None
        except AttributeError:  # its constructor was called with the wrong arguments
            return
        if left_open:
            # Described first, because a closed socket has no name.
            text = f"{self!r} made at {self._made_at} was dropped without being closed"
            self.close_now()
            warnings.warn(text, ResourceWarning, stacklevel=DROPPER, source=None)

    # -- names and options ---------------------------------------------------------------------

    def bind(self, address: Address) -> None:
        """Give the socket a local address.

        Parameters:
            address: as for `connect`, but with a port (0: any free one) and
                without names: numeric, ``""`` for every interface, or
                ``"localhost"``.

        Raises:
            TypeError, ValueError: the address is malformed, or a name.
            OSError: it is in use, or not an address of this machine.
            ClosedResourceError: the socket is closed.

        Not a checkpoint.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     with giambio.wrap_socket(socket.socket()) as sock:
            ...         sock.bind("127.0.0.1:0")
            >>> giambio.run(main)
        """
        sock = self._open_socket()
        sock.bind(numeric_address("bind()", sock.family, parse(sock.family, address)))

    def fileno(self) -> int:
        """Return the descriptor; -1 when the socket is closed. Not a checkpoint.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     sock = giambio.wrap_socket(socket.socket())
            ...     sock.close()
            ...     return sock.fileno()
            >>> giambio.run(main)
            -1
        """
        return -1 if self._source is None else self._fd

    @property
    def family(self) -> int:
        """The address family, such as `socket.AF_INET`.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.family == socket.AF_INET)
            True
        """
        return self._sock.family

    def getsockname(self) -> Any:
        """Return the local address. Not a checkpoint.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: the system refuses.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.getsockname())
            ('0.0.0.0', 0)
        """
        return self._open_socket().getsockname()

    def getpeername(self) -> Any:
        """Return the address of the other side. Not a checkpoint.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: it is not connected.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.getpeername())
            Traceback (most recent call last):
            OSError: [Errno 107] Transport endpoint is not connected
        """
        return self._open_socket().getpeername()

    def setsockopt(self, level: int, option: int, value: int | ReadableBuffer) -> None:
        """Set an option; as `socket.socket.setsockopt`. Not a checkpoint.

        Parameters:
            level: such as `socket.SOL_SOCKET`.
            option: such as `socket.SO_REUSEADDR`.
            value: a number or bytes.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: the system refuses.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        """
        self._open_socket().setsockopt(level, option, value)

    @overload
    def getsockopt(self, level: int, option: int) -> int: ...

    @overload
    def getsockopt(self, level: int, option: int, size: int) -> bytes: ...

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        """Get an option; as `socket.socket.getsockopt`. Not a checkpoint.

        Parameters:
            level: such as `socket.SOL_SOCKET`.
            option: such as `socket.SO_REUSEADDR`.
            size: 0 for a number, otherwise the most bytes to return.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: the system refuses.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            0
        """
        return self._open_socket().getsockopt(level, option, size)

    def __repr__(self) -> str:
        family = FAMILIES.get(self._sock.family, str(self._sock.family))
        state = "closed" if self._source is None else self._kind + where(self._sock)
        return f"<giambio.{type(self).__name__} {family} {state}>"

    # -- for operations ------------------------------------------------------------------------

    def close_now(self) -> None:
        """Release the descriptor, and wake the tasks that wait on it."""
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
        waiters = (source.reader, source.writer)
        source.reader = None
        source.writer = None
        for waiter in waiters:
            if waiter is not None:
                waiter._ready()

    def _open_socket(self) -> stdlib_socket.socket:
        """Return the plain socket.

        Raises:
            ClosedResourceError: it is closed.
        """
        if self._source is None:
            raise closed_error()
        return self._sock

    def _wait(self, source: Source, direction: int) -> None:
        """Have the driver report readiness from now on."""
        if source.armed & direction:
            return  # it does already, on a busy connection
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

    def _how_it_broke(self) -> OSError:
        """Return the error that broke the connection, for an operation that missed it."""
        return OSError(self._broken_by, os.strerror(self._broken_by))


def take_over(cls: type[BaseSocket], what: str, sock: Any, wanted: int, hint: str) -> None:
    """Check a plain socket that is to be wrapped, and make it non-blocking.

    Parameters:
        cls: the class that wraps it.
        what: the call, for messages: ``"wrap_socket()"``.
        sock: the socket.
        wanted: the type it must have, such as `socket.SOCK_STREAM`.
        hint: advice for a socket of another type.

    Raises:
        TypeError: it is no such socket.
        ValueError: it is closed, or was wrapped already.
    """
    if not isinstance(sock, stdlib_socket.socket):
        raise TypeError(f"{what} needs a socket.socket, not {sock!r}")
    ssl = sys.modules.get("ssl")
    if ssl is not None and isinstance(sock, ssl.SSLSocket):
        raise TypeError(f"{what} needs a plain socket, not one that speaks TLS")
    if sock in wrapped:
        raise ValueError(
            f"this socket was wrapped already; use the {cls.__name__} that you got the first time"
        )
    if sock.fileno() < 0:
        raise ValueError(f"{what} needs an open socket, and this one is closed")
    if sock.type != wanted:
        raise TypeError(f"{what} needs a {cls._kind} socket, not {sock.type!r}; {hint}")
    sock.setblocking(False)
    wrapped.add(sock)


def has_short_reads(kind: int, family: int) -> bool:
    """Return whether to receive less than one has asked for means that there is no more."""
    return kind == stdlib_socket.SOCK_STREAM and family in IP


def where(sock: stdlib_socket.socket) -> str:
    """Return what a socket is connected to, else what it is bound to, with a word before."""
    for word, name in (("to", sock.getpeername), ("at", sock.getsockname)):
        try:
            text = written(name())
        except OSError:
            continue
        if text:
            return f" {word} {text}"
    return ""


def closed_error() -> ClosedResourceError:
    """Return the error of using a closed socket."""
    return ClosedResourceError("this socket is closed; make a new one to connect again")


def receive_buffer(kernel: Kernel) -> ReceiveBuffer:
    """Return the one receive buffer of a loop."""
    buffer: ReceiveBuffer | None = kernel._services.get("receive buffer")
    if buffer is None:
        buffer = kernel._services["receive buffer"] = ReceiveBuffer(syscalls.RECEIVE_BUFFER)
    return buffer
