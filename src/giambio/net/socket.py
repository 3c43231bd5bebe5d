"""Async stream sockets: the interface; `socket_operations` is the implementation."""

from __future__ import annotations

import socket as stdlib_socket
from typing import Any

from giambio._build.sealed import final
from giambio.kernel import current
from giambio.kernel.closed_from_outside import no_task_runs
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.net import socket_operations, syscalls
from giambio.net.basesocket import BaseSocket, take_over
from giambio.net.hosts import connect
from giambio.net.socket_operations import Accept, ReceiveInto, Send, SendEof
from giambio.streams.abc import ByteStream, Listener

__all__ = ["AsyncSocket", "wrap", "wrap_socket"]


class AsyncSocket(BaseSocket):
    """A stream socket for tasks. `wrap_socket` makes one, and `accept` does.

    It is a byte stream: `receive` returns ``b""`` at the end. One task may
    receive while another one sends; two that receive, or two that send, are an
    error. ``with`` and ``async with`` close it.

    A socket that is dropped without being closed closes itself, with a
    `ResourceWarning` that names the line where it was made.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     left, right = map(giambio.wrap_socket, socket.socketpair())
        ...     async with left, right:
        ...         await left.send_all(b"hello")
        ...         return await right.receive(1024)
        >>> giambio.run(main)
        b'hello'
    """

    __slots__ = ()

    _kind = "stream"

    # -- receiving ---------------------------------------------------------------------

    def receive(self, max_size: int = 65536) -> Operation:
        """Receive some data, and wait if there is none.

        Parameters:
            max_size: the most to return, in bytes; 65536 by default. One call
                never returns more than 262144.

        Returns:
            Awaited: the bytes; ``b""`` when the other side has ended its stream.

        Raises:
            TypeError, ValueError: `max_size` is not a number from 1 up.
            BusyResourceError: another task is receiving.
            ClosedResourceError: the socket is closed, or was while waiting.
            BrokenResourceError: the connection broke.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     left, right = map(giambio.wrap_socket, socket.socketpair())
            ...     with left, right:
            ...         await left.send_all(b"hello")
            ...         return await right.receive(4)
            >>> giambio.run(main)
            b'hell'
        """
        if not isinstance(max_size, int):
            raise TypeError(f"receive() needs a whole number of bytes, not {max_size!r}")
        size = syscalls.bounded(max_size)
        if size < 1:
            raise ValueError(f"receive() needs a number of bytes from 1 up, not {max_size!r}")
        return socket_operations.new_receive(self, size)

    def receive_into(self, buffer: Any) -> Operation:
        """Receive some data into a buffer of yours, without a copy.

        Parameters:
            buffer: anything writable: a `bytearray`, a `memoryview`, an array.

        Returns:
            Awaited: the number of bytes; 0 when the other side has ended its
            stream.

        Raises:
            TypeError: the buffer is not writable, has gaps, or is none at all.
            ValueError: the buffer is empty.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `receive`.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     left, right = map(giambio.wrap_socket, socket.socketpair())
            ...     buffer = bytearray(10)
            ...     with left, right:
            ...         await left.send_all(b"hello")
            ...         return await right.receive_into(buffer), buffer[:5]
            >>> giambio.run(main)
            (5, bytearray(b'hello'))
        """
        view = memoryview(buffer)
        if view.readonly:
            raise TypeError(f"receive_into() needs a writable buffer, not {type(buffer).__name__}")
        if not view.c_contiguous:
            raise TypeError("receive_into() needs a contiguous buffer, and this one has gaps")
        if not view.nbytes:
            raise ValueError("receive_into() needs a buffer that is not empty")
        return ReceiveInto(self, view)

    def accept(self) -> Operation:
        """Wait for a connection to a listening socket.

        Returns:
            Awaited: a pair of the connection, an `AsyncSocket`, and the address
            of the other side.

        Raises:
            OSError: the socket does not listen, or descriptors have run out.
            BusyResourceError, ClosedResourceError, CancelledError: see `receive`.

        A checkpoint. Cancelled, no connection was taken.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     with giambio.wrap_socket(socket.socket()) as listener:
            ...         listener.bind("127.0.0.1:0")
            ...         listener.listen()
            ...         with giambio.wrap_socket(socket.socket()) as client:
            ...             await client.connect(listener.getsockname())
            ...             connection, address = await listener.accept()
            ...             with connection:
            ...                 return address == client.getsockname()
            >>> giambio.run(main)
            True
        """
        return Accept(self)

    # -- sending -------------------------------------------------------------------------

    def send(self, data: Any) -> Operation:
        """Send some of the data: as much as there is room for.

        Parameters:
            data: any bytes-like object.

        Returns:
            Awaited: the number of bytes that were taken.

        Raises:
            TypeError: it is not bytes-like.
            BusyResourceError: another task is sending.
            ClosedResourceError: the socket is closed, or was while waiting.
            BrokenResourceError: the connection broke, or an earlier `send_all`
                was cancelled half-way.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was sent.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     left, right = map(giambio.wrap_socket, socket.socketpair())
            ...     with left, right:
            ...         return await left.send(b"hello")
            >>> giambio.run(main)
            5
        """
        return Send(self, socket_operations.bytes_like("send()", data))

    def send_all(self, data: Any) -> Operation:
        """Send all of the data, waiting for room as often as needed.

        Parameters:
            data: any bytes-like object, of any size. It is not copied, so it
                must not change before this is done.

        Raises:
            TypeError: it is not bytes-like.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `send`.

        A checkpoint. Cancelled, a part may have been sent; then the other side
        could make no sense of further data, and further sends raise
        `BrokenResourceError`. Receiving goes on.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     left, right = map(giambio.wrap_socket, socket.socketpair())
            ...     with left, right:
            ...         await left.send_all(b"hello")
            ...         return await right.receive()
            >>> giambio.run(main)
            b'hello'
        """
        return socket_operations.new_send_all(
            self, socket_operations.bytes_like("send_all()", data)
        )

    def send_eof(self) -> Operation:
        """End the stream to the other side, which receives ``b""``; receiving goes on.

        Raises:
            BusyResourceError: another task is sending.
            ClosedResourceError: the socket is closed.
            BrokenResourceError: there is no connection, or an earlier `send_all`
                was cancelled half-way.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing has happened. Harmless a second time.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     left, right = map(giambio.wrap_socket, socket.socketpair())
            ...     with left, right:
            ...         await left.send_eof()
            ...         return await right.receive()
            >>> giambio.run(main)
            b''
        """
        return SendEof(self)

    # -- connecting ------------------------------------------------------------------------

    def connect(self, address: Any) -> Any:
        """Connect to an address.

        Parameters:
            address: for IPv4 and IPv6 ``(host, port)``, ``"host:port"``,
                ``"[v6]:port"`` or ``"host"``, which means port 80; for a Unix
                socket its path. Names are resolved without blocking the loop.

        Raises:
            TypeError, ValueError: the address is malformed.
            socket.gaierror: the name cannot be resolved.
            OSError: the connection was refused, timed out, or the like.
            BusyResourceError, ClosedResourceError, CancelledError: see `send`.

        A checkpoint. Cancelled, the socket is closed, because the connection may
        have been made half-way.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     with giambio.wrap_socket(socket.socket()) as sock:
            ...         await sock.connect("127.0.0.1:1")
            >>> giambio.run(main)
            Traceback (most recent call last):
            ConnectionRefusedError: [Errno 111] Connection refused: ('127.0.0.1', 1)
        """
        return connect(self, address)

    def listen(self, backlog: int = 4096) -> None:
        """Listen for connections from now on; `accept` takes them.

        Parameters:
            backlog: how many may wait to be accepted; the system may allow fewer.

        Raises:
            OSError: the system refuses.
            ClosedResourceError: the socket is closed.

        Not a checkpoint.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     with giambio.wrap_socket(socket.socket()) as sock:
            ...         sock.bind("127.0.0.1:0")
            ...         sock.listen()
            >>> giambio.run(main)
        """
        self._open_socket().listen(backlog)


final(AsyncSocket, "(kernel, sock)")
ByteStream.register(AsyncSocket)
Listener.register(AsyncSocket)


def wrap(kernel: Kernel, sock: Any) -> AsyncSocket:
    """See `EventLoop.wrap_socket`."""
    hint = "giambio.wrap_datagram_socket() is for datagrams"
    take_over(AsyncSocket, "wrap_socket()", sock, stdlib_socket.SOCK_STREAM, hint)
    return AsyncSocket(kernel, sock)


def wrap_socket(sock: stdlib_socket.socket) -> AsyncSocket:
    """Make an `AsyncSocket` of a socket, for the loop that is running.

    Parameters:
        sock: see `EventLoop.wrap_socket`.

    Returns:
        A new `AsyncSocket`.

    Raises:
        RuntimeError: no loop runs in this thread.
        TypeError, ValueError: see `EventLoop.wrap_socket`.

    Not a checkpoint.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     with giambio.wrap_socket(socket.socket()) as sock:
        ...         return sock.fileno() > 0
        >>> giambio.run(main)
        True
    """
    kernel: Kernel | None = current.get()
    if kernel is None:
        raise no_task_runs(
            "no giambio loop runs in this thread, to which the socket would belong; call "
            "wrap_socket() in a task, or loop.wrap_socket() of the EventLoop that will use it"
        )
    return wrap(kernel, sock)
