"""Addresses: what a user may write, and what the system takes.

An address is what the socket's family takes, and for IPv4 and IPv6 also a
string: ``"host"``, ``"host:port"``, ``"[v6]:port"``. Two or more colons without
brackets are a bare IPv6 address, so that ``"::1"`` is not a host ``":"``.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from giambio.arguments import is_int

__all__ = ["HTTP_PORT", "is_numeric", "parse"]

#: The port of a bare host in `connect`: a page scraper's.
HTTP_PORT = 80

FORMS = 'write "host", "host:port", "[v6]:port" or (host, port)'
UNIX_FORMS = "write the path of the socket"


def parse(family: int, address: Any, default_port: int | None = None) -> Any:
    """Check an address, and bring it into the form that the system takes.

    Parameters:
        family: the socket's address family.
        address: what the user wrote.
        default_port: the port of an address without one; None: it must have one.

    Returns:
        For IPv4 and IPv6 a tuple that begins with host and port, otherwise the
        address itself.

    Raises:
        TypeError: it is of the wrong type.
        ValueError: it is malformed.

    Example:
        >>> parse(socket.AF_INET, "example.com", HTTP_PORT)
        ('example.com', 80)
        >>> parse(socket.AF_INET6, "[::1]:8080")
        ('::1', 8080)
    """
    if family == getattr(socket, "AF_UNIX", None):
        return parse_path(address)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return address
    if isinstance(address, str):
        host, port = split(address)
        check_host(address, host)
        if port is None:
            port = default_port
        if port is None:
            raise ValueError(f"bad address {address!r}: it has no port; {FORMS}")
        return host, port
    if isinstance(address, (tuple, list)):
        return check_pair(family, tuple(address))
    raise TypeError(f"bad address {address!r}; {FORMS}")


def parse_path(address: Any) -> str | bytes:
    """The path of a Unix socket."""
    if not isinstance(address, (str, bytes, os.PathLike)):
        raise TypeError(f"bad address {address!r} for a Unix socket; {UNIX_FORMS}")
    path: str | bytes = os.fspath(address)
    if not path:
        raise ValueError(f"bad address {address!r} for a Unix socket: it is empty; {UNIX_FORMS}")
    return path


def split(address: str) -> tuple[str, int | None]:
    """Split ``"host:port"``, where the port may be missing."""
    if not address:
        raise ValueError(f"bad address {address!r}: it is empty; {FORMS}")
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"bad address {address!r}: the brackets do not match; {FORMS}")
        if not host:
            raise ValueError(f"bad address {address!r}: it has no host; {FORMS}")
        return host, to_port(address, rest[1:]) if rest else None
    if address.count(":") >= 2:
        return address, None
    host, colon, port = address.partition(":")
    if not host:
        raise ValueError(f"bad address {address!r}: it has no host; {FORMS}")
    return host, to_port(address, port) if colon else None


def to_port(address: str, text: str) -> int:
    """The number of a port that was written out."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= 65535):
        raise ValueError(
            f"bad address {address!r}: the port must be a number from 0 to 65535; {FORMS}"
        )
    return int(text)


def check_host(address: Any, host: str) -> None:
    """Refuse what the system would take for the end of the host."""
    if "\0" in host:
        raise ValueError(f"bad address {address!r}: the host has a null character; {FORMS}")


def check_pair(family: int, address: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check ``(host, port)``, for IPv6 perhaps with flow info and scope id."""
    longest = 4 if family == socket.AF_INET6 else 2
    if not 2 <= len(address) <= longest:
        raise ValueError(
            f"bad address {address!r}: it has {len(address)} items, not (host, port); {FORMS}"
        )
    host, port = address[0], address[1]
    if not isinstance(host, str):
        raise TypeError(f"bad address {address!r}: the host must be a string; {FORMS}")
    check_host(address, host)
    if not is_int(port):
        raise TypeError(f"bad address {address!r}: the port must be a whole number; {FORMS}")
    if not 0 <= port <= 65535:
        raise ValueError(
            f"bad address {address!r}: the port must be a number from 0 to 65535; {FORMS}"
        )
    if not all(isinstance(number, int) for number in address[2:]):
        raise TypeError(
            f"bad address {address!r}: flow info and scope id must be whole numbers; {FORMS}"
        )
    return address


def is_numeric(family: int, host: str) -> bool:
    """Tell whether a host is an address already, and needs no look-up.

    Example:
        >>> is_numeric(socket.AF_INET, "127.0.0.1"), is_numeric(socket.AF_INET, "localhost")
        (True, False)
    """
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except (OSError, UnicodeEncodeError):
        return False
    return True
