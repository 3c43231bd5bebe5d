"""Datagram sockets: UDP, and the datagrams of Unix sockets.

The operations work as those of a stream do (see `socket_operations`), with three
differences. A datagram is received as a whole or not at all, and only `EAGAIN`
says that there is none. Any number of tasks may send, because datagrams do not
mix: when there is no room they stand in line. And an error that the system
reports concerns one datagram and not the socket, so it is raised as it is.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
from collections import deque
from typing import Any

from giambio._build.sealed import final
from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation, current_kernel
from giambio.net import socket_operations, syscalls
from giambio.net.address import parse
from giambio.net.basesocket import BaseSocket, take_over
from giambio.net.connecting import RETRY, connect_datagrams
from giambio.net.resolver import numeric_address
from giambio.net.socket_operations import SocketOperation
from giambio.net.socket_state import closed_error

__all__ = ["AsyncDatagramSocket", "wrap", "wrap_datagram_socket"]


class AsyncDatagramSocket(BaseSocket):
    """A datagram socket for tasks: `open_udp` and `connect_udp` make one.

    A connected one uses `send` and `receive`; any can use `send_to` and
    `receive_from`. Each call is one datagram, which arrives as a whole or not
    at all, perhaps twice, in any order. One task may receive, and any number
    may send. ``with`` and ``async with`` close it.

    Multicast, broadcast and the like are options, to be set with `setsockopt`.

    Dropped without being closed it closes itself, with a `ResourceWarning` that
    says where it was made.

    Example:
        >>> import giambio
        >>> async def main():
        ...     async with await giambio.open_udp(host="127.0.0.1") as server:
        ...         host, port = server.getsockname()
        ...         async with await giambio.connect_udp(host, port) as client:
        ...             await client.send(b"hello")
        ...             data, address = await server.receive_from()
        ...             await server.send_to(data.upper(), address)
        ...             return await client.receive()
        >>> giambio.run(main)
        b'HELLO'
    """

    __slots__ = ("_known", "_senders")

    _called = "AsyncDatagramSocket"
    _kind = "datagram"

    def __init__(self, kernel: Kernel, sock: stdlib_socket.socket) -> None:
        BaseSocket.__init__(self, kernel, sock)
        # The last address that was checked or came from the system.
        self._known: Any = None
        # Who waits behind the one that waits for room.
        self._senders: deque[SendDatagram] = deque()

    # -- receiving ---------------------------------------------------------------------

    def receive(self, max_size: int = 262144) -> Operation:
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
            ConnectionRefusedError: nobody received a datagram that was sent
                before, as the other side of a connected socket has told.
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

    def receive_from(self, max_size: int = 262144) -> Operation:
        """Receive one datagram, and tell where it came from.

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
            ...     with await giambio.open_udp(host="127.0.0.1") as sock:
            ...         await sock.send_to(b"to myself", sock.getsockname())
            ...         data, address = await sock.receive_from()
            ...         return data, address == sock.getsockname()
            >>> giambio.run(main)
            (b'to myself', True)
        """
        return ReceiveDatagram(self, check_size("receive_from()", max_size), True)

    # -- sending -------------------------------------------------------------------------

    def send(self, data: Any) -> Operation:
        """Send one datagram to the address that the socket is connected to.

        Parameters:
            data: any bytes-like object.

        Raises:
            TypeError: it is not bytes-like.
            ClosedResourceError: the socket is closed, or was while waiting.
            ConnectionRefusedError: nobody received an earlier datagram; this
                one was not sent.
            OSError: the socket is not connected (``EDESTADDRREQ``), the
                datagram is too long (``EMSGSIZE``), or the like.
            CancelledError: the task is in a cancelled scope.

        A checkpoint, which waits for room in line with other tasks. Cancelled,
        nothing was sent.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with await giambio.connect_udp("127.0.0.1", 9) as sock:
            ...         await sock.send(b"hello")
            >>> giambio.run(main)
        """
        return SendDatagram(self, socket_operations.bytes_like("send()", data), None)

    def send_to(self, data: Any, address: Any) -> Operation:
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

        A checkpoint, which waits for room in line with other tasks. Cancelled,
        nothing was sent.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with await giambio.open_udp() as sock:
            ...         await sock.send_to(b"hello", ("127.0.0.1", 9))
            >>> giambio.run(main)
        """
        if address is None or address is not self._known:
            family = self._sock.family
            address = numeric_address("send_to()", family, parse(family, address))
            self._known = address
        return SendDatagram(self, socket_operations.bytes_like("send_to()", data), address)

    # -- connecting ------------------------------------------------------------------------

    def connect(self, address: Any) -> Any:
        """Choose whom `send` sends to; from now on only that one is received from.

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
        it tells nothing about whether there is anybody.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with await giambio.open_udp() as sock:
            ...         await sock.connect("127.0.0.1:9")
            ...         return sock.getpeername()
            >>> giambio.run(main)
            ('127.0.0.1', 9)
        """
        return connect_datagrams(self, address)

    def connect_now(self, address: Any) -> None:
        """The last step of `connect`, for an address that is resolved."""
        self._open_socket().connect(address)

    # -- closing -----------------------------------------------------------------------------

    def close_now(self) -> None:
        """See `SocketState.close_now`; those in line are told too."""
        BaseSocket.close_now(self)
        while self._senders:
            waiting: SendDatagram = self._senders.popleft()
            waiting._ready()


final(AsyncDatagramSocket, "(kernel, sock)")


class ReceiveDatagram(SocketOperation):
    """`AsyncDatagramSocket.receive` and `receive_from`."""

    __slots__ = ("_datagrams", "_from", "_size")

    def __init__(self, sock: AsyncDatagramSocket, size: int, with_address: bool) -> None:
        self.begin(sock)
        self._datagrams = sock
        self._size = size
        self._from = with_address

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return f"AsyncDatagramSocket.{'receive_from' if self._from else 'receive'}()"

    def attempt(self) -> bool:
        """Receive, or wait for the socket to be readable."""
        source = self.occupy(interest.READING)
        if source is None:
            return False
        sock = self._datagrams
        if source.readable:
            received: Any
            size = self._size
            try:
                if self._from:
                    received = syscalls.receive_from(sock._sock, sock._fd, size, sock._buffer)
                else:
                    received = syscalls.receive_datagram(sock._sock, sock._fd, size, sock._buffer)
            except OSError as exc:
                self.vacate()
                return self.fail(too_long(size) if exc.errno in TOO_LONG else exc)
            if received is not None:
                source.reader = None
                if self._from:
                    sock._known = received[1]
                self.result = received
                return True
            source.readable = False
        sock._wait(source, interest.READING)
        return False


class SendDatagram(SocketOperation):
    """`AsyncDatagramSocket.send` and `send_to`."""

    __slots__ = ("_address", "_data", "_datagrams", "_in_line")

    def __init__(self, sock: AsyncDatagramSocket, data: Any, address: Any) -> None:
        self.begin(sock)
        self._datagrams = sock
        self._data = data
        self._address = address
        self._in_line = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return f"AsyncDatagramSocket.{'send' if self._address is None else 'send_to'}()"

    def attempt(self) -> bool:
        """Send, or wait for room, or for those who wait already."""
        sock = self._datagrams
        source = sock._source
        if source is None:
            return self.fail(closed_error())
        if source.writer is None:
            source.writer = self
        elif source.writer is not self:
            if not self._in_line:
                self._in_line = True
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
        """Tell whether there was room for it."""
        if self._address is None:
            return syscalls.send(sock._sock, sock._fd, self._data, 0) >= 0
        return syscalls.send_to(sock._sock, sock._fd, self._data, self._address)

    def wait_for_room(self, sock: AsyncDatagramSocket, source: Source) -> None:
        """Arrange to be told when to try again."""
        kernel = self.kernel
        if self._address is not None and sock._sock.family == UNIX and kernel is not None:
            # It is the receiver's queue that is full, and the system does not tell when
            # there is room in it.
            kernel._add_timer(kernel.current_time() + RETRY, self)
            return
        source.writable = False
        sock._wait(source, interest.WRITING)

    def vacate(self) -> None:
        """Leave the sending end to the first in line, or leave the line."""
        self.stop_timer()
        sock = self._datagrams
        source = sock._source
        if source is None:
            return
        if self._in_line:
            self._in_line = False
            sock._senders.remove(self)
        if source.writer is not self:
            return
        source.writer = None
        if sock._senders:
            following: SendDatagram = sock._senders.popleft()
            following._in_line = False
            source.writer = following
            following._ready()

    def stop_timer(self) -> None:
        """Do not try again by the clock."""
        if self.kernel is not None:
            self.kernel._remove_timer(self)


UNIX = getattr(stdlib_socket, "AF_UNIX", -1)
#: What the system answers when a datagram was cut off; Windows has a number of its own.
TOO_LONG = (errno.EMSGSIZE, getattr(errno, "WSAEMSGSIZE", errno.EMSGSIZE))


def too_long(size: int) -> OSError:
    """The error of receiving a datagram that is longer than there was room for."""
    reason = os.strerror(errno.EMSGSIZE)
    return OSError(
        errno.EMSGSIZE, f"{reason}: a datagram had more than max_size={size:d} bytes, and is lost"
    )


def check_size(what: str, max_size: Any) -> int:
    """The most bytes to receive.

    Raises:
        TypeError, ValueError: it is no number of bytes.
    """
    if not isinstance(max_size, int):
        raise TypeError(f"{what} needs a whole number of bytes, not {max_size!r}")
    if max_size < 1:
        raise ValueError(f"{what} needs a number of bytes from 1 up, not {max_size!r}")
    return min(max_size, syscalls.RECEIVE_BUFFER)


def wrap(kernel: Kernel, sock: Any) -> AsyncDatagramSocket:
    """Make an `AsyncDatagramSocket` for the tasks of a loop."""
    hint = "giambio.wrap_socket() is for streams"
    what = "wrap_datagram_socket()"
    take_over(AsyncDatagramSocket, what, sock, stdlib_socket.SOCK_DGRAM, hint)
    return AsyncDatagramSocket(kernel, sock)


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
    return wrap(current_kernel(), sock)
