"""Channels: each item that is sent is received once.

A channel has sending and receiving ends and, between them, a buffer of fixed size. Both
kinds of ends can be cloned and closed, so each side learns when no task is left on the other
one. The idea, and the names, are those of Trio's memory channels. `channel_state` has the
mechanism.
"""

from __future__ import annotations

import types
from typing import Any

from giambio._build.sealed import final
from giambio.channels import channel_state, closing, stores
from giambio.channels.channel_state import ChannelState, ChannelStatistics, End
from giambio.channels.closing import OnDrop
from giambio.errors import BrokenResourceError, EndOfStream, WouldBlock
from giambio.kernel.operation import Operation

__all__ = ["ChannelStatistics", "ReceiveChannel", "SendChannel", "open_channel"]


class SendChannel(End):
    """The sending end of a channel. `open_channel` makes one, and `clone`.

    Any number of tasks may send on it. ``with`` and ``async with`` close it.

    Dropped without being closed it closes itself, so that no task waits forever; with
    a `ResourceWarning`, because the moment is a matter of chance, unless no task could
    receive any more.

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

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, channel: ChannelState | None = None) -> None:
        self._join(channel)
        self._channel.open_senders += 1

    def send(self, item: Any) -> Operation:
        """Send an item; wait until there is room for it, or a task receives it.

        Parameters:
            item: anything.

        Raises:
            ClosedResourceError: this end is closed, or was while waiting.
            BrokenResourceError: all receiving ends are closed.
            RuntimeError: tasks of another loop wait at the channel.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the item was not sent. Waiting tasks get their turn in
        the order in which they came.

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
        """Send an item without waiting.

        Parameters:
            item: anything.

        Raises:
            WouldBlock: there is no room, and no task waits to receive.
            ClosedResourceError, BrokenResourceError: see `send`.
            RuntimeError: tasks wait to receive, and this is not their loop's thread.

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
            raise self._closed_error()
        channel = self._channel
        if channel.open_receivers == 0:
            raise BrokenResourceError(channel_state.BROKEN)
        channel.receivers.check_thread("SendChannel.send_nowait()")
        if not channel.put(item):
            raise WouldBlock(
                f"this channel is full ({closing.fill(channel.items.length, channel.size)}), "
                "and no task waits to receive"
            )

    def clone(self) -> SendChannel:
        """Make another sending end of the same channel, to be closed separately.

        Give each task its own, which it closes when it is done: the receivers learn of
        the end when the last one is closed.

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
            raise self._closed_error()
        return SendChannel(self._channel)

    def _close_now(self) -> None:
        """See `Closeable._close_now`."""
        self._leave(self._channel.senders, self._channel.sender_left)

    def _on_drop(self) -> OnDrop:
        """See `Droppable._on_drop`."""
        channel = self._channel
        return channel.kernel, channel.sender_left, channel.open_receivers > 0


class ReceiveChannel(End):
    """The receiving end of a channel. `open_channel` makes one, and `clone`.

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

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, channel: ChannelState | None = None) -> None:
        self._join(channel)
        self._channel.open_receivers += 1

    def receive(self) -> Operation:
        """Receive the next item; wait if there is none.

        Returns:
            Awaited: the item.

        Raises:
            EndOfStream: all sending ends are closed, and nothing is left.
            ClosedResourceError: this end is closed, or was while waiting.
            RuntimeError: tasks of another loop wait at the channel.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost. Waiting tasks
        get their items in the order in which they came.

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
            WouldBlock: there is none, and no task waits to send.
            EndOfStream, ClosedResourceError: see `receive`.
            RuntimeError: tasks wait to send, and this is not their loop's thread.

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
            raise self._closed_error()
        channel = self._channel
        channel.senders.check_thread("ReceiveChannel.receive_nowait()")
        item = channel.take()
        if item is not stores.EMPTY:
            return item
        if channel.open_senders == 0:
            raise EndOfStream(channel_state.ENDED)
        raise WouldBlock("no item waits in this channel, and no task waits to send")

    def clone(self) -> ReceiveChannel:
        """Make another receiving end of the same channel, to be closed separately.

        Each item goes to one of them. (With a `Broadcast`, every receiver gets every
        item.) The senders fail when the last one is closed.

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
            raise self._closed_error()
        return ReceiveChannel(self._channel)

    def _close_now(self) -> None:
        """See `Closeable._close_now`."""
        self._leave(self._channel.receivers, self._channel.receiver_left)

    def __aiter__(self) -> ReceiveChannel:
        return self

    def __anext__(self) -> Operation:
        return channel_state.new_receive(self, True)

    def _on_drop(self) -> OnDrop:
        """See `Droppable._on_drop`."""
        channel = self._channel
        lost = channel.items.length > 0
        return channel.kernel, channel.receiver_left, lost or channel.open_senders > 0


# A class, so that `open_channel[int](5)` tells type checkers the type of the items.


class open_channel(tuple[SendChannel, ReceiveChannel]):
    """Make a channel: a pair of a `SendChannel` and a `ReceiveChannel`.

    Items sent into the one are received from the other, in the same order, each of them
    once. ``open_channel[int](5)`` tells type checkers that the items are numbers.

    Parameters:
        size: the number of items that may wait in the channel. With 0 each one is handed
            from task to task; with `math.inf` a sender never waits, however far behind
            the receivers are. When in doubt take 0; a few more save switches between
            tasks.

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

    # A size of None is one that is missing: see `limit_of`.
    def __new__(cls, size: Any = None) -> tuple[SendChannel, ReceiveChannel]:  # type: ignore[misc]
        channel = ChannelState(size, closing.limit_of("open_channel()", size, 0))
        return SendChannel(channel), ReceiveChannel(channel)


final(SendChannel, "(channel=None)")
final(ReceiveChannel, "(channel=None)")
