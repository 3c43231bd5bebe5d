"""From a host to a socket: the addresses of a name, binding, connecting.

TCP and UDP take these steps alike. A host may have several addresses, and one that fails says
nothing about the next; if all fail there is one error for them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

from giambio.kernel.checkpoints import checkpoint_if_cancelled, sleep
from giambio.net.address import HTTP_PORT, IP, is_numeric, parse
from giambio.net.basesocket import BaseSocket
from giambio.net.resolver import getaddrinfo, numeric_address, resolve
from giambio.net.socket_operations import Connect

__all__ = [
    "LocalAddress",
    "addresses_of",
    "bound_socket",
    "check_reuse_port",
    "connect",
    "connect_datagrams",
    "connect_to",
    "local_choices",
    "no_attempt_left",
]

#: How long to wait for room in the backlog of a Unix listener, in seconds: the system does not
#: tell when there is some.
RETRY = 0.01

LocalAddress: TypeAlias = str | tuple[str, int] | None


async def connect(sock: BaseSocket, address: Any) -> None:
    """See `AsyncSocket.connect`."""
    await checkpoint_if_cancelled()
    family = sock.family
    await connect_to(sock, await resolve(family, parse(family, address, HTTP_PORT)))


async def connect_to(sock: BaseSocket, target: Any) -> None:
    """Connect to an address that needs no resolving, when there is room for it."""
    while not await Connect(sock, target):
        await sleep(RETRY)


async def connect_datagrams(sock: BaseSocket, address: Any) -> None:
    """See `AsyncDatagramSocket.connect`."""
    await checkpoint_if_cancelled()
    family = sock.family
    target = await resolve(family, parse(family, address))
    sock._open_socket().connect(target)


async def addresses_of(
    host: str | None, port: int, kind: int, flags: int = 0, local: dict[int, Any] | None = None
) -> list[tuple[int, Any]]:
    """Find the addresses of a host, best first, each with its family.

    Parameters:
        host, port: the user's.
        kind: `socket.SOCK_STREAM` or `socket.SOCK_DGRAM`.
        flags: `socket.AI_PASSIVE` if sockets are to be bound to the addresses.
        local: the answer of `local_choices`: addresses of other families are left out.

    Raises:
        socket.gaierror: there are none.
    """
    found = await getaddrinfo(host, port, type=kind, flags=flags)
    targets = [
        (family, address)
        for family, _, _, _, address in found
        if family in IP and (local is None or family in local)
    ]
    if targets:
        return list(dict.fromkeys(targets))
    problem = f"no address found for {host!r}"
    if found and local is not None:
        problem = f"{host!r} has no address of the family of local_address"
    raise socket.gaierror(socket.EAI_NONAME, problem)


def local_choices(what: str, address: Any) -> dict[int, Any] | None:
    """Return the address to bind to, for each family; None to let the system choose.

    Raises:
        TypeError, ValueError: it is no numeric address.
    """
    if address is None:
        return None
    host, port = parse(socket.AF_INET, address, 0)
    choices: dict[int, Any] = {
        family: numeric_address(what, family, (host, port))
        for family in IP
        if host in ("", "localhost") or is_numeric(family, host)
    }
    if not choices:
        raise ValueError(
            f"bad local_address {address!r}: {what} needs a numeric address of this machine, "
            "or a pair of one and a port"
        )
    return choices


def bound_socket(family: int, kind: int, address: Any, reuse_port: bool) -> socket.socket:
    """Make a plain socket that is bound to an address, given in the system's form.

    Raises:
        OSError: that failed; the message names the address.
    """
    sock = socket.socket(family, kind)
    try:
        # A server that is started again need not wait for the connections of the one before
        # it to be forgotten. On Windows, and with datagrams, the option would let strangers in.
        if kind == socket.SOCK_STREAM and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as exc:
        sock.close()
        raise OSError(exc.errno, f"{exc.strerror}: {address[:2]!r}") from None
    return sock


def check_reuse_port(what: str, reuse_port: bool) -> None:
    """Raise if a port is to be shared where the system cannot do it.

    Raises:
        ValueError: the system has no ``SO_REUSEPORT``.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError(f"{what} cannot reuse a port here: this system has no SO_REUSEPORT")


def no_attempt_left(what: str, errors: Sequence[OSError]) -> OSError:
    """Return one error for all addresses of a host.

    If there was one attempt, it is the error of that. Otherwise it is an `OSError` too, so that
    ``except OSError`` is enough, and even a `ConnectionRefusedError` if all were refused; its
    ``__cause__`` is an `ExceptionGroup` of all errors.

    Parameters:
        what: the purpose of the attempts, for the message.
        errors: the error of each attempt, in order; at least one.
    """
    for error in errors:
        # Only our own frames, in tasks that the user did not start.
        error.__traceback__ = error.__context__ = None
    if len(errors) == 1:
        return errors[0]
    numbers = {error.errno for error in errors}
    number = numbers.pop() if len(numbers) == 1 else None
    if number is not None:
        failure = OSError(number, f"{os.strerror(number)}: {what}, at {len(errors)} addresses")
    else:
        failure = OSError(f"{what} failed: {'; '.join(map(str, errors))}")
    failure.__cause__ = ExceptionGroup(f"{what} failed at every address", errors)
    return failure
