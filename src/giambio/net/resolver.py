"""Names to addresses, off the loop: the system's resolver blocks."""

from __future__ import annotations

import socket
from typing import Any

from giambio.net.address import is_numeric
from giambio.threads import run_in_worker

__all__ = ["local_address", "resolve"]


async def resolve(family: int, address: Any) -> Any:
    """The first address that the system's resolver gives for a host and port.

    Parameters:
        family: `socket.AF_INET` or `socket.AF_INET6`; other families have no names.
        address: as `giambio.net.address.parse` returns it.

    Raises:
        socket.gaierror: the name cannot be resolved.
        RuntimeError: a thread would be needed, and the loop has none.
        CancelledError: the task is in a cancelled scope.

    A checkpoint only if a name has to be resolved.
    """
    if family not in (socket.AF_INET, socket.AF_INET6):
        return address
    host, port = address[0], address[1]
    numeric = is_numeric(socket.AF_INET, host) or is_numeric(socket.AF_INET6, host)
    if is_numeric(family, host) and "%" not in host:
        return address

    def look_up() -> Any:
        # `socket.getaddrinfo` is looked up at the call, so that a test can replace it.
        return socket.getaddrinfo(
            host,
            port,
            socket.AddressFamily(family),
            socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST if numeric else 0,
        )

    # What is numeric (with a scope, or of the wrong family) asks nobody and does not block.
    try:
        found = look_up() if numeric else await run_in_worker(f"resolving {host!r}", look_up)
    except UnicodeError as exc:
        raise ValueError(f"bad address {address!r}: {host!r} cannot be a host name") from exc
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, f"no address found for {host!r}")
    resolved = found[0][4]
    return resolved[:2] + tuple(address[2:]) if len(address) > 2 else resolved


def local_address(family: int, address: Any) -> Any:
    """An address to bind to: it must be numeric, because binding does not wait.

    ``""`` is every interface and ``"localhost"`` is the loopback (RFC 6761).

    Raises:
        ValueError: it is a name.
    """
    if family not in (socket.AF_INET, socket.AF_INET6):
        return address
    host = address[0]
    if host == "localhost":
        loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
        return (loopback, *address[1:])
    if host and not is_numeric(family, host):
        raise ValueError(
            f"bad address {address!r}: bind() needs a numeric address of this machine, "
            'such as "127.0.0.1", or "" for all of them'
        )
    return address
