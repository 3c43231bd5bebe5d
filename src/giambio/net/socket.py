"""Async sockets: `AsyncSocket`, and the operations behind its methods.

Each operation tries the system call and parks when the system says "not now".
A socket is registered with the driver the first time that happens, and never
again; after that its `Source` remembers what is ready. Only `EAGAIN` takes
readiness away, with one exception that saves half of a busy server's system
calls: on a TCP stream, a `recv` that returned less than it was asked for has
emptied the socket, unless an end, an error or urgent data was reported.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
import sys
import warnings
import weakref
from types import TracebackType
from typing import Any

from giambio._final import final
from giambio.drivers import directions
from giambio.drivers.source import Source
from giambio.errors import BrokenResourceError, BusyResourceError, ClosedResourceError
from giambio.kernel.basetask import BaseTask
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Immediate, Operation, current_kernel
from giambio.kernel.tracebacks import user_frame
from giambio.net import transfer
from giambio.net.address import parse
from giambio.net.connecting import connect
from giambio.net.resolver import local_address
from giambio.net.transfer import ReceiveBuffer

__all__ = ["AsyncSocket", "wrap", "wrap_socket"]


class AsyncSocket:
    """A stream socket for tasks. `wrap_socket` makes one, and `accept` does.

    It is a byte stream: `receive` returns ``b""`` at the end. One task may
    receive while another one sends; two that receive, or two that send, are an
    error. ``with`` and ``async with`` close it.

    Dropped without being closed it closes itself, with a `ResourceWarning` that
    says where it was made.

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

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_fd",
        "_kernel",
        "_made_at",
        "_send_broken",
        "_short_reads",
        "_sock",
        "_source",
    )

    def __init__(self, kernel: Kernel, sock: stdlib_socket.socket) -> None:
        self._kernel = kernel
        self._sock = sock
        self._fd = sock.fileno()
        self._source: Source | None = Source(self._fd)
        self._short_reads = sock.type == stdlib_socket.SOCK_STREAM and sock.family in IP
        self._send_broken = False
        self._buffer: ReceiveBuffer = receive_buffer(kernel)
        self._made_at = place()
        owned.add(sock)

    # -- receiving ---------------------------------------------------------------------

    def receive(self, max_size: int = 65536) -> Operation:
        """Receive what has come, and wait if that is nothing.

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
        if max_size < 1:
            raise ValueError(f"receive() needs a number of bytes from 1 up, not {max_size!r}")
        return new_receive(self, min(max_size, transfer.RECEIVE_BUFFER))

    def receive_into(self, buffer: Any) -> Operation:
        """Receive what has come into a buffer of yours, without a copy.

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
        return Send(self, bytes_like("send()", data))

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
        can make no sense of what would follow, and further sends raise
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
        return new_send_all(self, bytes_like("send_all()", data))

    def send_eof(self) -> Operation:
        """End the stream to the other side, which receives ``b""``; receiving goes on.

        Raises:
            BusyResourceError: another task is sending.
            ClosedResourceError: the socket is closed.
            BrokenResourceError: there is no connection.
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

        A checkpoint. Cancelled, the socket is closed: nobody knows how far the
        connection got.

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

    def start_connecting(self, address: Any) -> Operation:
        """The last step of `connect`, for an address that is resolved."""
        return Connect(self, address)

    def bind(self, address: Any) -> None:
        """Give the socket a local address.

        Parameters:
            address: as for `connect`, but with a port (0: any free one) and
                without names: numeric, ``""`` for every interface, or
                ``"localhost"``.

        Raises:
            TypeError, ValueError: the address is malformed, or a name.
            OSError: it is in use, or not an address of this machine.
            ClosedResourceError: the socket is closed.

        Not a checkpoint.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     with giambio.wrap_socket(socket.socket()) as sock:
            ...         sock.bind("127.0.0.1:0")
            >>> giambio.run(main)
        """
        sock = self._open_socket()
        sock.bind(local_address(sock.family, parse(sock.family, address)))

    def listen(self, backlog: int = 4096) -> None:
        """Take connections from now on; `accept` hands them out.

        Parameters:
            backlog: how many may wait to be accepted; the system may allow less.

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

    # -- closing -----------------------------------------------------------------------------

    def close(self) -> Operation:
        """Close the socket, at once; awaiting the result is welcome but not needed.

        Who waits on the socket gets a `ClosedResourceError`. Closing twice is
        harmless.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint that never waits. Works after the loop has ended.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     sock = giambio.wrap_socket(socket.socket())
            ...     await sock.close()
            ...     await sock.close()
            >>> giambio.run(main)
        """
        self.close_now()
        return Closed()

    def aclose(self) -> Operation:
        """The same as `close`, by the name that `contextlib.aclosing` looks for.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint that never waits.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     await giambio.wrap_socket(socket.socket()).aclose()
            >>> giambio.run(main)
        """
        return self.close()

    def close_now(self) -> None:
        """Release the descriptor, and tell who waits on it."""
        source = self._source
        if source is None:
            return
        self._source = None
        driver = self._kernel.driver
        if driver is not None:
            driver.forget(source)
        self._sock.close()
        owned.discard(self._sock)
        reader = source.reader
        writer = source.writer
        source.reader = None
        source.writer = None
        if reader is not None:
            reader.ready()
        if writer is not None:
            writer.ready()

    def __enter__(self) -> AsyncSocket:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_now()

    def __aenter__(self) -> Operation:
        return Immediate(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self.close_now()
        return Immediate(None)

    def __del__(self) -> None:
        if self._source is not None:
            made_at = self._made_at
            # Described first, because a closed socket has nothing to say.
            text = f"{self!r} made at {made_at} was dropped without being closed"
            self.close_now()
            warnings.warn(text, ResourceWarning, stacklevel=2, source=None)

    # -- names and options ---------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor; -1 when the socket is closed. Not a checkpoint.

        Example:
            >>> import giambio, socket
            >>> async def main():
            ...     sock = giambio.wrap_socket(socket.socket())
            ...     sock.close()
            ...     return sock.fileno()
            >>> giambio.run(main)
            -1
        """
        return -1 if self._source is None else self._fd

    @property
    def family(self) -> int:
        """The address family, such as `socket.AF_INET`.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.family == socket.AF_INET)
            True
        """
        return self._sock.family

    def getsockname(self) -> Any:
        """The local address. Not a checkpoint.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: the system refuses.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.getsockname())
            ('0.0.0.0', 0)
        """
        return self._open_socket().getsockname()

    def getpeername(self) -> Any:
        """The address of the other side. Not a checkpoint.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: it is not connected.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.getpeername())
            Traceback (most recent call last):
            OSError: [Errno 107] Transport endpoint is not connected
        """
        return self._open_socket().getpeername()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Set an option; as `socket.socket.setsockopt`. Not a checkpoint.

        Parameters:
            level: such as `socket.SOL_SOCKET`.
            option: such as `socket.SO_REUSEADDR`.
            value: a number or bytes.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: the system refuses.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        """
        self._open_socket().setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """Read an option; as `socket.socket.getsockopt`. Not a checkpoint.

        Parameters:
            level: such as `socket.SOL_SOCKET`.
            option: such as `socket.SO_REUSEADDR`.
            size: 0 for a number, otherwise the most bytes to return.

        Raises:
            ClosedResourceError: the socket is closed.
            OSError: the system refuses.

        Example:
            >>> import giambio, socket
            >>> with giambio.EventLoop().wrap_socket(socket.socket()) as sock:
            ...     print(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            0
        """
        if size:
            return self._open_socket().getsockopt(level, option, size)
        return self._open_socket().getsockopt(level, option)

    def __repr__(self) -> str:
        family = FAMILIES.get(self._sock.family, str(self._sock.family))
        if self._source is None:
            return f"<giambio.AsyncSocket {family} closed>"
        return f"<giambio.AsyncSocket {family} stream>"

    # -- what the operations ask -----------------------------------------------------------------

    def _open_socket(self) -> stdlib_socket.socket:
        """The socket behind it.

        Raises:
            ClosedResourceError: it is closed.
        """
        if self._source is None:
            raise closed_error()
        return self._sock

    def _wait(self, source: Source, direction: int) -> None:
        """Have the driver report from now on."""
        driver = self._kernel.driver
        if driver is not None:
            try:
                driver.arm(source, direction)
            except BaseException:
                if direction == directions.READING:
                    source.reader = None
                else:
                    source.writer = None
                raise


class SocketOperation(Operation):
    """What the operations of a socket have in common: who stands at which end."""

    __slots__ = ("_socket",)

    def begin(self, sock: AsyncSocket) -> None:
        """The constructor's work."""
        self.prepare(sock._kernel)
        self._socket = sock

    def occupy(self, direction: int) -> Source | None:
        """Take the socket's receiving or sending end.

        Returns:
            None if that failed, and the error is on its way.
        """
        source = self._socket._source
        if source is None:
            self.fail(closed_error())
            return None
        if direction == directions.READING:
            if source.reader is None:
                source.reader = self
            elif source.reader is not self:
                self.fail(
                    BusyResourceError(
                        "another task is receiving from this socket; let one task receive, "
                        "or take turns with a lock"
                    )
                )
                return None
        elif source.writer is None:
            source.writer = self
        elif source.writer is not self:
            self.fail(
                BusyResourceError(
                    "another task is sending on this socket; let one task send, "
                    "or take turns with a lock"
                )
            )
            return None
        return source

    def vacate(self) -> None:
        """Leave the end that was taken."""
        source = self._socket._source
        if source is not None:
            if source.reader is self:
                source.reader = None
            if source.writer is self:
                source.writer = None

    def abort(self) -> bool:
        """Nothing was transferred yet."""
        self.vacate()
        return True

    def broken(self, exc: OSError) -> bool:
        """The system reported an error: leave, and raise what it means."""
        self.vacate()
        error: BaseException = exc
        if isinstance(exc, ConnectionError) or exc.errno in BROKEN:
            error = BrokenResourceError(f"the connection broke: {exc.strerror}")
            error.__cause__ = exc
        return self.fail(error)


class Receive(SocketOperation):
    """`AsyncSocket.receive`."""

    __slots__ = ("_size",)

    _size: int

    what = "AsyncSocket.receive()"

    def attempt(self) -> bool:
        """Receive, or wait for the socket to be readable."""
        source = self.occupy(directions.READING)
        if source is None:
            return False
        sock = self._socket
        if source.readable:
            try:
                data = transfer.receive(sock._sock, sock._fd, self._size, sock._buffer)
            except OSError as exc:
                return self.broken(exc)
            if data is not None:
                count = len(data)
                if 0 < count < self._size and sock._short_reads and not source.sticky:
                    source.readable = False
                source.reader = None
                self.spend(count >> transfer.LARGE_SHIFT)
                self.result = data
                return True
            source.readable = False
        sock._wait(source, directions.READING)
        return False


class ReceiveInto(SocketOperation):
    """`AsyncSocket.receive_into`."""

    __slots__ = ("_view",)

    what = "AsyncSocket.receive_into()"

    def __init__(self, sock: AsyncSocket, view: memoryview) -> None:
        self.begin(sock)
        self._view = view

    def attempt(self) -> bool:
        """Receive, or wait for the socket to be readable."""
        source = self.occupy(directions.READING)
        if source is None:
            return False
        sock = self._socket
        if source.readable:
            try:
                count = transfer.receive_into(sock._sock, sock._fd, self._view)
            except OSError as exc:
                return self.broken(exc)
            if count >= 0:
                if 0 < count < self._view.nbytes and sock._short_reads and not source.sticky:
                    source.readable = False
                source.reader = None
                self.spend(count >> transfer.LARGE_SHIFT)
                self.result = count
                return True
            source.readable = False
        sock._wait(source, directions.READING)
        return False


class Accept(SocketOperation):
    """`AsyncSocket.accept`."""

    __slots__ = ()

    what = "AsyncSocket.accept()"

    def __init__(self, sock: AsyncSocket) -> None:
        self.begin(sock)

    def attempt(self) -> bool:
        """Accept, or wait for the socket to be readable."""
        source = self.occupy(directions.READING)
        if source is None:
            return False
        sock = self._socket
        while source.readable:
            try:
                connection, address = sock._sock.accept()
            except BlockingIOError:
                source.readable = False
            except ConnectionAbortedError:
                continue  # it was gone before we came to it; the next one may be there
            except OSError as exc:
                self.vacate()
                return self.fail(exc)
            else:
                source.reader = None
                connection.setblocking(False)
                self.result = (AsyncSocket(sock._kernel, connection), address)
                return True
        sock._wait(source, directions.READING)
        return False


class Send(SocketOperation):
    """`AsyncSocket.send`."""

    __slots__ = ("_data",)

    what = "AsyncSocket.send()"

    def __init__(self, sock: AsyncSocket, data: Any) -> None:
        self.begin(sock)
        self._data = data

    def attempt(self) -> bool:
        """Send, or wait for the socket to be writable."""
        source = self.occupy(directions.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            self.vacate()
            return self.fail(half_sent_error())
        if source.writable:
            try:
                count = transfer.send(sock._sock, sock._fd, self._data, 0)
            except OSError as exc:
                return self.broken(exc)
            if count >= 0:
                source.writer = None
                self.spend(count >> transfer.LARGE_SHIFT)
                self.result = count
                return True
            source.writable = False
        sock._wait(source, directions.WRITING)
        return False


class SendAll(SocketOperation):
    """`AsyncSocket.send_all`."""

    __slots__ = ("_data", "_offset", "_size")

    _data: Any
    _offset: int
    _size: int

    what = "AsyncSocket.send_all()"

    def attempt(self) -> bool:
        """Send until all is sent, there is no room, or it is others' turn."""
        source = self.occupy(directions.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            if not self._offset:
                self.vacate()
                return self.fail(half_sent_error())
            sock._send_broken = False  # our own interruption was taken back: go on
        while self._offset < self._size and source.writable:
            try:
                count = transfer.send(sock._sock, sock._fd, self._data, self._offset)
            except OSError as exc:
                return self.broken(exc)
            if count < 0:
                source.writable = False
                break
            self._offset += count
            if self.spend(count >> transfer.LARGE_SHIFT) and self._offset < self._size:
                self.give_way()
                return False
        if self._offset < self._size:
            sock._wait(source, directions.WRITING)
            return False
        source.writer = None
        return True

    def abort(self) -> bool:
        """If a part was sent, nothing sensible can follow it."""
        if 0 < self._offset < self._size:
            self._socket._send_broken = True
        self.vacate()
        return True


class SendEof(SocketOperation):
    """`AsyncSocket.send_eof`."""

    __slots__ = ()

    what = "AsyncSocket.send_eof()"

    def __init__(self, sock: AsyncSocket) -> None:
        self.begin(sock)

    def attempt(self) -> bool:
        """Shut the sending half down; that never waits."""
        source = self.occupy(directions.WRITING)
        if source is None:
            return False
        try:
            self._socket._sock.shutdown(stdlib_socket.SHUT_WR)
        except OSError as exc:
            return self.broken(exc)
        self.vacate()
        return True


class Connect(SocketOperation):
    """One attempt to connect, to an address that needs no resolving.

    Its result is False if the system asks to try again later, which it does
    for a Unix socket whose listener has a full backlog, without telling when.
    """

    __slots__ = ("_address", "_begun")

    what = "AsyncSocket.connect()"

    def __init__(self, sock: AsyncSocket, address: Any) -> None:
        self.begin(sock)
        self._address = address
        self._begun = False

    def attempt(self) -> bool:
        """Begin to connect, or look how far it got."""
        source = self.occupy(directions.WRITING)
        if source is None:
            return False
        sock = self._socket
        if not self._begun:
            try:
                error = sock._sock.connect_ex(self._address)
            except Exception as exc:  # the address is not of the kind that the system takes
                self.vacate()
                return self.fail(exc)
            if error in IN_PROGRESS:
                self._begun = True
                source.writable = False
            elif error in AGAIN:
                source.writer = None
                self.result = False
                return True
        else:
            error = self._progress(source)
        if error in IN_PROGRESS:
            sock._wait(source, directions.WRITING)
            return False
        source.writer = None
        if error:
            return self.fail(OSError(error, f"{os.strerror(error)}: {self._address!r}"))
        self.result = True
        return True

    def _progress(self, source: Source) -> int:
        """The error number of a connection attempt under way, 0 if it has succeeded."""
        sock = self._socket._sock
        error: int
        if sys.platform == "linux":
            # Asked again, Linux tells how it went, also if somebody else has taken the
            # error away; and only a socket that has told may try another address.
            error = sock.connect_ex(self._address)
            if error in IN_PROGRESS:
                source.writable = False
            return error
        error = sock.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_ERROR)
        if not error:
            try:
                sock.getpeername()
            except OSError:  # woken too early: it is not connected yet
                source.writable = False
                return IN_PROGRESS[0]
        return error

    def interruption(self, task: BaseTask) -> BaseException:
        """See `Park.interruption`; a half-made connection is of no use to anybody."""
        self._socket.close_now()
        return SocketOperation.interruption(self, task)


class Closed(Operation):
    """What `close` returns: a checkpoint that need not be awaited."""

    __slots__ = ()

    what = "close()"

    def __init__(self) -> None:
        self.prepare(None)

    def attempt(self) -> bool:
        """It is closed already."""
        return True

    def __del__(self) -> None:
        pass  # never awaited is fine


final(AsyncSocket, "(kernel, sock)")


# The two operations that a busy connection makes have no constructor: compiled,
# a call of a class packs its arguments into a tuple and unpacks them again,
# which is a tenth of what an operation costs. These are direct.


def new_receive(sock: AsyncSocket, size: int) -> Receive:
    """Make a `Receive`."""
    operation = Receive.__new__(Receive)
    operation.begin(sock)
    operation._size = size
    return operation


def new_send_all(sock: AsyncSocket, data: Any) -> SendAll:
    """Make a `SendAll`."""
    operation = SendAll.__new__(SendAll)
    operation.begin(sock)
    operation._data = data
    operation._size = len(data)
    operation._offset = 0
    return operation


IP = (stdlib_socket.AF_INET, stdlib_socket.AF_INET6)

FAMILIES = {stdlib_socket.AF_INET: "IPv4", stdlib_socket.AF_INET6: "IPv6"}
if hasattr(stdlib_socket, "AF_UNIX"):
    FAMILIES[stdlib_socket.AF_UNIX] = "Unix"


def error_numbers(*names: str) -> tuple[int, ...]:
    """The numbers of errors, of those that this system has."""
    import errno

    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


#: Errors of a connection that broke, beside those that are a `ConnectionError`.
BROKEN = error_numbers(
    "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ENETRESET", "EHOSTDOWN", "ENOTCONN"
)
IN_PROGRESS = error_numbers("EINPROGRESS", "EALREADY", "WSAEWOULDBLOCK", "EINTR")
AGAIN = error_numbers("EAGAIN")


def closed_error() -> ClosedResourceError:
    """The error of using a closed socket."""
    return ClosedResourceError("this socket is closed; make a new one to connect again")


def half_sent_error() -> BrokenResourceError:
    """The error of sending after a cancelled `send_all`."""
    return BrokenResourceError(
        "an earlier send_all() was cancelled when a part was sent, so what follows would make "
        "no sense to the other side; close this socket (receiving still works)"
    )


def bytes_like(what: str, data: Any) -> Any:
    """The data as something with a length in bytes, not copied."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        hint = "; encode text first: data.encode()" if isinstance(data, str) else ""
        raise TypeError(
            f"{what} needs a bytes-like object, not {type(data).__name__}{hint}"
        ) from None
    if not view.c_contiguous:
        raise TypeError(f"{what} needs a contiguous buffer, and this memoryview has gaps")
    return view.cast("B")


def receive_buffer(kernel: Kernel) -> ReceiveBuffer:
    """The one receive buffer of a loop."""
    buffer: ReceiveBuffer | None = kernel.services.get("receive buffer")
    if buffer is None:
        buffer = kernel.services["receive buffer"] = ReceiveBuffer(transfer.RECEIVE_BUFFER)
    return buffer


def place() -> str:
    """Where in the user's code we are, for the warning of a dropped socket."""
    frame = user_frame()
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


#: The plain sockets behind open `AsyncSocket`s. It keeps them out of the garbage
#: collector's hands, which would close and report one before the `AsyncSocket` around it.
owned: set[stdlib_socket.socket] = set()

wrapped: weakref.WeakSet[stdlib_socket.socket] = weakref.WeakSet()


def wrap(kernel: Kernel, sock: Any) -> AsyncSocket:
    """See `EventLoop.wrap_socket`."""
    if not isinstance(sock, stdlib_socket.socket):
        raise TypeError(f"wrap_socket() needs a socket.socket, not {sock!r}")
    ssl = sys.modules.get("ssl")
    if ssl is not None and isinstance(sock, ssl.SSLSocket):
        raise TypeError("wrap_socket() needs a plain socket, not one that speaks TLS")
    if sock in wrapped:
        raise ValueError(
            "this socket was wrapped already; use the AsyncSocket that you got the first time"
        )
    if sock.fileno() < 0:
        raise ValueError("wrap_socket() needs an open socket, and this one is closed")
    if sock.type != stdlib_socket.SOCK_STREAM:
        raise TypeError(f"wrap_socket() needs a stream socket, not {sock.type!r}")
    sock.setblocking(False)
    wrapped.add(sock)
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
    return wrap(current_kernel(), sock)
