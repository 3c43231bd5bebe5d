"""State of a channel, its ends, and the operations that hand items over.

A task that waits to receive gets an item from the sender directly, and room in the buffer
goes to the sender that has waited longest. So no task can overtake another one, and an item
is always in exactly one place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from giambio.channels import closing, stores
from giambio.channels.closing import Droppable, ReceivingOperation
from giambio.channels.stores import RingBuffer
from giambio.errors import BrokenResourceError
from giambio.kernel.kernel import Kernel
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["ChannelStatistics"]


class ChannelStatistics(NamedTuple):
    """Statistics of a channel, as `SendChannel.statistics` returns them.

    Example:
        >>> import giambio
        >>> send, receive = giambio.open_channel(5)
        >>> with send, receive:
        ...     send.send_nowait("hello")
        ...     send.statistics().current_buffer_used
        1
    """

    current_buffer_used: int
    max_buffer_size: int | float
    open_send_channels: int
    open_receive_channels: int
    tasks_waiting_send: int
    tasks_waiting_receive: int


class ChannelState:
    """The buffer, and the operations and ends on both sides."""

    __slots__ = (
        "items",
        "kernel",
        "limit",
        "open_receivers",
        "open_senders",
        "receivers",
        "senders",
        "size",
    )

    def __init__(self, size: float, limit: int) -> None:
        self.size = size
        self.limit = limit
        self.items = RingBuffer()
        self.senders = WaitQueue()
        self.receivers = WaitQueue()
        self.open_senders = 0
        self.open_receivers = 0
        # The loop in which it was used last.
        self.kernel: Kernel | None = None

    def put(self, item: Any) -> bool:
        """Hand an item to a waiting receiver, or else put it into the buffer.

        Returns:
            False if there is neither a receiver nor room: then it is not taken.
        """
        if self.receivers.first is not None and self.hand_over(item):
            return True
        if self.items.length >= self.limit:
            return False
        self.items.put(item)
        return True

    def put_back(self, item: Any) -> None:
        """Return an item whose receiver could not use it any more."""
        if not self.hand_over(item) and self.open_receivers > 0:
            self.items.put_back(item)

    def hand_over(self, item: Any) -> bool:
        """Give an item to the receiver that has waited longest, if there is one."""
        receiver: Receive | None = self.receivers.grant_first(item)  # type: ignore[assignment]
        if receiver is None:
            return False
        receiver.end._waiting -= 1
        return True

    def take(self) -> Any:
        """Remove the oldest item, and return it; a waiting sender's item takes its place.

        Returns:
            `EMPTY` if there is none.
        """
        if self.items.length == 0:
            return self.take_from_sender()
        item = self.items.take()
        if self.senders.first is not None:
            following = self.take_from_sender()
            if following is not stores.EMPTY:
                self.items.put(following)
        return item

    def take_from_sender(self) -> Any:
        """Return the item of the sender that has waited longest, which then continues.

        Returns:
            `EMPTY` if there is none.
        """
        sender: Send | None = self.senders.grant_first(None)  # type: ignore[assignment]
        if sender is None:
            return stores.EMPTY
        sender.end._waiting -= 1
        return sender.item

    def sender_left(self) -> None:
        """Count a closed sending end. After the last one no task need wait to receive."""
        self.open_senders -= 1
        if self.open_senders == 0:
            self.receivers.wake_all()

    def receiver_left(self) -> None:
        """Count a closed receiving end. After the last one no task need wait to send."""
        self.open_receivers -= 1
        if self.open_receivers == 0:
            self.senders.wake_all()
            self.items = RingBuffer()


class End(Droppable):
    """One end: the common part of sending and receiving ones."""

    __slots__ = ("_channel", "_waiting")

    _consequence = "; clone() it before closing, if others still need one"

    def _join(self, channel: ChannelState | None) -> None:
        """Initialize."""
        if not isinstance(channel, ChannelState):
            raise TypeError(
                f"a {type(self).__name__} is made by giambio.open_channel(size), "
                "or by clone() of another"
            )
        self._channel = channel
        # The number of this end's operations in the channel's queues, or more: those that
        # are woken because the other side has ended, for instance, are not counted out.
        self._waiting = 0
        self._opened()

    def statistics(self) -> ChannelStatistics:
        """Return how full the channel is, how many ends are open, and how many tasks wait.

        Not a checkpoint. Both ends return the same.

        Example:
            >>> import giambio
            >>> send, receive = giambio.open_channel(5)
            >>> with send, receive:
            ...     print(*receive.statistics())
            0 5 1 1 0 0
        """
        channel = self._channel
        return ChannelStatistics(
            channel.items.length,
            channel.size,
            channel.open_senders,
            channel.open_receivers,
            channel.senders.length,
            channel.receivers.length,
        )

    def __repr__(self) -> str:
        channel = self._channel
        state = "closed"
        if self._open:
            state = (
                f"{closing.fill(channel.items.length, channel.size)}, "
                f"{channel.senders.length} waiting to send, "
                f"{channel.receivers.length} waiting to receive"
            )
        return f"<giambio.{type(self).__name__} {state}>"

    def _leave(self, queue: WaitQueue, count_out: Callable[[], None]) -> None:
        """Close this end, whose operations wait in `queue`; they are woken."""
        if not self._open:
            return
        channel = self._channel
        for either in (channel.senders, channel.receivers):
            either.check_thread(f"{type(self).__name__}.close()")
        self._open = False
        operation = queue.first
        while self._waiting > 0 and operation is not None:
            following = operation.after
            if operation.subject() is self:
                self._withdraw(operation)
                operation._ready()
            operation = following
        count_out()

    def _wait(self, operation: QueuedOperation, queue: WaitQueue) -> bool:
        """Have an operation of this end wait; False, as `QueuedOperation.wait_in`."""
        if operation.fits(queue):
            self._waiting += 1
            queue.append(operation)
        return False

    def _withdraw(self, operation: QueuedOperation) -> None:
        """Remove an operation of this end from its queue, if it waits."""
        queue = operation.queue
        if queue is not None:
            self._waiting -= 1
            queue.remove(operation)


class Send(QueuedOperation):
    """One task's `SendChannel.send`."""

    __slots__ = ("end", "item")

    end: End
    item: Any

    what = "SendChannel.send()"

    def attempt(self) -> bool:
        """Hand the item over, or wait with it."""
        end = self.end
        if not end._open:
            return self.fail(end._closed_error())
        channel = end._channel
        if channel.open_receivers == 0:
            return self.fail(BrokenResourceError(BROKEN))
        channel.kernel = self.kernel
        if not self.fits(channel.receivers):
            return False
        return channel.put(self.item) or end._wait(self, channel.senders)

    def abort(self) -> bool:
        """See `Park.abort`."""
        self.end._withdraw(self)
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.end


class Receive(ReceivingOperation):
    """One task's `ReceiveChannel.receive`."""

    __slots__ = ("end",)

    end: End

    what = "ReceiveChannel.receive()"

    def attempt(self) -> bool:
        """Take an item, or wait for one."""
        end = self.end
        if not end._open:
            return self.fail(end._closed_error())
        channel = end._channel
        channel.kernel = self.kernel
        if not self.fits(channel.senders):
            return False
        item = channel.take()
        if item is not stores.EMPTY:
            self.result = item
            return True
        if channel.open_senders == 0:
            return self.ended(ENDED)
        return end._wait(self, channel.receivers)

    def abort(self) -> bool:
        """See `Park.abort`."""
        self.end._withdraw(self)
        return True

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`: the item is still the next one."""
        self.end._channel.put_back(self.result)

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.end


BROKEN = "nobody can receive this: all receiving ends of the channel are closed"
ENDED = "all sending ends of this channel are closed, and nothing is left to receive"

# Functions instead of constructors, because compiled code calls a class as slowly as Python.


def new_send(end: End, item: Any) -> Send:
    """Make a `Send`."""
    operation = Send.__new__(Send)
    operation.prepare_queued()
    operation.end = end
    operation.item = item
    return operation


def new_receive(end: End, iterating: bool) -> Receive:
    """Make a `Receive`."""
    operation = Receive.__new__(Receive)
    operation.prepare_queued()
    operation.end = end
    operation.iterating = iterating
    return operation
