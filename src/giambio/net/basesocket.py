"""What stream and datagram sockets have in common: closing, names, options."""

from __future__ import annotations

import socket as stdlib_socket
import sys
import warnings
import weakref
from types import TracebackType
from typing import Any

from giambio.kernel.operation import Closed, Immediate, Operation
from giambio.net.address import parse
from giambio.net.resolver import numeric_address
from giambio.net.socket_state import SocketState

__all__ = ["BaseSocket", "take_over"]


class BaseSocket(SocketState):
    """The part of a socket that does not depend on what it carries."""

    __slots__ = ()

    #: How `repr` calls the class, and the kind of socket that it is for.
    _called = "BaseSocket"
    _kind = "socket"

    # -- closing -----------------------------------------------------------------------------

    def close(self) -> Operation:
        """Close the socket, at once; awaiting the result is welcome but not needed.

        Who waits on the socket gets a `ClosedResourceError`. Closing twice is
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

    def aclose(self) -> Operation:
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

    def __enter__(self) -> BaseSocket:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_now()

    def __aenter__(self) -> Operation:
        return Immediate(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self.close_now()
        return Immediate(None)

    def __del__(self) -> None:
        try:
            left_open = self._source is not None
        except AttributeError:  # its constructor was called with the wrong arguments
            return
        if left_open:
            # Described first, because a closed socket has nothing to say.
            text = f"{self!r} made at {self._made_at} was dropped without being closed"
            self.close_now()
            warnings.warn(text, ResourceWarning, stacklevel=2, source=None)

    # -- names and options ---------------------------------------------------------------------

    def bind(self, address: Any) -> None:
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
        address = parse(sock.family, address)
        sock.bind(numeric_address("bind()", sock.family, address))

    def fileno(self) -> int:
        """The descriptor; -1 when the socket is closed. Not a checkpoint.

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
        """The local address. Not a checkpoint.

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
        """The address of the other side. Not a checkpoint.

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

    def setsockopt(self, level: int, option: int, value: Any) -> None:
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

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """Read an option; as `socket.socket.getsockopt`. Not a checkpoint.

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
        if size:
            return self._open_socket().getsockopt(level, option, size)
        return self._open_socket().getsockopt(level, option)

    def __repr__(self) -> str:
        family = FAMILIES.get(self._sock.family, str(self._sock.family))
        state = "closed" if self._source is None else self._kind
        return f"<giambio.{self._called} {family} {state}>"


FAMILIES = {stdlib_socket.AF_INET: "IPv4", stdlib_socket.AF_INET6: "IPv6"}
if hasattr(stdlib_socket, "AF_UNIX"):
    FAMILIES[stdlib_socket.AF_UNIX] = "Unix"

wrapped: weakref.WeakSet[stdlib_socket.socket] = weakref.WeakSet()


def take_over(cls: type[BaseSocket], what: str, sock: Any, wanted: int, hint: str) -> None:
    """Check a plain socket that is to be wrapped, and prepare it.

    Parameters:
        cls: the class that is to be around it.
        what: who asks, for messages: ``"wrap_socket()"``.
        sock: the socket.
        wanted: the type it must have, such as `socket.SOCK_STREAM`.
        hint: what to do with a socket of another type.

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
            f"this socket was wrapped already; use the {cls._called} that you got the first time"
        )
    if sock.fileno() < 0:
        raise ValueError(f"{what} needs an open socket, and this one is closed")
    if sock.type != wanted:
        raise TypeError(f"{what} needs a {cls._kind} socket, not {sock.type!r}; {hint}")
    sock.setblocking(False)
    wrapped.add(sock)
