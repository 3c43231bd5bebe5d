"""Streams in memory, for tests: like a connected pair of sockets, without the system.

What is sent on one end waits in a buffer of limited size for the other end to
receive it, so a sender is slowed down as by a real connection. Ends, closings and
errors are those of sockets; there is nothing to set up and no descriptor.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from giambio.errors import BrokenResourceError
from giambio.streams.abc import ByteStream, ReceiveStream, SendStream
from giambio.streams.budget import spend_budget
from giambio.streams.guard import Guard, bytes_like, check_size, closed_error, half_sent_error
from giambio.sync.event import Event

__all__ = ["memory_stream_one_way_pair", "memory_stream_pair"]


class Pipe:
    """One direction: what was sent and not yet received."""

    __slots__ = (
        "_bytes",
        "_changed",
        "_half_sent",
        "_receiving",
        "_sending",
        "_size",
        "ended",
        "receiver_closed",
        "reset",
        "sender_closed",
    )

    def __init__(self, size: int) -> None:
        self._bytes = bytearray()
        self._size = size
        self._receiving = Guard("receiving from", "receive")
        self._sending = Guard("sending on", "send")
        self._half_sent = False
        # The stream was ended, as opposed to broken off (`reset`).
        self.ended = False
        self.reset = False
        self.sender_closed = False
        self.receiver_closed = False
        self._changed = Event()

    def change(self) -> None:
        """Have both ends look again."""
        self._changed.set()
        self._changed = Event()

    # -- the receiving end ---------------------------------------------------------------

    async def receive(self, max_size: int) -> bytes:
        """See `ReceiveStream.receive`."""
        check_size("receive()", "max_size", max_size)
        await spend_budget()
        with self._receiving:
            while True:
                if self.receiver_closed:
                    raise closed_error()
                if self._bytes or self.ended:
                    break
                if self.reset:
                    raise BrokenResourceError("the other side closed with bytes unread")
                await self._changed.wait()
            data = bytes(self._bytes[:max_size])
            del self._bytes[:max_size]
            self.change()
            return data

    def close_receiver(self) -> bool:
        """Nobody receives any more.

        Returns:
            Whether something was left unread.
        """
        unread = bool(self._bytes)
        self._bytes.clear()
        self.receiver_closed = True
        self.change()
        return unread

    # -- the sending end -----------------------------------------------------------------

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
        """Put in what there is room for, and wait if there is none."""
        while True:
            self._check_sending(goes_on)
            room = self._size - len(self._bytes)
            if room > 0 or not view:
                break
            await self._changed.wait()
        part = view[:room]
        self._bytes += part
        self.change()
        return len(part)

    def _check_sending(self, goes_on: bool = False) -> None:
        if self.sender_closed:
            raise closed_error()
        if self.receiver_closed:
            raise BrokenResourceError("the other side is closed and can receive nothing")
        if self._half_sent and not goes_on:
            raise half_sent_error()
        if self.ended:
            raise BrokenResourceError("this side has ended its stream with send_eof()")

    async def send_eof(self) -> None:
        """See `ByteStream.send_eof`."""
        await spend_budget()
        with self._sending:
            if not self.ended:
                self._check_sending()
            elif self.sender_closed:
                raise closed_error()
            self.ended = True
            self.change()

    def close_sender(self, reset: bool = False) -> None:
        """Nobody sends any more."""
        if not self.ended and not self.sender_closed:
            self.ended = not reset
            self.reset = reset
        self.sender_closed = True
        self.change()


class MemorySendStream(SendStream):
    """The sending end of a pipe."""

    __slots__ = ("__weakref__", "_pipe")

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def send_all(self, data: Any) -> Awaitable[None]:
        """See `SendStream.send_all`."""
        return self._pipe.send_all(data)

    def send(self, data: Any) -> Awaitable[int]:
        """See `SendStream.send`."""
        return self._pipe.send(data)

    def send_eof(self) -> Awaitable[None]:
        """See `SendStream.send_eof`."""
        return self._pipe.send_eof()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._pipe.close_sender()


class MemoryReceiveStream(ReceiveStream):
    """The receiving end of a pipe."""

    __slots__ = ("__weakref__", "_pipe")

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def receive(self, max_size: int = 65536) -> Awaitable[bytes]:
        """See `ReceiveStream.receive`."""
        return self._pipe.receive(max_size)

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._pipe.close_receiver()


class MemoryStream(ByteStream):
    """One end of two pipes, in opposite directions."""

    __slots__ = ("__weakref__", "_incoming", "_outgoing")

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    def receive(self, max_size: int = 65536) -> Awaitable[bytes]:
        """See `ReceiveStream.receive`."""
        return self._incoming.receive(max_size)

    def send_all(self, data: Any) -> Awaitable[None]:
        """See `SendStream.send_all`."""
        return self._outgoing.send_all(data)

    def send(self, data: Any) -> Awaitable[int]:
        """See `SendStream.send`."""
        return self._outgoing.send(data)

    def send_eof(self) -> Awaitable[None]:
        """See `ByteStream.send_eof`."""
        return self._outgoing.send_eof()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        # A socket that is closed with bytes unread breaks the connection.
        self._outgoing.close_sender(self._incoming.close_receiver())


def memory_stream_pair(max_buffer_size: int = 65536) -> tuple[ByteStream, ByteStream]:
    """Make two streams in memory that are connected with each other.

    Parameters:
        max_buffer_size: how many bytes may wait in each direction until they
            are received, 65536 by default; a sender waits when there is no room.

    Returns:
        The two ends. What is sent on one is received from the other.

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
