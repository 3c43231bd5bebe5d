"""The interfaces of byte streams, which all streams implement.

Sockets, TLS, pipes, child processes and streams in memory all honour these
interfaces, so code for one of them works on every other. They are small on
purpose: an implementation needs two or three methods.

Beside the methods there are four rules, which hold for all:

- One task may receive while another one sends. Two that receive, or two that
  send, are a mistake: the second one gets a `BusyResourceError`.
- After `close`, everything raises `ClosedResourceError`, also in tasks that
  are waiting; a stream that the other side broke raises `BrokenResourceError`.
- A cancelled `receive` has received nothing. A cancelled `send_all` may have
  sent a part; if it has, further sends raise `BrokenResourceError`, because the
  other side could make no sense of further data. Receiving goes on.
- `close` acts at once, also in a cancelled scope and without an ``await``; the
  end of ``with`` and of ``async with`` does the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine
from typing import Any, Self

from giambio.errors import is_cancellation
from giambio.kernel.operation import Closed, Immediate

__all__ = ["ByteStream", "Closeable", "Listener", "ReceiveStream", "SendStream"]


class Closeable(ABC):
    """A stream or a listener: it can be closed, also by ``with``."""

    __slots__ = ()

    @abstractmethod
    def close_now(self) -> None:
        """Release all resources at once, and wake the tasks that wait on them.

        An implementation defines this method; `close` and the blocks call it. It
        waits for nothing, and does nothing a second time.
        """

    def close(self) -> Awaitable[None]:
        """Close it, at once; awaiting the result is welcome but not needed.

        Tasks that wait on it get a `ClosedResourceError`. Closing twice is harmless.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint.
        """
        self.close_now()
        return Closed()

    def aclose(self) -> Awaitable[None]:
        """The same as `close`, by the name that `contextlib.aclosing` looks for.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint.
        """
        return self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close_now()

    def __aenter__(self) -> Awaitable[Self]:
        return Immediate(self)

    def __aexit__(self, exc_type: Any, exc: Any, traceback: Any) -> Awaitable[None]:
        if exc_type is GeneratorExit:  # the coroutine is closed, and may not wait any more
            self.close_now()
            return Immediate(None)
        return leave(self, exc)


async def leave(resource: Closeable, exc: BaseException | None) -> None:
    """End an ``async with`` block, which the exception `exc` leaves as well."""
    try:
        await resource.close()
    except BaseException as error:
        if exc is None or not is_cancellation(error):
            if error.__context__ is None and error is not exc:  # an await raises without one
                error.__context__ = exc
            raise
        # It is closed, and the next checkpoint raises this again: `exc` counts more.


class ReceiveStream(Closeable):
    """A stream of bytes to receive: `receive` and `close_now`.

    An interface: `AsyncSocket`, TLS, pipes and in-memory streams are
    `ReceiveStream`s, and so is each class of yours that derives from it.

    Example:
        >>> import giambio
        >>> class Zeros(giambio.ReceiveStream):
        ...     async def receive(self, max_size=65536):
        ...         await giambio.checkpoint()
        ...         return bytes(max_size)
        ...     def close_now(self):
        ...         pass
        >>> giambio.run(Zeros().receive, 3)
        b'\\x00\\x00\\x00'
    """

    __slots__ = ()

    @abstractmethod
    def receive(self, max_size: int = 65536) -> Coroutine[Any, Any, bytes]:
        """Receive some data, and wait if there is none.

        Parameters:
            max_size: the most to return, in bytes; 65536 by default.

        Returns:
            Awaited: the bytes; ``b""`` when the other side has ended its
            stream, and again at each further call.

        Raises:
            TypeError, ValueError: `max_size` is not a number from 1 up.
            BusyResourceError: another task is receiving.
            ClosedResourceError: the stream is closed, or was while waiting.
            BrokenResourceError: the other side has broken it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost.
        """


class SendStream(Closeable):
    """A stream of bytes to send: `send_all` and `close_now`.

    An interface, as `ReceiveStream` is.

    Example:
        >>> import giambio
        >>> class Printer(giambio.SendStream):
        ...     async def send_all(self, data):
        ...         await giambio.checkpoint()
        ...         print(data)
        ...     def close_now(self):
        ...         pass
        >>> giambio.run(Printer().send_all, b"hello")
        b'hello'
    """

    __slots__ = ()

    @abstractmethod
    def send_all(self, data: Any) -> Coroutine[Any, Any, None]:
        """Send all of the data, waiting for room as often as needed.

        Parameters:
            data: any bytes-like object, of any size. It must not change before
                this is done.

        Raises:
            TypeError: it is not bytes-like.
            BusyResourceError: another task is sending.
            ClosedResourceError: the stream is closed, or was while waiting.
            BrokenResourceError: nobody can receive it any more, or an earlier
                `send_all` was cancelled half-way.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, a part may have been sent; then further sends
        raise `BrokenResourceError`.
        """

    def send(self, data: Any) -> Coroutine[Any, Any, int]:
        """Send some of the data: as much as there is room for.

        A stream that need not implement this sends all of it. One that can tell
        how much it took lets TLS be cancelled between any two bytes.

        Parameters:
            data: any bytes-like object that is not empty.

        Returns:
            Awaited: the number of bytes that were taken.

        Raises:
            TypeError, BusyResourceError, ClosedResourceError,
            BrokenResourceError, CancelledError: see `send_all`.

        A checkpoint. Cancelled, nothing was sent, where this is implemented.
        """
        return send_whole(self, data)

    async def send_eof(self) -> None:
        """End the stream to the other side, which receives ``b""``.

        A stream that goes one way only need not implement this: then it is closed.

        Raises:
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `send_all`.

        A checkpoint. Harmless a second time.
        """
        await self.close()


async def send_whole(stream: SendStream, data: Any) -> int:
    """`SendStream.send` of a stream that cannot send a part."""
    await stream.send_all(data)
    return memoryview(data).nbytes


class ByteStream(ReceiveStream, SendStream):
    """A stream of bytes in both directions, such as a connection: and `send_eof`.

    An interface, as `ReceiveStream` is.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     with giambio.wrap_socket(socket.socket()) as sock:
        ...         return isinstance(sock, giambio.ByteStream)
        >>> giambio.run(main)
        True
    """

    __slots__ = ()

    @abstractmethod
    def send_eof(self) -> Coroutine[Any, Any, None]:
        """End the stream to the other side, which receives ``b""``; receiving goes on.

        Raises:
            BusyResourceError: another task is sending.
            ClosedResourceError: the stream is closed.
            BrokenResourceError: nobody can receive it any more, or an earlier
                `send_all` was cancelled half-way.
            NotImplementedError: this kind of stream cannot end one direction alone.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Harmless a second time.
        """


class Listener(Closeable):
    """A source of connections: `accept` and `close_now`.

    An interface, as `ReceiveStream` is.

    Example:
        >>> import giambio, socket
        >>> async def main():
        ...     with giambio.wrap_socket(socket.create_server(("127.0.0.1", 0))) as sock:
        ...         return isinstance(sock, giambio.Listener)
        >>> giambio.run(main)
        True
    """

    __slots__ = ()

    @abstractmethod
    def accept(self) -> Coroutine[Any, Any, tuple[ByteStream, Any]]:
        """Wait for a connection.

        Returns:
            Awaited: a pair of the connection and the address of the other side.

        Raises:
            OSError: the system refuses, for instance because descriptors have run out.
            BusyResourceError: another task is accepting.
            ClosedResourceError: the listener is closed, or was while waiting.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, no connection was taken.
        """
