"""Datagram sockets: UDP, and the datagrams of Unix sockets.

The operations work as those of a stream do (see `socket_operations`), with three
differences. A datagram is received as a whole or not at all, and only `EAGAIN`
says that there is none. Any number of tasks may send, because datagrams do not
mix: they queue while there is no room. And an error that the system reports
concerns one datagram and not the socket, so it is raised as it is.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
from collections import deque
from collections.abc import Coroutine
from typing import Any

from giambio._build.sealed import final
from giambio.arguments import ReadableBuffer
from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel
from giambio.net import socket_operations, syscalls
from giambio.net.address import UNIX, Address, parse
from giambio.net.basesocket import BaseSocket, closed_error, take_over
from giambio.net.hosts import RETRY, connect_datagrams
from giambio.net.resolver import numeric_address
from giambio.net.socket_operations import ReceivingOperation, SocketOperation
from giambio.streams import guard

__all__ = ["AsyncDatagramSocket", "wrap_datagram_socket"]

#: The errors of a datagram that was cut off; Windows has a number of its own.
TOO_LONG = (errno.EMSGSIZE, getattr(errno, "WSAEMSGSIZE", errno.EMSGSIZE))


class AsyncDatagramSocket(BaseSocket):
    """A datagram socket for tasks: `open_udp` and `connect_udp` make one.

    A connected one uses `send` and `receive`; any can use `send_to` and
    `receive_from`. Each call is one datagram, which arrives as a whole or not
    at all, perhaps twice, in any order. One task may receive, and any number
    may send. ``with`` and ``async with`` close it.

    Multicast, broadcast and the like are options, to be set with `setsockopt`.

    A socket that is dropped without being closed closes itself, with a
    `ResourceWarning` that names the line where it was made.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with giambio.open_udp(host="127.0.0.1") as server:
        ...         host, port = server.getsockname()
        ...         async with giambio.connect_udp(host, port) as client:
        ...             await client.send(b"hello")
        ...             data, address = await server.receive_from()
        ...             await server.send_to(data.upper(), address)
        ...             return await client.receive()
        >>> giambio.run(main)
        b'HELLO'
    """

    __slots__ = ("_known", "_senders")

    _kind = "datagram"

    def __init__(self, kernel: Kernel, sock: stdlib_socket.socket) -> None:
        BaseSocket.__init__(self, kernel, sock)
        # The last address that was checked or came from the system.
        self._known: Any = None
        # The operations behind the one that waits for room.
        self._senders: deque[SendDatagram] = deque()

    # -- receiving ---------------------------------------------------------------------

    def receive(self, max_size: int = 262144) -> Coroutine[Any, Any, bytes]:
        """Receive one datagram, and wait if there is none.

        Parameters:
            max_size: the most bytes it may have; by default 262144, which is
                more than any datagram of UDP.

        Returns:
            Awaited: the bytes; ``b""`` is a datagram like any other.

        Raises:
            TypeError, ValueError: `max_size` is not a number from 1 up.
            BusyResourceError: another task is receiving.
            ClosedResourceError: the socket is closed, or was while waiting.
            ConnectionRefusedError: an earlier datagram was not received, as the
                other side of a connected socket has reported.
            OSError: another error that the system reports; with ``EMSGSIZE`` a
                datagram was longer than `max_size`, and is lost.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            ...     left, right = map(giambio.wrap_datagram_socket, pair)
            ...     with left, right:
            ...         await left.send(b"hello")
            ...         return await right.receive()
            >>> giambio.run(main)
            b'hello'
        """
        return ReceiveDatagram(self, check_size("receive()", max_size), False)

    def receive_from(self, max_size: int = 262144) -> Coroutine[Any, Any, tuple[bytes, Any]]:
        """Receive one datagram and the address of its sender.

        Parameters:
            max_size: see `receive`.

        Returns:
            Awaited: a pair of the bytes and the sender's address, which
            `send_to` takes; None for a Unix socket without a name.

        Raises:
            TypeError, ValueError, BusyResourceError, ClosedResourceError,
            OSError, CancelledError: see `receive`.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_udp(host="127.0.0.1") as sock:
            ...         await sock.send_to(b"to myself", sock.getsockname())
            ...         data, address = await sock.receive_from()
            ...         return data, address == sock.getsockname()
            >>> giambio.run(main)
            (b'to myself', True)
        """
        return ReceiveDatagram(self, check_size("receive_from()", max_size), True)

    # -- sending -------------------------------------------------------------------------

    def send(self, data: ReadableBuffer) -> Coroutine[Any, Any, None]:
        """Send one datagram to the address that the socket is connected to.

        Parameters:
            data: any bytes-like object.

        Raises:
            TypeError: it is not bytes-like.
            ClosedResourceError: the socket is closed, or was while waiting.
            ConnectionRefusedError: an earlier datagram was not received; this
                one was not sent.
            OSError: the socket is not connected (``EDESTADDRREQ``), the
                datagram is too long (``EMSGSIZE``), or the like.
            CancelledError: the task is in a cancelled scope.

        A checkpoint, which queues with other tasks while there is no room. Cancelled,
        nothing was sent.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.connect_udp("127.0.0.1", 9) as sock:
            ...         await sock.send(b"hello")
            >>> giambio.run(main)
        """
        return SendDatagram(self, socket_operations.bytes_like("send()", data), None)

    def send_to(self, data: ReadableBuffer, address: Address) -> Coroutine[Any, Any, None]:
        """Send one datagram to an address.

        Parameters:
            data: any bytes-like object.
            address: as for `AsyncSocket.connect`, but with a port, and numeric:
                resolve a name once, with `getaddrinfo`, and not for each
                datagram. ``"localhost"`` is the loopback.

        Raises:
            TypeError: the data are not bytes-like.
            TypeError, ValueError: the address is malformed, or a name.
            ClosedResourceError: the socket is closed, or was while waiting.
            OSError: the datagram is too long (``EMSGSIZE``), there is no way
                to the address, or the like.
            CancelledError: the task is in a cancelled scope.

        A checkpoint, which queues with other tasks while there is no room. Cancelled,
        nothing was sent.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_udp() as sock:
            ...         await sock.send_to(b"hello", ("127.0.0.1", 9))
            >>> giambio.run(main)
        """
        if address is None or address is not self._known:
            family = self._sock.family
            address = numeric_address("send_to()", family, parse(family, address))
            self._known = address
        return SendDatagram(self, socket_operations.bytes_like("send_to()", data), address)

    # -- connecting ------------------------------------------------------------------------

    def connect(self, address: Address) -> Coroutine[Any, Any, None]:
        """Set the address that `send` sends to, and the only one to receive from.

        Parameters:
            address: as for `AsyncSocket.connect`, but with a port. Names are
                resolved without blocking the loop.

        Raises:
            TypeError, ValueError: the address is malformed.
            socket.gaierror: the name cannot be resolved.
            OSError: there is no way to the address.
            ClosedResourceError: the socket is closed.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing has happened. No datagram is sent, so
        success does not mean that somebody receives there.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.open_udp() as sock:
            ...         await sock.connect("127.0.0.1:9")
            ...         return sock.getpeername()
            >>> giambio.run(main)
            ('127.0.0.1', 9)
        """
        return connect_datagrams(self, address)

    # -- closing -----------------------------------------------------------------------------

    def close_now(self) -> None:
        """See `BaseSocket.close_now`; the tasks that queue are woken too."""
        BaseSocket.close_now(self)
        while self._senders:
            waiting: SendDatagram = self._senders.popleft()
            waiting._ready()


final(AsyncDatagramSocket, "(kernel, sock)")


class ReceiveDatagram(ReceivingOperation):
    """`AsyncDatagramSocket.receive` and `receive_from`."""

    __slots__ = ("_from", "_size")

    _socket: AsyncDatagramSocket

    def __init__(self, sock: AsyncDatagramSocket, size: int, with_address: bool) -> None:
        self.begin(sock)
        self._size = size
        self._from = with_address

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name of the operation in messages."""
        return f"AsyncDatagramSocket.{'receive_from' if self._from else 'receive'}()"

    def take(self, source: Source) -> bool:
        """See `ReceivingOperation.take`."""
        sock = self._socket
        received: Any
        if self._from:
            received = syscalls.receive_from(sock._sock, sock._fd, self._size, sock._buffer)
            if received is not None:
                sock._known = received[1]
        else:
            received = syscalls.receive_datagram(sock._sock, sock._fd, self._size, sock._buffer)
        self.result = received
        return received is not None

    def broken(self, exc: OSError) -> bool:
        """Raise the error, which concerns one datagram."""
        self.vacate()
        if exc.errno in TOO_LONG:
            reason = os.strerror(errno.EMSGSIZE)
            lost = f"a datagram had more than max_size={self._size:d} bytes, and is lost"
            return self.fail(OSError(errno.EMSGSIZE, f"{reason}: {lost}"))
        return self.fail(exc)


class SendDatagram(SocketOperation):
    """`AsyncDatagramSocket.send` and `send_to`."""

    __slots__ = ("_address", "_data")

    _socket: AsyncDatagramSocket

    def __init__(self, sock: AsyncDatagramSocket, data: Any, address: Any) -> None:
        self.begin(sock)
        self._data = data
        self._address = address

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name of the operation in messages."""
        return f"AsyncDatagramSocket.{'send' if self._address is None else 'send_to'}()"

    def attempt(self) -> bool:
        """Send, or wait for room, behind the tasks that wait already."""
        sock = self._socket
        source = sock._source
        if source is None:
            return self.fail(closed_error())
        if source.writer is None:
            source.writer = self
        elif source.writer is not self:
            if self not in sock._senders:
                sock._senders.append(self)
            return False
        if source.writable:
            try:
                sent = self.send_now(sock)
            except OSError as exc:
                self.vacate()
                return self.fail(exc)
            if sent:
                self.vacate()
                self.spend(len(self._data) >> syscalls.LARGE_SHIFT)
                return True
        try:
            self.wait_for_room(sock, source)
        except BaseException:
            self.vacate()
            raise
        return False

    def send_now(self, sock: AsyncDatagramSocket) -> bool:
        """Send if there is room, and return whether there was."""
        if self._address is None:
            return syscalls.send(sock._sock, sock._fd, self._data, 0) >= 0
        return syscalls.send_to(sock._sock, sock._fd, self._data, self._address)

    def wait_for_room(self, sock: AsyncDatagramSocket, source: Source) -> None:
        """Have this operation woken when there may be room."""
        kernel = self.kernel
        if self._address is not None and sock._sock.family == UNIX and kernel is not None:
            # It is the receiver's queue that is full, and the system does not tell when
            # there is room in it.
            kernel._add_timer(kernel.current_time() + RETRY, self)
            return
        source.writable = False
        sock._wait(source, interest.WRITING)

    def vacate(self) -> None:
        """Leave the sending end to the first in the queue, or leave the queue."""
        if self.kernel is not None:
            self.kernel._remove_timer(self)
        sock = self._socket
        source = sock._source
        if source is None:
            return
        if source.writer is self:
            source.writer = None
        elif self in sock._senders:
            sock._senders.remove(self)
        if source.writer is None and sock._senders:
            following: SendDatagram = sock._senders.popleft()
            source.writer = following
            following._ready()


def check_size(what: str, max_size: int) -> int:
    """Return the most bytes to receive, bounded by the size of the buffer."""
    guard.check_size(what, "max_size", max_size)
    return min(max_size, syscalls.RECEIVE_BUFFER)


def wrap_datagram_socket(sock: stdlib_socket.socket) -> AsyncDatagramSocket:
    """Make an `AsyncDatagramSocket` of a socket, for the loop that is running.

    Parameters:
        sock: a datagram socket of any family and state. It becomes
            non-blocking and belongs to the `AsyncDatagramSocket` from now on.

    Returns:
        A new `AsyncDatagramSocket`.

    Raises:
        RuntimeError: no loop runs in this thread.
        TypeError: it is no datagram socket.
        ValueError: it is closed, or was wrapped already.

    Not a checkpoint.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     plain = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ...     with giambio.wrap_datagram_socket(plain) as sock:
        ...         return sock
        >>> giambio.run(main)
        <giambio.AsyncDatagramSocket Unix closed>
    """
    kernel = current_kernel()
    hint = "giambio.wrap_socket() is for streams"
    what = "wrap_datagram_socket()"
    take_over(AsyncDatagramSocket, what, sock, stdlib_socket.SOCK_DGRAM, hint)
    return AsyncDatagramSocket(kernel, sock)
