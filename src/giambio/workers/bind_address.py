"""Where workers listen, as text: ``tcp://127.0.0.1:8080`` or ``unix:///run/app.sock``."""

from __future__ import annotations

import socket
from typing import NamedTuple

from giambio.net.address import parse, parse_path
from giambio.net.hosts import bound_socket
from giambio.net.listeners import SocketListener, open_tcp_listeners
from giambio.net.unix import open_unix_listener

__all__ = ["Bound", "bind", "check_address"]

FORMS = "write tcp://127.0.0.1:8080, tcp://[::1]:8080 or unix:///run/app.sock"


class Bound(NamedTuple):
    """What the parent holds of an address.

    Attributes:
        listeners: what workers share.
        addresses: where each worker listens by itself: the family, and the address.
        reserved: sockets that keep these ports for us, and do not listen.
    """

    listeners: list[SocketListener]
    addresses: list[tuple[int, tuple[str, int]]]
    reserved: list[socket.socket]


def check_address(text: str) -> None:
    """Raise unless a text is an address.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(text, str):
        raise TypeError(f"bad listener {text!r}: {FORMS}")
    scheme, rest = split(text)
    if scheme == "unix":
        parse_path(rest)
    elif scheme == "tcp":
        parse(socket.AF_INET, rest)
    else:
        raise ValueError(f"bad listener {text!r}: {FORMS}")


def split(text: str) -> tuple[str, str]:
    """Return the scheme and the rest; ``tcp`` if there is none."""
    scheme, separator, rest = text.partition("://")
    return (scheme, rest) if separator else ("tcp", text)


async def bind(text: str, reuse_port: bool) -> Bound:
    """Listen at an address, or reserve it for the workers.

    Raises:
        OSError: that is not possible, for instance because the port is taken.
    """
    scheme, rest = split(text)
    if scheme == "unix":
        return Bound([await open_unix_listener(rest)], [], [])
    host, port = parse(socket.AF_INET, rest)
    listeners = await open_tcp_listeners(port, host=host, reuse_port=reuse_port)
    if not reuse_port:
        return Bound(listeners, [], [])
    # A listener of the parent's would get its share of the connections, and accept none.
    addresses = []
    reserved = []
    for listener in listeners:
        family, address = listener._sock.family, listener.address
        reserved.append(bound_socket(family, socket.SOCK_STREAM, address, True))
        addresses.append((int(family), address))
        listener.close_now()
    return Bound([], addresses, reserved)
