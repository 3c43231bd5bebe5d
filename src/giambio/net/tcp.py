"""Connecting by TCP to the first address of a host that answers: Happy Eyeballs.

A host may have several addresses, some of which cannot be reached from here,
and it may take minutes to notice. So the attempts overlap, as RFC 8305 says:
IPv6 and IPv4 take turns, each attempt gets a head start on the next, a failure
starts the next at once, and the first to succeed ends the others.
"""

from __future__ import annotations

import socket
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, overload

from giambio.arguments import check_seconds
from giambio.kernel.opening import Opening
from giambio.kernel.tracebacks import user_place
from giambio.net.address import parse
from giambio.net.hosts import LocalAddress, addresses_of, local_choices, no_attempt_left
from giambio.net.socket import AsyncSocket, wrap_socket
from giambio.sync.event import Event
from giambio.tasks.manager import TaskManager
from giambio.tasks.timeouts import move_on_after

if TYPE_CHECKING:
    import ssl

    from giambio.net.tls.stream import TLSStream

__all__ = ["connect_tcp"]

#: The head start of each attempt in seconds: the Connection Attempt Delay of RFC 8305.
HEAD_START = 0.25


@overload
def connect_tcp(
    host: str,
    port: int,
    *,
    tls: Literal[False] = False,
    local_address: LocalAddress = None,
    happy_eyeballs_delay: float = HEAD_START,
) -> Opening[AsyncSocket]: ...


@overload
def connect_tcp(
    host: str,
    port: int,
    *,
    tls: Literal[True] | ssl.SSLContext,
    local_address: LocalAddress = None,
    happy_eyeballs_delay: float = HEAD_START,
) -> Opening[TLSStream]: ...


def connect_tcp(
    host: str,
    port: int,
    *,
    tls: bool | ssl.SSLContext = False,
    local_address: LocalAddress = None,
    happy_eyeballs_delay: float = HEAD_START,
) -> Opening[AsyncSocket] | Opening[TLSStream]:
    """Connect to a TCP server, at the first of its addresses that answers.

    Parameters:
        host: a name or a numeric address.
        port: a number.
        tls: True speaks TLS and verifies the server's certificate and name; an
            `ssl.SSLContext` does so in your own way. False, the default, does
            not speak TLS.
        local_address: where to connect from: a numeric address of this machine,
            or a pair of that and a port; by default the system chooses.
        happy_eyeballs_delay: the head start in seconds that each address gets
            on the next one; 0.25 by default, as RFC 8305 recommends.

    Returns:
        Awaited, or entered with ``async with``, which closes it at the end: an
        `AsyncSocket`, or a `TLSStream`. Data is sent without delay (``TCP_NODELAY``).

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        socket.gaierror: the name cannot be resolved.
        TimeoutError: resolving it took longer than the loop's `Resolver` allows.
        OSError: the one address of the host failed, such as with
            `ConnectionRefusedError`. Or all of several did: then ``__cause__``
            is an `ExceptionGroup` of them, and the error is of the same kind
            as they are if they are all of one kind.
        ssl.SSLError: the server's certificate is not trusted, or the like.
        BrokenResourceError: the connection broke while TLS was set up.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, all attempts are given up and nothing is left open.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.connect_tcp("127.0.0.1", 1) as stream:
        ...         await stream.send_all(b"hello")
        >>> giambio.run(main)
        Traceback (most recent call last):
        ConnectionRefusedError: [Errno 111] Connection refused: ('127.0.0.1', 1)
    """
    parse(socket.AF_INET, (host, port))
    check_tls(tls)
    check_seconds("connect_tcp()", "happy_eyeballs_delay", happy_eyeballs_delay)
    local = local_choices("connect_tcp()", local_address)
    return Opening("connect_tcp()", connect(host, port, tls, local, happy_eyeballs_delay))


async def connect(
    host: str,
    port: int,
    tls: bool | ssl.SSLContext,
    local: dict[int, Any] | None,
    head_start: float,
) -> Any:
    """Do the work of `connect_tcp`, whose arguments were checked."""
    targets = await addresses_of(host, port, socket.SOCK_STREAM, local=local)
    attempts = Attempts(local)
    if len(targets) == 1:
        await attempts.make(*targets[0])
    else:
        await attempts.race(interleaved(targets), head_start)
    sock = attempts.winner
    if sock is None:
        raise no_attempt_left(f"connecting to {(host, port)!r}", attempts.take_errors())
    sock._made_at = user_place()  # until now it is the place of a task of ours
    if tls is False:
        return sock
    from giambio.net.tls.start_tls import start_tls

    try:
        return await start_tls(sock, None if tls is True else tls, server_hostname=host)
    except BaseException:
        sock.close_now()
        raise


def check_tls(tls: Any) -> None:
    """Raise `TypeError` unless `tls` is True, False or an `ssl.SSLContext`."""
    if tls is True or tls is False:
        return
    import ssl

    if not isinstance(tls, ssl.SSLContext):
        raise TypeError(
            f"connect_tcp() needs True, False or an ssl.SSLContext for tls, not {tls!r}"
        )


class Attempts:
    """Attempts to connect, of which the first to succeed ends the others."""

    def __init__(self, local: dict[int, Any] | None) -> None:
        self._local = local
        self._failed = Event()
        self.winner: AsyncSocket | None = None
        self._errors: list[OSError] = []

    def take_errors(self) -> list[OSError]:
        """Return the errors in order, and forget them, or they would hold themselves."""
        errors, self._errors = self._errors, []
        return errors

    async def race(self, targets: list[tuple[int, Any]], head_start: float) -> None:
        """Try one address after the other, without waiting for them to fail."""
        try:
            async with TaskManager(strict=False) as manager:
                for target in targets:
                    self._failed = Event()
                    manager.start_soon(self._take_part, manager, target)
                    with move_on_after(head_start):
                        await self._failed.wait()
        except BaseException:
            if self.winner is not None:
                self.winner.close_now()
            raise

    async def _take_part(self, manager: TaskManager, target: tuple[int, Any]) -> None:
        await self.make(*target)
        if self.winner is not None:
            manager.cancel("another address has answered")
        else:
            self._failed.set()

    async def make(self, family: int, address: Any) -> None:
        """Try one address: a winner, an error, or too late for either."""
        try:
            sock = await connect_from(family, address, self._local)
        except OSError as exc:
            # Its traceback shows only our own frames, and would hold on to the winner.
            self._errors.append(exc.with_traceback(None))
        else:
            if self.winner is None:
                self.winner = sock
            else:
                sock.close_now()


async def connect_from(family: int, address: Any, local: dict[int, Any] | None) -> AsyncSocket:
    """Connect to one address.

    Raises:
        OSError: that failed.
    """
    sock = wrap_socket(socket.socket(family, socket.SOCK_STREAM))
    try:
        if local is not None:
            sock.bind(local[family])
        await sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close_now()
        raise
    return sock


def interleaved(targets: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Addresses with their families taking turns, the first one's first (RFC 8305, 4).

    Example:
        >>> [name for _, name in interleaved([(6, "a"), (6, "b"), (6, "c"), (4, "d")])]
        ['a', 'd', 'b', 'c']
    """
    first = targets[0][0]
    of_first = [target for target in targets if target[0] == first]
    of_other = [target for target in targets if target[0] != first]
    pairs = zip_longest(of_first, of_other)
    return [target for pair in pairs for target in pair if target is not None]
