"""What a process was handed over when it was started: listeners, by `run_workers` or by systemd.

To its parent a worker reports by a pipe: that it is ready, and from then on that it is alive. If
nobody reads that any more, the parent has gone, and the worker ends as if it was told to.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from giambio.kernel.checkpoints import sleep
from giambio.net.listeners import BACKLOG, SocketListener, listening_sockets
from giambio.net.socket import AsyncSocket, wrap_socket
from giambio.streams.abc import Listener

__all__ = ["Report", "inherited_listeners", "take_sockets", "take_sockets_of_systemd"]

#: The first descriptor that systemd hands over; see sd_listen_fds(3).
FIRST_OF_SYSTEMD = 3
READY, ALIVE = b"R", b"."


class Report:
    """The pipe to the parent.

    Parameters:
        descriptor: its writing end.
        interval: seconds between two signs of life.
    """

    def __init__(self, descriptor: int, interval: float) -> None:
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._interval = interval
        self._is_ready = False

    def ready(self) -> None:
        """Tell the parent, the first time, that the worker serves."""
        if not self._is_ready:
            self._is_ready = True
            self._write(READY)

    async def stay_alive(self) -> None:
        """Tell the parent, again and again, that the loop turns."""
        while self._write(ALIVE):
            await sleep(self._interval)
        signal.raise_signal(signal.SIGTERM)

    def _write(self, byte: bytes) -> bool:
        """Write, and return whether the parent is there."""
        try:
            os.write(self._descriptor, byte)
        except BlockingIOError:
            pass  # it will read, and there is enough to be read
        except BrokenPipeError:
            return False
        return True


class HandedOver:
    """What this process has got from `run_workers`."""

    def __init__(self) -> None:
        #: Functions that give the sockets; None in a process that is no worker.
        self.sockets: Callable[[], list[socket.socket]] | None = None
        self.report: Report | None = None
        self.taken = False


here = HandedOver()


class InheritedListener(Listener):
    """A listener of a worker, which is ready when it is waited for connections."""

    __slots__ = ("_listener", "_report")

    def __init__(self, sock: AsyncSocket, report: Report) -> None:
        self._listener = SocketListener(sock)
        self._report = report

    @property
    def address(self) -> Any:
        """See `SocketListener.address`."""
        return self._listener.address

    async def accept(self) -> tuple[AsyncSocket, Any]:
        """See `SocketListener.accept`."""
        self._report.ready()
        return await self._listener.accept()

    def close_now(self) -> None:
        """See `Closeable.close_now`; the parent's stays open."""
        self._listener.close_now()

    def __repr__(self) -> str:
        return f"<inherited {self._listener!r}>"


def inherited_listeners() -> list[Listener]:
    """Take the listeners that this process was started with, for `serve_listeners`.

    They are handed over by `run_workers` and ``python -m giambio serve``, or by systemd (see
    ``systemd.socket``). A worker counts as ready when it waits for connections.

    Returns:
        A list of `Listener`, in the order in which they were given. They are closed one by one;
        who has handed them over keeps listening.

    Raises:
        RuntimeError: there are none, they were taken already, or no loop runs in this thread.
        ValueError: systemd has handed over what is no listening stream socket.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def handler(stream):
        ...     await stream.send_all(b"hello")
        >>> async def main():  # run by: python -m giambio serve app:main --workers 4
        ...     await giambio.serve_listeners(handler, giambio.inherited_listeners())
    """
    sockets = take_sockets()
    report = here.report
    if report is None:
        return [SocketListener(wrap_socket(sock)) for sock in sockets]
    return [InheritedListener(wrap_socket(sock), report) for sock in sockets]


def take_sockets() -> list[socket.socket]:
    """Take what was handed over, as plain sockets.

    Raises:
        RuntimeError, ValueError: see `inherited_listeners`.
    """
    if here.taken:
        raise RuntimeError("inherited_listeners(): the listeners were taken already")
    sockets = take_sockets_of_systemd() if here.sockets is None else here.sockets()
    if not sockets:
        raise RuntimeError(
            "no listeners were handed over to this process; start it by `python -m giambio serve "
            "app:main --bind tcp://127.0.0.1:8080`, by giambio.run_workers(), or by systemd with "
            "a .socket unit; a server that opens a port by itself is giambio.serve_tcp()"
        )
    here.taken = True
    return sockets


def take_sockets_of_systemd() -> list[socket.socket]:
    """Take the sockets of socket activation; none if there are none for this process.

    Raises:
        ValueError: one is no listening stream socket.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # they are not for the programs that this one starts
    sockets = []
    for descriptor in range(FIRST_OF_SYSTEMD, FIRST_OF_SYSTEMD + count):
        os.set_inheritable(descriptor, False)
        sockets.append(listening(descriptor))
    return sockets


def listening(descriptor: int) -> socket.socket:
    """Return the socket of a descriptor.

    Raises:
        ValueError: it is no stream socket that listens.
    """
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as exc:
        raise ValueError(f"descriptor {descriptor}, handed over by systemd: {exc}") from None
    is_stream = sock.type == socket.SOCK_STREAM
    if not (is_stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        sock.detach()
        raise ValueError(
            f"descriptor {descriptor}, handed over by systemd, is no listening stream socket; "
            "use ListenStream= and Accept=no in the .socket unit"
        )
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
    return sock


def from_parent(descriptors: list[int], addresses: list[Any]) -> list[socket.socket]:
    """Return the sockets that a worker serves: its parent's, and others at the same ports."""
    sockets = []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
        sockets.append(socket.socket(fileno=descriptor))
    if addresses:
        where = [(family, tuple(address)) for family, address in addresses]
        sockets += listening_sockets(where, BACKLOG, True)
    return sockets
