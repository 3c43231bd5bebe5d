"""Streams in memory, for tests: like a connected pair of sockets, without the system.

Bytes that are sent on one end wait in a buffer of limited size for the other end
to receive them, so there is backpressure, as on a real connection. Ends, closings and
errors are those of sockets; there is nothing to set up and no descriptor.
"""

from __future__ import annotations

from typing import Any

from giambio.errors import BrokenResourceError
from giambio.streams.abc import ByteStream, ReceiveStream, SendStream
from giambio.streams.budget import spend_budget
from giambio.streams.guard import Guard, bytes_like, check_size, closed_error, half_sent_error
from giambio.sync.event import Event

__all__ = ["memory_stream_one_way_pair", "memory_stream_pair"]


class Pipe:
    """One direction: the bytes that were sent and not yet received."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.content = bytearray()
        # The stream was ended, as opposed to broken off (`reset`).
        self.ended = False
        self.reset = False
        self.sender_closed = False
        self.receiver_closed = False
        self._changed = Event()

    def change(self) -> None:
        """Have both ends check the state again."""
        self._changed.set()
        self._changed = Event()

    async def wait(self) -> None:
        """Wait until the other end has changed something."""
        await self._changed.wait()


class MemorySendStream(SendStream):
    """The sending end of a pipe."""

    def __init__(self, outgoing: Pipe) -> None:
        self._outgoing = outgoing
        self._sending = Guard("sending on", "send")
        self._half_sent = False

    async def send(self, data: Any) -> int:
        """See `SendStream.send`."""
        view = bytes_like("send()", data)
        await spend_budget()
        with self._sending:
            return await self._put(view)

    async def send_all(self, data: Any) -> None:
        """See `SendStream.send_all`."""
        view = bytes_like("send_all()", data)
        await spend_budget()
        with self._sending:
            sent = await self._put(view)
            while sent < len(view):
                self._half_sent = True
                sent += await self._put(view[sent:], True)
            self._half_sent = False

    async def _put(self, view: memoryview, goes_on: bool = False) -> int:
        """Put in as much as there is room for, and wait if there is no room."""
        pipe = self._outgoing
        while True:
            self._check(goes_on)
            room = pipe.size - len(pipe.content)
            if room > 0 or not view:
                break
            await pipe.wait()
        part = view[:room]
        pipe.content += part
        pipe.change()
        return len(part)

    def _check(self, goes_on: bool = False) -> None:
        """Raise if nothing can be sent (any more)."""
        if self._outgoing.sender_closed:
            raise closed_error()
        if self._outgoing.receiver_closed:
            raise BrokenResourceError("the other side is closed and can receive nothing")
        if self._half_sent and not goes_on:
            raise half_sent_error()
        if self._outgoing.ended:
            raise BrokenResourceError("this side has ended its stream with send_eof()")

    async def send_eof(self) -> None:
        """See `SendStream.send_eof`."""
        await spend_budget()
        with self._sending:
            if not self._outgoing.ended or self._outgoing.sender_closed:
                self._check()
            self._outgoing.ended = True
            self._outgoing.change()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._close_sender()

    def _close_sender(self, reset: bool = False) -> None:
        pipe = self._outgoing
        if not pipe.ended and not pipe.sender_closed:
            pipe.ended = not reset
            pipe.reset = reset
        pipe.sender_closed = True
        pipe.change()


class MemoryReceiveStream(ReceiveStream):
    """The receiving end of a pipe."""

    def __init__(self, incoming: Pipe) -> None:
        self._incoming = incoming
        self._receiving = Guard("receiving from", "receive")

    async def receive(self, max_size: int = 65536) -> bytes:
        """See `ReceiveStream.receive`."""
        check_size("receive()", "max_size", max_size)
        pipe = self._incoming
        await spend_budget()
        with self._receiving:
            while True:
                if pipe.receiver_closed:
                    raise closed_error()
                if pipe.content or pipe.ended:
                    break
                if pipe.reset:
                    raise BrokenResourceError("the other side closed with bytes unread")
                await pipe.wait()
            data = bytes(pipe.content[:max_size])
            del pipe.content[:max_size]
            pipe.change()
            return data

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._incoming.content.clear()
        self._incoming.receiver_closed = True
        self._incoming.change()


class MemoryStream(MemorySendStream, MemoryReceiveStream, ByteStream):
    """One end of two pipes, in opposite directions."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        MemorySendStream.__init__(self, outgoing)
        MemoryReceiveStream.__init__(self, incoming)

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        unread = bool(self._incoming.content)
        MemoryReceiveStream.close_now(self)
        self._close_sender(reset=unread)  # as a socket that is closed with bytes unread


def memory_stream_pair(max_buffer_size: int = 65536) -> tuple[ByteStream, ByteStream]:
    """Make two streams in memory that are connected with each other.

    Parameters:
        max_buffer_size: how many bytes may wait in each direction until they
            are received, 65536 by default; a sender waits when there is no room.

    Returns:
        The two ends. Bytes sent on one are received from the other.

    Raises:
        TypeError, ValueError: `max_buffer_size` is not a number from 1 up.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     left, right = giambio.memory_stream_pair()
        ...     async with left, right:
        ...         await left.send_all(b"hello")
        ...         return await right.receive()
        >>> giambio.run(main)
        b'hello'
    """
    check_size("memory_stream_pair()", "max_buffer_size", max_buffer_size)
    there, back = Pipe(max_buffer_size), Pipe(max_buffer_size)
    return MemoryStream(back, there), MemoryStream(there, back)


def memory_stream_one_way_pair(max_buffer_size: int = 65536) -> tuple[SendStream, ReceiveStream]:
    """Make a stream in memory that goes one way.

    Parameters:
        max_buffer_size: see `memory_stream_pair`.

    Returns:
        The end to send on and the end to receive from.

    Raises:
        TypeError, ValueError: `max_buffer_size` is not a number from 1 up.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     there, here = giambio.memory_stream_one_way_pair()
        ...     async with there, here:
        ...         await there.send_all(b"hello")
        ...         return await here.receive()
        >>> giambio.run(main)
        b'hello'
    """
    check_size("memory_stream_one_way_pair()", "max_buffer_size", max_buffer_size)
    pipe = Pipe(max_buffer_size)
    return MemorySendStream(pipe), MemoryReceiveStream(pipe)
