"""A given number of bytes, up to a delimiter, line by line: a buffer on top of a stream.

A stream gives bytes in pieces of any size. Protocols speak of lines and lengths.
Between the two is a buffer: bytes that were received and not yet taken stay in
it, also when the task that waits for the rest is cancelled or gives up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any

from giambio._build.sealed import final
from giambio.errors import DelimiterNotFound, IncompleteRead
from giambio.streams.abc import ByteStream, ReceiveStream
from giambio.streams.budget import spend_budget
from giambio.streams.guard import Guard, bytes_like, check_size, closed_error, to_send_on

__all__ = ["BufferedStream"]

#: How many bytes to ask the stream for.
PIECE = 65536


class BufferedStream(ByteStream):
    """A stream that can also be received from by length, by delimiter and by line.

    Data to send is passed on as it is. ``async for line in stream`` gives the
    lines, as `receive_line` does, until the stream ends.

    Parameters:
        stream: any `ReceiveStream`: a socket, TLS, a pipe. From then on use it
            only through this object, or bytes that are in the buffer are missed.

    Raises:
        TypeError: it is no `ReceiveStream`.

    Example:
        >>> import giambio
        >>> async def main():
        ...     left, right = giambio.memory_stream_pair()
        ...     await left.send_all(b"GET /\\r\\n5:hello")
        ...     stream = giambio.BufferedStream(right)
        ...     print(await stream.receive_line())
        ...     print(await stream.receive_until(b":", 20))
        ...     print(await stream.receive_exactly(5))
        >>> giambio.run(main)
        b'GET /\\r\\n'
        b'5'
        b'hello'
    """

    __slots__ = ("__weakref__", "_buffer", "_closed", "_receiving", "_stream")

    def __init__(self, stream: ReceiveStream) -> None:
        if not isinstance(stream, ReceiveStream):
            raise TypeError(f"BufferedStream() needs a stream to receive from, not {stream!r}")
        self._stream = stream
        self._buffer = bytearray()
        self._closed = False
        self._receiving = Guard("receiving from", "receive")

    # -- receiving ---------------------------------------------------------------------

    async def receive(self, max_size: int = 65536) -> bytes:
        """Receive bytes from the buffer, or else from the stream; see `ReceiveStream.receive`.

        Parameters:
            max_size: the most to return, in bytes; 65536 by default.

        Returns:
            The bytes; ``b""`` at the end.

        Raises:
            TypeError, ValueError, BusyResourceError, ClosedResourceError,
            BrokenResourceError, CancelledError: see `ReceiveStream.receive`.

        A checkpoint. Cancelled, nothing is lost.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await left.send_all(b"hello")
            ...     return await giambio.BufferedStream(right).receive(4)
            >>> giambio.run(main)
            b'hell'
        """
        check_size("receive()", "max_size", max_size)
        with self._receiving:
            if not self._buffer:
                return await self._stream.receive(max_size)
            await self._begin()
            return self._take(min(max_size, len(self._buffer)))

    async def receive_exactly(self, size: int) -> bytes:
        """Receive a given number of bytes.

        Parameters:
            size: how many; from 0 up.

        Raises:
            TypeError, ValueError: `size` is not such a number.
            IncompleteRead: the stream ended before; ``partial`` has the bytes.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `ReceiveStream.receive`.

        A checkpoint. Cancelled or failed, received bytes stay in the buffer.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await left.send_all(b"hello")
            ...     return await giambio.BufferedStream(right).receive_exactly(5)
            >>> giambio.run(main)
            b'hello'
        """
        check_size("receive_exactly()", "size", size, 0)
        with self._receiving:
            await self._begin()
            while len(self._buffer) < size:
                if not await self._fill(size - len(self._buffer)):
                    raise self._incomplete(f"before the {size} bytes that were asked for")
            return self._take(size)

    async def receive_until(self, delimiter: bytes, max_size: int = 65536) -> bytes:
        """Receive up to a delimiter.

        Parameters:
            delimiter: the bytes that end it; not empty.
            max_size: the most that may come before the delimiter, in bytes; 65536 by
                default: no other side can fill your memory.

        Returns:
            The bytes before the delimiter, which is taken too.

        Raises:
            TypeError, ValueError: `delimiter` is not bytes-like, or empty;
                `max_size` is not a number from 1 up.
            DelimiterNotFound: it is not within the first `max_size` bytes.
            IncompleteRead: the stream ended before; ``partial`` has the bytes.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `ReceiveStream.receive`.

        A checkpoint. Cancelled or failed, received bytes stay in the buffer.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await left.send_all(b"key=value")
            ...     return await giambio.BufferedStream(right).receive_until(b"=", 100)
            >>> giambio.run(main)
            b'key'
        """
        check_size("receive_until()", "max_size", max_size)
        mark = bytes(bytes_like("receive_until()", delimiter))
        if not mark:
            raise ValueError("receive_until() needs a delimiter that is not empty")
        with self._receiving:
            await self._begin()
            found = await self._find(mark, max_size)
            if found < 0:
                raise self._incomplete(f"before {mark!r}")
            data = self._take(found)
            del self._buffer[: len(mark)]
            return data

    async def receive_line(self, max_size: int = 65536) -> bytes:
        """Receive a line.

        Parameters:
            max_size: how long it may be before its end, in bytes; 65536 by
                default.

        Returns:
            The line with its ``b"\\n"``, as from a file; only the last line of a
            stream may lack that. ``b""`` at the end.

        Raises:
            TypeError, ValueError: `max_size` is not a number from 1 up.
            DelimiterNotFound: the line is longer.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `ReceiveStream.receive`.

        A checkpoint. Cancelled or failed, received bytes stay in the buffer.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await left.send_all(b"one\\ntwo")
            ...     left.close()
            ...     return [line async for line in giambio.BufferedStream(right)]
            >>> giambio.run(main)
            [b'one\\n', b'two']
        """
        check_size("receive_line()", "max_size", max_size)
        with self._receiving:
            await self._begin()
            found = await self._find(b"\n", max_size)
            return self._take(len(self._buffer) if found < 0 else found + 1)

    def __aiter__(self) -> BufferedStream:
        return self

    async def __anext__(self) -> bytes:
        line = await self.receive_line()
        if not line:
            raise StopAsyncIteration
        return line

    @property
    def buffer(self) -> bytes:
        """The bytes that were received and not taken yet.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await left.send_all(b"one\\ntwo")
            ...     stream = giambio.BufferedStream(right)
            ...     await stream.receive_line()
            ...     return stream.buffer
            >>> giambio.run(main)
            b'two'
        """
        return bytes(self._buffer)

    @property
    def transport_stream(self) -> ReceiveStream:
        """The stream below.

        Example:
            >>> import giambio
            >>> left, right = giambio.memory_stream_pair()
            >>> giambio.BufferedStream(left).transport_stream is left
            True
        """
        return self._stream

    # -- the buffer ----------------------------------------------------------------------

    async def _begin(self) -> None:
        """Be a checkpoint, also if the buffer has enough already."""
        await spend_budget()
        if self._closed:
            raise closed_error()

    async def _find(self, mark: bytes, max_size: int) -> int:
        """Where a delimiter is in the buffer, waiting for it; -1 if the stream ends before.

        Raises:
            DelimiterNotFound: it is not within the first `max_size` bytes.
        """
        searched = 0
        limit = max_size + len(mark)
        while (found := self._buffer.find(mark, searched, limit)) < 0:
            # Not searched again: only the beginning of a delimiter at the end.
            searched = max(0, len(self._buffer) - len(mark) + 1)
            if len(self._buffer) >= limit:
                raise DelimiterNotFound(
                    f"{mark!r} did not come within {max_size} bytes; allow more with max_size, "
                    "or take what is there with receive()"
                )
            if not await self._fill(PIECE):
                break
        return found

    async def _fill(self, wanted: int) -> bool:
        """Receive some more.

        Returns:
            False if the stream has ended.
        """
        data = await self._stream.receive(max(wanted, PIECE))
        self._buffer += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        """Take bytes out of the buffer."""
        with memoryview(self._buffer) as view:
            data = bytes(view[:size])
        del self._buffer[:size]
        return data

    def _incomplete(self, when: str) -> IncompleteRead:
        return IncompleteRead(
            f"the stream ended {when}; {len(self._buffer)} came", bytes(self._buffer)
        )

    # -- sending and closing ---------------------------------------------------------------

    def send_all(self, data: Any) -> Coroutine[Any, Any, None]:
        """Send through the stream below; see `SendStream.send_all`.

        Parameters:
            data: any bytes-like object, of any size.

        Raises:
            TypeError: it is not bytes-like, or the stream below cannot send.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `SendStream.send_all`.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await giambio.BufferedStream(left).send_all(b"hello")
            ...     return await right.receive()
            >>> giambio.run(main)
            b'hello'
        """
        return to_send_on(self._stream).send_all(data)

    def send(self, data: Any) -> Coroutine[Any, Any, int]:
        """Send some, through the stream below; see `SendStream.send`."""
        return to_send_on(self._stream).send(data)

    def send_eof(self) -> Coroutine[Any, Any, None]:
        """End the sending half of the stream below; see `ByteStream.send_eof`.

        Raises:
            TypeError: the stream below cannot do this.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            NotImplementedError, CancelledError: see `ByteStream.send_eof`.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await giambio.BufferedStream(left).send_eof()
            ...     return await right.receive()
            >>> giambio.run(main)
            b''
        """
        return to_send_on(self._stream).send_eof()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._closed = True
        self._buffer.clear()
        self._stream.close_now()

    def close(self) -> Awaitable[None]:
        """Close the stream below, and drop the buffer; see `Closeable.close`.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then.

        Awaited, a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await giambio.BufferedStream(left).close()
            ...     return await right.receive()
            >>> giambio.run(main)
            b''
        """
        self._closed = True
        self._buffer.clear()
        return self._stream.close()

    def __repr__(self) -> str:
        return f"<giambio.BufferedStream on {self._stream!r}>"


final(BufferedStream)
