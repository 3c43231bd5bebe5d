"""Addresses: the forms that users may write, and the one that the system takes.

Every call that takes an address goes through `parse`, so all of them take the same forms. An
address is what the socket's family takes, and for IPv4 and IPv6 also a
string: ``"host"``, ``"host:port"``, ``"[v6]:port"``. Two or more colons without
brackets are a bare IPv6 address, so that ``"::1"`` is not a host ``":"``.
"""

from __future__ import annotations

import os
import socket
from typing import Any, TypeAlias

from giambio.arguments import is_int

__all__ = ["HTTP_PORT", "IP", "UNIX", "Address", "is_numeric", "parse", "written"]

#: The families whose addresses begin with host and port.
IP = (socket.AF_INET, socket.AF_INET6)
#: That of Unix sockets; no family at all where the system has none.
UNIX = getattr(socket, "AF_UNIX", -1)

#: The port of a bare host in `connect`: the one of HTTP.
HTTP_PORT = 80

Address: TypeAlias = (
    str | bytes | os.PathLike[str] | os.PathLike[bytes] | tuple[str, int, *tuple[int, ...]]
)

FORMS = 'write "host", "host:port", "[v6]:port" or (host, port)'
BAD_PORT = "the port must be a number from 0 to 65535"


def parse(family: int, address: Any, default_port: int | None = None) -> Any:
    """Check an address, and bring it into the form that the system takes.

    Parameters:
        family: the socket's address family.
        address: the user's.
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
    if family == UNIX:
        return parse_path(address)
    if family not in IP:
        return address
    if isinstance(address, str):
        host, port = split(address)
        check_host(address, host)
        if port is None:
            port = default_port
        if port is None:
            raise ValueError(bad(address, "it has no port"))
        return host, port
    if isinstance(address, (tuple, list)):
        return check_pair(family, tuple(address))
    raise TypeError(f"bad address {address!r}; {FORMS}")


def written(address: Any) -> str:
    """Return the name of a socket as one writes it; "" if it has none.

    Example:
        >>> written(("::1", 80, 0, 0)), written("/tmp/socket"), written(("0.0.0.0", 0))
        ('[::1]:80', '/tmp/socket', '')
    """
    if isinstance(address, tuple):
        host, port = address[:2]
        return "" if not port else f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    if not isinstance(address, str | bytes):
        return str(address)
    return os.fsdecode(address).replace("\0", "@")


def bad(address: Any, problem: str) -> str:
    """Return the message about a malformed address."""
    return f"bad address {address!r}: {problem}; {FORMS}"


def parse_path(address: Any) -> str | bytes:
    """Return the path of a Unix socket."""
    hint = "write the path of the socket"
    if not isinstance(address, (str, bytes, os.PathLike)):
        raise TypeError(f"bad address {address!r} for a Unix socket; {hint}")
    path: str | bytes = os.fspath(address)
    if not path:
        raise ValueError(f"bad address {address!r} for a Unix socket: it is empty; {hint}")
    return path


def split(address: str) -> tuple[str, int | None]:
    """Split ``"host:port"``, where the port may be missing."""
    if not address:
        raise ValueError(bad(address, "it is empty"))
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(bad(address, "the brackets do not match"))
        colon, port = rest[:1], rest[1:]
    elif address.count(":") >= 2:
        return address, None
    else:
        host, colon, port = address.partition(":")
    if not host:
        raise ValueError(bad(address, "it has no host"))
    return host, to_port(address, port) if colon else None


def to_port(address: str, text: str) -> int:
    """Return the number of a port that is given as text."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= 65535):
        raise ValueError(bad(address, BAD_PORT))
    return int(text)


def check_host(address: Any, host: str) -> None:
    """Raise if the system would take something in the host for its end."""
    if "\0" in host:
        raise ValueError(bad(address, "the host has a null character"))


def check_pair(family: int, address: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check ``(host, port)``, for IPv6 perhaps with flow info and scope id."""
    longest = 4 if family == socket.AF_INET6 else 2
    if not 2 <= len(address) <= longest:
        raise ValueError(bad(address, f"it has {len(address)} items, not (host, port)"))
    host, port, *more = address
    if not isinstance(host, str):
        raise TypeError(bad(address, "the host must be a string"))
    check_host(address, host)
    if not is_int(port):
        raise TypeError(bad(address, "the port must be a whole number"))
    if not 0 <= port <= 65535:
        raise ValueError(bad(address, BAD_PORT))
    if not all(isinstance(number, int) for number in more):
        raise TypeError(bad(address, "flow info and scope id must be whole numbers"))
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
