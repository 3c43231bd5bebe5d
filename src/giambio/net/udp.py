"""Making UDP sockets: names are resolved, and each address is tried in turn."""

from __future__ import annotations

import socket
from typing import Any

from giambio.kernel.opening import Opening
from giambio.net.address import parse
from giambio.net.datagrams import AsyncDatagramSocket, wrap_datagram_socket
from giambio.net.hosts import (
    LocalAddress,
    addresses_of,
    bound_socket,
    check_reuse_port,
    local_choices,
    no_attempt_left,
)

__all__ = ["connect_udp", "open_udp"]


def open_udp(
    port: int = 0, *, host: str = "0.0.0.0", reuse_port: bool = False
) -> Opening[AsyncDatagramSocket]:
    """Open a UDP socket with an address of its own, which receives from any sender.

    Parameters:
        port: a number; 0, the default, for any free one.
        host: a name or an address of this machine; by default all of its IPv4
            addresses. ``"::"`` is all of its IPv6 addresses.
        reuse_port: True lets other sockets that say so share the port
            (``SO_REUSEPORT``); the system spreads the senders over them.

    Returns:
        Awaited, or entered with ``async with``: an `AsyncDatagramSocket`.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        socket.gaierror: the name cannot be resolved.
        OSError: the port is taken, or the address is not of this machine.
        CancelledError: the task is in a cancelled scope.

    A checkpoint, which waits only for a name. Cancelled, nothing is left open.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.open_udp(host="127.0.0.1") as sock:
        ...         return sock.getsockname()[0]
        >>> giambio.run(main)
        '127.0.0.1'
    """
    parse(socket.AF_INET, (host, port))
    check_reuse_port("open_udp()", reuse_port)
    return Opening("open_udp()", bind(host, port, reuse_port))


async def bind(host: str, port: int, reuse_port: bool) -> AsyncDatagramSocket:
    """Do the work of `open_udp`, whose arguments were checked."""
    errors = []
    for family, address in await addresses_of(host, port, socket.SOCK_DGRAM, socket.AI_PASSIVE):
        try:
            return wrap_datagram_socket(
                bound_socket(family, socket.SOCK_DGRAM, address, reuse_port)
            )
        except OSError as exc:
            errors.append(exc)
    raise no_attempt_left(f"binding to {(host, port)!r}", errors)


def connect_udp(
    host: str, port: int, *, local_address: LocalAddress = None
) -> Opening[AsyncDatagramSocket]:
    """Open a UDP socket that is connected to an address.

    It sends there only, and receives from there only. Nothing is sent yet, so
    success does not mean that somebody receives there.

    Parameters:
        host: a name or a numeric address.
        port: a number.
        local_address: where to send from; see `connect_tcp`.

    Returns:
        Awaited, or entered with ``async with``: an `AsyncDatagramSocket`.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        socket.gaierror: the name cannot be resolved.
        OSError: there is no way to any address of the host; see `connect_tcp`.
        CancelledError: the task is in a cancelled scope.

    A checkpoint, which waits only for a name. Cancelled, nothing is left open.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.connect_udp("127.0.0.1", 9) as sock:
        ...         return sock.getpeername()
        >>> giambio.run(main)
        ('127.0.0.1', 9)
    """
    parse(socket.AF_INET, (host, port))
    local = local_choices("connect_udp()", local_address)
    return Opening("connect_udp()", connect(host, port, local))


async def connect(host: str, port: int, local: dict[int, Any] | None) -> AsyncDatagramSocket:
    """Do the work of `connect_udp`, whose arguments were checked."""
    errors = []
    for family, address in await addresses_of(host, port, socket.SOCK_DGRAM, local=local):
        sock = wrap_datagram_socket(socket.socket(family, socket.SOCK_DGRAM))
        try:
            if local is not None:
                sock.bind(local[family])
            sock._open_socket().connect(address)
        except OSError as exc:
            sock.close_now()
            errors.append(exc)
        else:
            return sock
    raise no_attempt_left(f"connecting to {(host, port)!r}", errors)
