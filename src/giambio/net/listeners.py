"""Listeners: sockets that accept connections, and survive the failure of any of them.

Unless they are told otherwise they listen on this machine's loopback alone: a server that is
tried out should not be open to the network by accident.
"""

from __future__ import annotations

import errno
import logging
import socket
from contextlib import ExitStack
from math import inf
from typing import Any

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.kernel.checkpoints import checkpoint_if_cancelled, current_time, sleep
from giambio.net.address import IP, parse, written
from giambio.net.hosts import addresses_of, bound_socket, check_reuse_port, no_attempt_left
from giambio.net.resolver import numeric_address
from giambio.net.socket import AsyncSocket, wrap_socket
from giambio.net.socket_operations import error_numbers
from giambio.streams.abc import Listener

__all__ = ["BACKLOG", "LOOPBACK", "SocketListener", "open_tcp_listeners"]

#: The host of servers that are told none.
LOOPBACK = "localhost"

#: As many as the system allows: it takes 16 bits, and cuts the number down to its own limit.
BACKLOG = 65535

#: How long to wait, in seconds, for descriptors or memory to become free.
PAUSE = 0.1

#: How long not to log the same again, in seconds.
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

    Unlike the socket's own, its `accept` survives errors that are no fault of
    the listener: it waits while the process or the system is out of descriptors or
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

    __slots__ = ("_complain_from", "_on_close", "_sock")

    def __init__(self, sock: AsyncSocket) -> None:
        if not isinstance(sock, AsyncSocket):
            raise TypeError(f"SocketListener() needs an AsyncSocket, not {sock!r}")
        self._sock = sock
        # The file of a Unix socket is removed by it.
        self._on_close = ExitStack()
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
            ...         async with giambio.connect_tcp(*listener.address) as client:
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
        self._on_close.close()

    def _complain(self, exc: OSError) -> None:
        now = current_time()
        if now >= self._complain_from:
            self._complain_from = now + SILENCE
            log.error("cannot accept connections at %s for now: %s", self.address, exc)

    def __repr__(self) -> str:
        where = "closed" if self._sock.fileno() < 0 else f"at {self.address}"
        return f"<giambio.{type(self).__name__} {where}>"


#: Errors that pass: a resource has run out, or a connection broke before it was accepted
#: (accept(2), "Error handling").
TRANSIENT = error_numbers(
    *("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
    *("ENETDOWN", "EPROTO", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "ENETUNREACH"),
    "EPERM",  # a firewall forbids this one connection
)

#: Errors of an address, or a family of addresses, that this machine does not have.
NOT_HERE = error_numbers("EAFNOSUPPORT", "EADDRNOTAVAIL")


async def open_tcp_listeners(
    port: int, *, host: str | None = LOOPBACK, backlog: int = BACKLOG, reuse_port: bool = False
) -> list[SocketListener]:
    """Listen for TCP connections, by IPv4 and IPv6.

    Parameters:
        port: a number; 0 for any free one, which is the same for all.
        host: a name or an address of this machine. ``"localhost"``, the default, is 127.0.0.1
            and, where it exists, ::1, which only programs on this machine reach. None is all
            addresses of the machine, and ``"0.0.0.0"`` all of IPv4.
        backlog: how many connections may wait to be accepted; by default as
            many as the system allows.
        reuse_port: True lets other sockets that say so share the port
            (``SO_REUSEPORT``); the system spreads the connections over them.

    Returns:
        A list of `SocketListener`, one for each address. A family of addresses
        that this machine does not have is left out.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        socket.gaierror: the name cannot be resolved.
        OSError: the port is taken, or the address is not of this machine.
        CancelledError: the task is in a cancelled scope.

    A checkpoint, which waits only for a name. Cancelled, nothing is left open.
    Where it listens is logged (INFO, logger ``giambio``).
    Data on the connections is sent without delay (``TCP_NODELAY``).

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
    check_int("open_tcp_listeners()", "backlog", backlog, 0, "number of connections")
    check_reuse_port("open_tcp_listeners()", reuse_port)
    if host == LOOPBACK:
        await checkpoint_if_cancelled()
        addresses = loopback(port)
    else:
        addresses = await addresses_of(host, port, socket.SOCK_STREAM, socket.AI_PASSIVE)
    tries_left = 0 if port else PORTS_TO_TRY
    while True:
        try:
            sockets = listening_sockets(addresses, backlog, reuse_port)
        except OSError as exc:
            if not tries_left or exc.errno != errno.EADDRINUSE:
                raise
            tries_left -= 1
        else:
            listeners = [SocketListener(wrap_socket(sock)) for sock in sockets]
            announce(listeners, host)
            return listeners


def loopback(port: int) -> list[tuple[int, Any]]:
    """Return the addresses of ``"localhost"``.

    It is no name that a file or a name server could send elsewhere (RFC 6761).
    """
    what = "open_tcp_listeners()"
    return [(family, numeric_address(what, family, (LOOPBACK, port))) for family in IP]


def announce(listeners: list[SocketListener], host: str | None) -> None:
    """Log what is listened on and, if that is the default, how to open it to others."""
    places = [written(listener.address) for listener in listeners]
    hint = "; host=None opens it to other machines" if host == LOOPBACK else ""
    logging.getLogger("giambio").info("listening on %s%s", " and ".join(places), hint)


def listening_sockets(
    addresses: list[tuple[int, Any]], backlog: int, reuse_port: bool
) -> list[socket.socket]:
    """Listen at each address, all on the port that the first of them has, or has got.

    Raises:
        OSError: a port is taken or forbidden, or none of the addresses is of this machine.
    """
    sockets: list[socket.socket] = []
    missing: list[OSError] = []
    with ExitStack() as opened:
        for family, (host, port, *rest) in addresses:
            if sockets:
                port = sockets[0].getsockname()[1]
            try:
                sock = bound_socket(family, socket.SOCK_STREAM, (host, port, *rest), reuse_port)
            except OSError as exc:
                if exc.errno not in NOT_HERE:
                    raise
                missing.append(exc)
            else:
                sockets.append(opened.enter_context(sock))
        for sock in sockets:
            # Connections inherit it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.listen(backlog)
        opened.pop_all()
    if not sockets:
        raise no_attempt_left("listening", missing)
    return sockets


final(SocketListener)
