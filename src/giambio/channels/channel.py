"""Channels: each item that is sent is received once.

A channel is two kinds of ends and, between them, a buffer of a size that its
maker chooses. Both ends can be cloned and closed, so that each side learns when
there is nobody left on the other one. The idea, and the names, are those of
Trio's memory channels. `channel_state` says how it works.
"""

from __future__ import annotations

import types
from typing import Any

from giambio._build.sealed import final
from giambio.channels import channel_state, closing, ring_buffer
from giambio.channels.channel_state import ChannelState, ChannelStatistics, End
from giambio.errors import EndOfStream, WouldBlock
from giambio.kernel.operation import Operation

__all__ = ["ChannelStatistics", "ReceiveChannel", "SendChannel", "open_channel"]


class SendChannel(End):
    """The end of a channel that items go in. `open_channel` makes one, and `clone`.

    Any number of tasks may send on it. ``with`` and ``async with`` close it.

    Dropped without being closed it closes itself, so that nobody waits for what
    cannot come; with a `ResourceWarning`, because when that happens is a matter
    of chance, unless nobody could receive any more.

    Example:
        >>> import giambio
        >>> async def count(send):
        ...     with send:
        ...         for number in range(3):
        ...             await send.send(number)
        >>> async def main():
        ...     send, receive = giambio.open_channel(1)
        ...     with receive:
        ...         async with giambio.TaskManager() as manager:
        ...             await manager.spawn(count, send)
        ...             return [number async for number in receive]
        >>> giambio.run(main)
        [0, 1, 2]
    """

    __slots__ = ()

    called = "SendChannel"

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def send(self, item: Any) -> Operation:
        """Send an item; wait until there is room for it, or somebody takes it.

        Parameters:
            item: anything.

        Raises:
            ClosedResourceError: this end is closed, or was while waiting.
            BrokenResourceError: no receiving end is open any more.
            RuntimeError: tasks of another loop wait at the channel.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the item was not sent. Tasks that wait get their
        turn in the order in which they came.

        Example:
            >>> import giambio
            >>> async def main():
            ...     send, receive = giambio.open_channel(1)
            ...     with send, receive:
            ...         await send.send("hello")
            ...         return await receive.receive()
            >>> giambio.run(main)
            'hello'
        """
        return channel_state.new_send(self, item)

    def send_nowait(self, item: Any) -> None:
        """Send an item if that needs no waiting.

        Parameters:
            item: anything.

        Raises:
            WouldBlock: there is no room, and nobody waits to receive.
            ClosedResourceError, BrokenResourceError: see `send`.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait to receive.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> send, receive = giambio.open_channel(1)
            >>> with send, receive:
            ...     send.send_nowait("hello")
            ...     receive.receive_nowait()
            'hello'
        """
        if not self._open:
            raise channel_state.closed_error(self)
        channel = self._channel
        if channel.open_receivers == 0:
            raise channel_state.broken_error()
        receiver = channel.receivers.first
        if receiver is not None:
            receiver.check_thread("SendChannel.send_nowait()")
        if not channel.put(item):
            raise WouldBlock(
                f"this channel is full ({closing.fill(channel.items.length, channel.size)}), "
                "and no task waits to receive"
            )

    def clone(self) -> SendChannel:
        """Another sending end of the same channel, which is closed by itself.

        Give each task its own, to be closed when it is done: the receivers learn
        of the end when the last one is closed.

        Raises:
            ClosedResourceError: this end is closed.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> send, receive = giambio.open_channel(1)
            >>> with send, receive, send.clone() as another:
            ...     another.send_nowait("hello")
            ...     receive.receive_nowait()
            'hello'
        """
        if not self._open:
            raise channel_state.closed_error(self)
        return new_send_channel(self._channel)

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        if self._open:
            channel = self._channel
            channel.check_thread("SendChannel.close()")
            self._open = False
            self.expel(channel.senders)
            channel.sender_left()

    def dropped(self) -> bool:
        """See `Droppable.dropped`."""
        channel = self._channel
        closing.close_dropped(channel.kernel, channel.sender_left)
        return channel.open_receivers > 0


class ReceiveChannel(End):
    """The end of a channel that items come out of. `open_channel` makes one, and `clone`.

    Any number of tasks may receive from it; each item goes to one of them.
    ``async for item in receive`` ends when all sending ends are closed and the
    buffer is empty. ``with`` and ``async with`` close it.

    Dropped without being closed it closes itself, as a `SendChannel` does.

    Example:
        >>> import giambio
        >>> async def main():
        ...     send, receive = giambio.open_channel(3)
        ...     with receive:
        ...         with send:
        ...             for word in "one", "two", "three":
        ...                 await send.send(word)
        ...         async for word in receive:
        ...             print(word)
        >>> giambio.run(main)
        one
        two
        three
    """

    __slots__ = ()

    called = "ReceiveChannel"

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def receive(self) -> Operation:
        """Receive the next item, and wait if there is none.

        Returns:
            Awaited: the item.

        Raises:
            EndOfStream: all sending ends are closed, and nothing is left.
            ClosedResourceError: this end is closed, or was while waiting.
            RuntimeError: tasks of another loop wait at the channel.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost. Tasks
        that wait get their items in the order in which they came.

        Example:
            >>> import giambio
            >>> async def main():
            ...     send, receive = giambio.open_channel(1)
            ...     with send, receive:
            ...         await send.send("hello")
            ...         return await receive.receive()
            >>> giambio.run(main)
            'hello'
        """
        return channel_state.new_receive(self, False)

    def receive_nowait(self) -> Any:
        """Receive the next item if there is one.

        Returns:
            The item.

        Raises:
            WouldBlock: there is none, and nobody waits to send.
            EndOfStream, ClosedResourceError: see `receive`.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait to send.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> send, receive = giambio.open_channel(1)
            >>> with send, receive:
            ...     receive.receive_nowait()
            Traceback (most recent call last):
            giambio.errors.WouldBlock: no item waits in this channel, and no task waits to send
        """
        if not self._open:
            raise channel_state.closed_error(self)
        channel = self._channel
        sender = channel.senders.first
        if sender is not None:
            sender.check_thread("ReceiveChannel.receive_nowait()")
        item = channel.take()
        if item is not ring_buffer.EMPTY:
            return item
        if channel.open_senders == 0:
            raise EndOfStream(channel_state.ENDED)
        raise WouldBlock("no item waits in this channel, and no task waits to send")

    def clone(self) -> ReceiveChannel:
        """Another receiving end of the same channel, which is closed by itself.

        Each item goes to one of them. (For every receiver to get every item there
        is `Broadcast`.) The senders fail when the last one is closed.

        Raises:
            ClosedResourceError: this end is closed.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> send, receive = giambio.open_channel(1)
            >>> with send, receive, receive.clone() as another:
            ...     send.send_nowait("hello")
            ...     another.receive_nowait()
            'hello'
        """
        if not self._open:
            raise channel_state.closed_error(self)
        return new_receive_channel(self._channel)

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        if self._open:
            channel = self._channel
            channel.check_thread("ReceiveChannel.close()")
            self._open = False
            self.expel(channel.receivers)
            channel.receiver_left()

    def __aiter__(self) -> ReceiveChannel:
        return self

    def __anext__(self) -> Operation:
        return channel_state.new_receive(self, True)

    def dropped(self) -> bool:
        """See `Droppable.dropped`."""
        channel = self._channel
        lost = channel.items.length > 0
        closing.close_dropped(channel.kernel, channel.receiver_left)
        return channel.open_senders > 0 or lost


def new_send_channel(channel: ChannelState) -> SendChannel:
    """Make a sending end."""
    end = SendChannel(channel)
    channel.open_senders += 1
    return end


def new_receive_channel(channel: ChannelState) -> ReceiveChannel:
    """Make a receiving end."""
    end = ReceiveChannel(channel)
    channel.open_receivers += 1
    return end


# A class, so that `open_channel[int](5)` tells type checkers what goes through.


class open_channel(tuple[SendChannel, ReceiveChannel]):
    """Make a channel: a pair of a `SendChannel` and a `ReceiveChannel`.

    What is sent into the one is received from the other, in the same order, and
    each item once. ``open_channel[int](5)`` tells type checkers that the items
    are numbers.

    Parameters:
        size: how many items may wait in the channel. With 0 each one is handed
            from task to task, and `math.inf` never makes a sender wait, however
            far behind the receivers are. When in doubt take 0; a few more save
            switches between tasks.

    Raises:
        TypeError, ValueError: `size` is not a whole number from 0 up, nor infinity.

    Not a checkpoint. It works outside of a running loop too.

    Example:
        >>> import giambio
        >>> async def main():
        ...     send, receive = giambio.open_channel(5)
        ...     with send, receive:
        ...         await send.send("hello")
        ...         return await receive.receive()
        >>> giambio.run(main)
        'hello'
    """

    __slots__ = ()

    def __new__(cls, size: int | float) -> tuple[SendChannel, ReceiveChannel]:  # type: ignore[misc]
        channel = ChannelState(size, closing.limit_of("open_channel()", size, 0))
        return new_send_channel(channel), new_receive_channel(channel)


final(SendChannel, "(channel=None)")
final(ReceiveChannel, "(channel=None)")
