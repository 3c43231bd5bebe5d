"""One stream out of two: one to send on, one to receive from.

A child process, a pair of pipes and the standard streams have one stream for each
direction, and a protocol that speaks in both wants one for both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

from giambio._build.sealed import final
from giambio.streams.abc import ByteStream, ReceiveStream, SendStream

__all__ = ["StapledStream"]


class StapledStream(ByteStream):
    """A byte stream made of a stream to send on and one to receive from.

    Parameters:
        send_stream: where `send_all` sends.
        receive_stream: where `receive` receives.

    Raises:
        TypeError: one of them is no such stream.

    Example:
        >>> import giambio
        >>> async def main():
        ...     there, here = giambio.memory_stream_one_way_pair()
        ...     async with giambio.StapledStream(there, here) as loopback:
        ...         await loopback.send_all(b"hello")
        ...         return await loopback.receive()
        >>> giambio.run(main)
        b'hello'
    """

    __slots__ = ("__weakref__", "_receive_stream", "_send_stream")

    def __init__(self, send_stream: SendStream, receive_stream: ReceiveStream) -> None:
        if not isinstance(send_stream, SendStream):
            raise TypeError(f"StapledStream() needs a stream to send on first, not {send_stream!r}")
        if not isinstance(receive_stream, ReceiveStream):
            raise TypeError(
                f"StapledStream() needs a stream to receive from second, not {receive_stream!r}"
            )
        self._send_stream = send_stream
        self._receive_stream = receive_stream

    @property
    def send_stream(self) -> SendStream:
        """The stream to send on.

        Example:
            >>> import giambio
            >>> there, here = giambio.memory_stream_one_way_pair()
            >>> giambio.StapledStream(there, here).send_stream is there
            True
        """
        return self._send_stream

    @property
    def receive_stream(self) -> ReceiveStream:
        """The stream to receive from.

        Example:
            >>> import giambio
            >>> there, here = giambio.memory_stream_one_way_pair()
            >>> giambio.StapledStream(there, here).receive_stream is here
            True
        """
        return self._receive_stream

    def receive(self, max_size: int = 65536) -> Coroutine[Any, Any, bytes]:
        """Receive from the one; see `ReceiveStream.receive`."""
        return self._receive_stream.receive(max_size)

    def send_all(self, data: Any) -> Coroutine[Any, Any, None]:
        """Send on the other; see `SendStream.send_all`."""
        return self._send_stream.send_all(data)

    def send(self, data: Any) -> Coroutine[Any, Any, int]:
        """Send some on the other; see `SendStream.send`."""
        return self._send_stream.send(data)

    def send_eof(self) -> Coroutine[Any, Any, None]:
        """End the stream to send on; see `SendStream.send_eof`.

        Raises:
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            NotImplementedError, CancelledError: see `ByteStream.send_eof`.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     there, here = giambio.memory_stream_one_way_pair()
            ...     await giambio.StapledStream(there, here).send_eof()
            ...     return await here.receive()
            >>> giambio.run(main)
            b''
        """
        return self._send_stream.send_eof()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        try:
            self._send_stream.close_now()
        finally:
            self._receive_stream.close_now()

    def close(self) -> Awaitable[None]:
        """Close both; see `Closeable.close`.

        Raises:
            CancelledError: when awaited in a cancelled scope; both are closed then.

        Awaited, a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     there, here = giambio.memory_stream_one_way_pair()
            ...     await giambio.StapledStream(there, here).close()
            ...     await here.receive()
            >>> giambio.run(main)
            Traceback (most recent call last):
            giambio.errors.ClosedResourceError: this stream is closed
        """
        try:
            first = self._send_stream.close()
        finally:
            second = self._receive_stream.close()
        return Both(first, second)

    def __repr__(self) -> str:
        return f"<giambio.StapledStream of {self._send_stream!r} and {self._receive_stream!r}>"


final(StapledStream)


class Both:
    """The awaitable of two closings, which need not be awaited."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Awaitable[None], second: Awaitable[None]) -> None:
        self._first = first
        self._second = second

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield from self._first.__await__()
        finally:
            yield from self._second.__await__()
