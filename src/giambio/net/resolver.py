"""Names to addresses and back, off the loop: the system's resolver blocks.

Numeric addresses are parsed at once, without a thread. For names the loop has a
`Resolver`, which can be replaced: by one that asks name servers itself, caches
answers, or gives those that a test needs.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable
from typing import Any, TypeAlias, TypeVar

from giambio.arguments import check_seconds
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.operation import current_kernel
from giambio.net.address import IP, is_numeric
from giambio.tasks.timeouts import move_on_after
from giambio.threads.workers import run_in_worker

__all__ = ["Resolver", "getaddrinfo", "getnameinfo", "numeric_address", "resolve", "set_resolver"]

T = TypeVar("T")

#: An answer of `socket.getaddrinfo`: family, type, protocol, official name, address.
AddressInfo: TypeAlias = tuple[int, int, int, str, Any]

NUMERIC_NAME = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class Resolver:
    """The way a loop looks up names: by asking the system, in a thread.

    Subclass it to look names up in another way, and give an instance to
    `set_resolver`. It is called only for hosts that are not numeric.

    Parameters:
        timeout: how many seconds a look-up may take, before it is a `TimeoutError`; None,
            the default, leaves that to the system, which may take half a minute. It holds
            for a subclass as well.

    Raises:
        TypeError, ValueError: `timeout` is no number of seconds.

    A look-up that is cancelled, or takes too long, is over for the task at once. The thread
    that asks the system cannot be stopped: it goes on until the system gives up, and its
    answer is dropped. Until then it is one of at most 32; others wait for a free one.

    Example:
        >>> import giambio
        >>> class Hosts(giambio.Resolver):
        ...     async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
        ...         if host == "server.test":
        ...             host = "127.0.0.1"
        ...         return await super().getaddrinfo(host, port, family, type, proto, flags)
        >>> async def main():
        ...     giambio.set_resolver(Hosts())
        ...     found = await giambio.getaddrinfo("server.test", 80, type=socket.SOCK_STREAM)
        ...     return [address for *_, address in found]
        >>> import socket
        >>> giambio.run(main)
        [('127.0.0.1', 80)]
    """

    #: For a subclass that does not call `__init__`.
    timeout: float | None = None

    def __init__(self, *, timeout: float | None = None) -> None:
        if timeout is not None:
            check_seconds("Resolver()", "timeout", timeout)
        self.timeout = timeout

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Called for a host that is not numeric; see `giambio.getaddrinfo`."""
        what = f"resolving {host!r}"
        arguments = (host, port, family, type, proto, flags)
        found: list[Any]
        try:
            found = await run_in_worker(what, socket.getaddrinfo, *arguments)
        except socket.gaierror as exc:
            exc.add_note(looked_up(host))
            raise
        return found

    async def getnameinfo(self, address: Any, flags: int = 0) -> tuple[str, str]:
        """Called for an address whose name is wanted; see `giambio.getnameinfo`."""
        what = f"finding the name of {address!r}"
        return await run_in_worker(what, socket.getnameinfo, address, flags)


SYSTEM = Resolver()


def current_resolver() -> Resolver:
    """The resolver of the running loop."""
    resolver: Resolver = current_kernel()._services.get("resolver", SYSTEM)
    return resolver


def set_resolver(resolver: Resolver | None) -> Resolver | None:
    """Have the running loop resolve names in another way from now on.

    Parameters:
        resolver: an instance of a subclass of `Resolver`; None for the system's.

    Returns:
        The one it had before; None if that was the system's.

    Raises:
        TypeError: it is no `Resolver`.
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     giambio.set_resolver(giambio.Resolver())
        ...     return giambio.set_resolver(None)
        >>> isinstance(giambio.run(main), giambio.Resolver)
        True
    """
    if resolver is not None and not isinstance(resolver, Resolver):
        raise TypeError(
            f"set_resolver() needs an instance of a subclass of giambio.Resolver, not {resolver!r}"
        )
    services = current_kernel()._services
    previous: Resolver | None = services.pop("resolver", None)
    if resolver is not None:
        services["resolver"] = resolver
    return previous


async def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """Find the addresses of a host, as `socket.getaddrinfo` does, without blocking.

    Parameters:
        host: a name, a numeric address, or None for this machine.
        port: a number, the name of a service, or None.
        family: such as `socket.AF_INET6`; 0 for all.
        type: such as `socket.SOCK_STREAM`; 0 for all.
        proto: such as `socket.IPPROTO_TCP`; 0 for all.
        flags: such as `socket.AI_PASSIVE`, combined with ``|``.

    Returns:
        Tuples of family, type, protocol, official name and address; the best
        addresses first.

    Raises:
        socket.gaierror: there is no such name, or it cannot be looked up now.
        TimeoutError: it took longer than the `Resolver` allows.
        ValueError: the host cannot be a name.
        RuntimeError: a thread is needed, and the loop was made with ``threads=False``.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, the thread that looks the name up is abandoned; see `Resolver`.
    No thread and no resolver is needed when host and port are numeric.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     found = await giambio.getaddrinfo("::1", 80, type=socket.SOCK_STREAM)
        ...     return [address for *_, address in found]
        >>> giambio.run(main)
        [('::1', 80, 0, 0)]
    """
    await checkpoint_if_cancelled()
    if is_numeric_host(host) and is_numeric_port(port):
        if isinstance(host, str):
            host = host.encode()  # or Python would load its tables for international names
        flags |= socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        found: list[Any] = socket.getaddrinfo(host, port, family, type, proto, flags)
        return found
    resolver = current_resolver()
    try:
        look_up = resolver.getaddrinfo(host, port, family, type, proto, flags)
        return await in_time(look_up, resolver.timeout, f"resolving {host!r}")
    except UnicodeError as exc:
        raise ValueError(f"{host!r} cannot be a host name") from exc


async def getnameinfo(address: Any, flags: int = 0) -> tuple[str, str]:
    """Find the names of a host and a service, as `socket.getnameinfo`, without blocking.

    Parameters:
        address: a numeric host and a port, as `getpeername` tells them.
        flags: such as `socket.NI_NUMERICHOST`, combined with ``|``.

    Returns:
        The names of the host and of the service; numbers where there is none.

    Raises:
        socket.gaierror: it cannot be looked up now, or the address is no address.
        TimeoutError: it took longer than the `Resolver` allows.
        RuntimeError: a thread is needed, and the loop was made with ``threads=False``.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, the thread that looks the name up is abandoned; see `Resolver`.
    No thread is needed when only numbers are wanted.

    Example:
        >>> import giambio, socket
        >>> flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        >>> giambio.run(giambio.getnameinfo, ("127.0.0.1", 80), flags)
        ('127.0.0.1', '80')
    """
    await checkpoint_if_cancelled()
    if flags & NUMERIC_NAME == NUMERIC_NAME and is_numeric_host(address[0]):
        return socket.getnameinfo(address, flags)
    resolver = current_resolver()
    look_up = resolver.getnameinfo(address, flags)
    return await in_time(look_up, resolver.timeout, f"finding the name of {address!r}")


async def in_time(look_up: Awaitable[T], timeout: float | None, what: str) -> T:
    """Await a look-up, as long as the resolver allows.

    Raises:
        TimeoutError: it took longer.
    """
    if timeout is None:
        return await look_up
    with move_on_after(timeout):
        return await look_up
    raise TimeoutError(f"{what} took longer than the {timeout:g} seconds of Resolver(timeout=)")


def looked_up(host: str | bytes | None) -> str:
    """Return a note for the system's error, which does not name the host."""
    note = f"while looking up {host!r}"
    if isinstance(host, str) and (":" in host or "/" in host):
        note += "; a host is a name or an address alone, without http:// and without a port"
    return note


def is_numeric_host(host: str | bytes | None) -> bool:
    """Tell whether a host is an address already, or this machine."""
    if isinstance(host, str):
        return any(is_numeric(family, host) for family in IP)
    return host is None


def is_numeric_port(port: str | bytes | int | None) -> bool:
    """Tell whether a port is a number, and no name of a service."""
    return port is None or isinstance(port, int) or port.isdigit()


async def resolve(family: int, address: Any) -> Any:
    """Return the first address that the loop's resolver gives for a host and port.

    Parameters:
        family: `socket.AF_INET` or `socket.AF_INET6`; other families have no names.
        address: as `giambio.net.address.parse` returns it.

    Raises:
        socket.gaierror: the name cannot be resolved.
        RuntimeError: a thread would be needed, and the loop has none.
        CancelledError: the task is in a cancelled scope.

    A checkpoint only if a name has to be resolved.
    """
    if family not in IP or (is_numeric(family, address[0]) and "%" not in address[0]):
        return address
    host, port = address[0], address[1]
    kind = socket.SOCK_STREAM
    try:
        found = await getaddrinfo(host, port, family=socket.AddressFamily(family), type=kind)
    except ValueError as exc:
        raise ValueError(f"bad address {address!r}: {exc}") from exc.__cause__
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, f"no address found for {host!r}")
    resolved = found[0][4]
    return resolved[:2] + tuple(address[2:]) if len(address) > 2 else resolved


def numeric_address(what: str, family: int, address: Any) -> Any:
    """Return an address for a call that does not wait, and so looks no name up.

    ``"localhost"`` is the loopback (RFC 6761), and ``""`` is every interface.

    Raises:
        ValueError: it is a name.
    """
    if family not in IP:
        return address
    host = address[0]
    if host == "localhost":
        loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
        return (loopback, *address[1:])
    if host and not is_numeric(family, host):
        version = "IPv4" if family == socket.AF_INET else "IPv6"
        raise ValueError(
            f"bad address {address!r}: {what} needs a numeric address for {version}; "
            "giambio.getaddrinfo() looks names up"
        )
    return address
