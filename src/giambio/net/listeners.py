"""Listeners: sockets that take connections, and stay alive whatever happens to one."""

from __future__ import annotations

import errno
import logging
import socket
from math import inf
from typing import Any

from giambio._build.sealed import final
from giambio.kernel.checkpoints import current_time, sleep
from giambio.net.address import parse
from giambio.net.attempts import no_attempt_left
from giambio.net.binding import bound_socket, check_backlog, check_reuse_port
from giambio.net.resolver import getaddrinfo
from giambio.net.socket import AsyncSocket, wrap_socket
from giambio.net.socketfile import SocketFile
from giambio.streams.abc import Listener

__all__ = ["BACKLOG", "SocketListener", "open_tcp_listeners"]

#: As many as the system allows: it takes this for 16 bits, and cuts it down to its own limit.
BACKLOG = 65535

#: How long to wait, in seconds, for descriptors or memory to become free.
PAUSE = 0.1

#: How long not to complain again.
SILENCE = 60.0

#: The same port must be free for IPv4 and IPv6; if it is not, another one is tried.
PORTS_TO_TRY = 20

log = logging.getLogger("giambio.serve")


class SocketListener(Listener):
    """A listening socket: `open_tcp_listeners` and `open_unix_listener` make them.

    Parameters:
        sock: an `AsyncSocket` that listens; it belongs to the listener from now
            on. So a socket that systemd or a parent process has opened can be
            given to `serve_listeners`.

    Unlike the socket's own, its `accept` survives what is no fault of the
    listener: it waits while the process or the system is out of descriptors or
    memory, and passes over a connection that broke before it was accepted.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     plain = socket.create_server(("127.0.0.1", 0))
        ...     with giambio.SocketListener(giambio.wrap_socket(plain)) as listener:
        ...         return listener.address[0]
        >>> giambio.run(main)
        '127.0.0.1'
    """

    __slots__ = ("_complain_from", "_file", "_sock")

    def __init__(self, sock: AsyncSocket) -> None:
        if not isinstance(sock, AsyncSocket):
            raise TypeError(f"SocketListener() needs an AsyncSocket, not {sock!r}")
        self._sock = sock
        # The file of a Unix socket, if it is to go with the listener.
        self._file: SocketFile | None = None
        self._complain_from = -inf

    @property
    def address(self) -> Any:
        """The address that it listens on: host and port, or the path of a Unix socket.

        Raises:
            ClosedResourceError: it is closed.

        Example:
            >>> import giambio
            >>> async def main():
            ...     (listener,) = await giambio.open_tcp_listeners(0, host="127.0.0.1")
            ...     with listener:
            ...         host, port = listener.address
            ...         return host, port > 0
            >>> giambio.run(main)
            ('127.0.0.1', True)
        """
        return self._sock.getsockname()

    async def accept(self) -> tuple[AsyncSocket, Any]:
        """Wait for a connection.

        Returns:
            A pair of the connection and the address of the other side.

        Raises:
            OSError: the socket does not listen.
            BusyResourceError: another task is accepting.
            ClosedResourceError: the listener is closed, or was while waiting.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, no connection was taken. Out of descriptors or
        memory, it tries again ten times a second, and says so on the logger
        ``giambio.serve``, once a minute at most.

        Example:
            >>> import giambio
            >>> async def main():
            ...     (listener,) = await giambio.open_tcp_listeners(0, host="127.0.0.1")
            ...     with listener:
            ...         with await giambio.connect_tcp(*listener.address) as client:
            ...             connection, address = await listener.accept()
            ...             with connection:
            ...                 return address == client.getsockname()
            >>> giambio.run(main)
            True
        """
        while True:
            try:
                accepted: tuple[AsyncSocket, Any] = await self._sock.accept()
            except OSError as exc:
                if exc.errno not in TRANSIENT:
                    raise
                self._complain(exc)
                await sleep(PAUSE)
            else:
                return accepted

    def close_now(self) -> None:
        """See `Closeable.close_now`; the file of a Unix socket is removed, if it is its own."""
        self._sock.close_now()
        if self._file is not None:
            self._file.remove()
            self._file = None

    def _complain(self, exc: OSError) -> None:
        now = current_time()
        if now >= self._complain_from:
            self._complain_from = now + SILENCE
            log.error("cannot accept connections at %s for now: %s", self.address, exc)

    def __repr__(self) -> str:
        where = "closed" if self._sock.fileno() < 0 else f"at {self.address}"
        return f"<giambio.{type(self).__name__} {where}>"


def error_numbers(*names: str) -> frozenset[int]:
    """The numbers of errors, of those that this system has."""
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


#: What passes: too little of something, or a connection of which the system tells at
#: `accept` that it broke (accept(2), "Error handling").
TRANSIENT = error_numbers(
    *("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
    *("ENETDOWN", "EPROTO", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "ENETUNREACH"),
    "EPERM",  # a firewall forbids this one connection
)

#: What says that this machine does not have the family of an address, or the address.
NOT_HERE = error_numbers("EAFNOSUPPORT", "EADDRNOTAVAIL")


async def open_tcp_listeners(
    port: int, *, host: str | None = None, backlog: int = BACKLOG, reuse_port: bool = False
) -> list[SocketListener]:
    """Listen for TCP connections, by IPv4 and IPv6.

    Parameters:
        port: a number; 0 for any free one, which is the same for all.
        host: a name or an address of this machine; None, the default, for all
            of its addresses.
        backlog: how many connections may wait to be accepted; by default as
            many as the system allows.
        reuse_port: True lets other sockets that say so share the port
            (``SO_REUSEPORT``); the system spreads the connections over them.

    Returns:
        A list of `SocketListener`, one for each address. A family of addresses
        that this machine does not have is left out.

    Raises:
        TypeError, ValueError: a parameter is not what it must be.
        socket.gaierror: the name cannot be resolved.
        OSError: the port is taken, or the address is not of this machine.
        CancelledError: the task is in a cancelled scope.

    A checkpoint, which waits only for a name. Cancelled, nothing is left open.
    What is sent on the connections is sent without delay (``TCP_NODELAY``).

    Example:
        >>> import giambio
        >>> async def main():
        ...     listeners = await giambio.open_tcp_listeners(0, host="127.0.0.1")
        ...     for listener in listeners:
        ...         await listener.close()
        ...     return len(listeners)
        >>> giambio.run(main)
        1
    """
    host = host or None
    parse(socket.AF_INET, (host or "::", port))
    check_backlog("open_tcp_listeners()", backlog)
    check_reuse_port("open_tcp_listeners()", reuse_port)
    found = await getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"no address found for {host!r}")
    plain = bound_sockets(addresses, reuse_port)
    try:
        for sock in plain:
            # Connections inherit it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.listen(backlog)
    except BaseException:
        for sock in plain:
            sock.close()
        raise
    return [SocketListener(wrap_socket(sock)) for sock in plain]


def bound_sockets(addresses: list[tuple[int, Any]], reuse_port: bool) -> list[socket.socket]:
    """A socket for each address, all with one port.

    Raises:
        OSError: a port is taken or forbidden, or none of the addresses is of this machine.
    """
    for _ in range(PORTS_TO_TRY):
        try:
            return bound_to_one_port(addresses, reuse_port)
        except OSError as exc:
            any_port = not addresses[0][1][1]
            if not any_port or exc.errno != errno.EADDRINUSE:
                raise
    return bound_to_one_port(addresses, reuse_port)


def bound_to_one_port(addresses: list[tuple[int, Any]], reuse_port: bool) -> list[socket.socket]:
    """Try to bind to the port that the first address has, or has got."""
    sockets: list[socket.socket] = []
    missing: list[OSError] = []
    for family, (host, port, *rest) in addresses:
        if sockets:
            port = sockets[0].getsockname()[1]
        address = (host, port, *rest)
        try:
            sockets.append(bound_socket(family, socket.SOCK_STREAM, address, reuse_port))
        except OSError as exc:
            if exc.errno in NOT_HERE:
                missing.append(exc)
                continue
            for sock in sockets:
                sock.close()
            raise
    if not sockets:
        raise no_attempt_left("listening", missing)
    return sockets


final(SocketListener)
