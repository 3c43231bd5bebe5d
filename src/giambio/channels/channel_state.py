"""What lies between the ends of a channel, and the operations that hand items over.

An item is handed over. A task that waits to receive gets it from the sender
directly, and room in the buffer goes to the sender that has waited longest, so
nobody can overtake, and an item is always in exactly one place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from giambio.channels import closing, ring_buffer
from giambio.channels.closing import Droppable
from giambio.channels.receiving import ReceivingOperation
from giambio.channels.ring_buffer import RingBuffer
from giambio.errors import BrokenResourceError, ClosedResourceError
from giambio.kernel.kernel import Kernel
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["ChannelStatistics"]


class ChannelStatistics(NamedTuple):
    """What `SendChannel.statistics` and `ReceiveChannel.statistics` return.

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
    """What lies between the ends."""

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
        """Hand an item over: to who waits for it, or else into the buffer.

        Returns:
            False if there is neither: then it is not taken.
        """
        while True:
            receiver = self.pop_receiver()
            if receiver is None:
                break
            if receiver.grant(item):
                return True
        if self.items.length >= self.limit:
            return False
        self.items.put(item)
        return True

    def put_back(self, item: Any) -> None:
        """Hand an item over that its receiver could not use any more."""
        while True:
            receiver = self.pop_receiver()
            if receiver is None:
                break
            if receiver.grant(item):
                return
        if self.open_receivers > 0:
            self.items.put_back(item)

    def take(self) -> Any:
        """Take the oldest item out; what a sender holds takes its place.

        Returns:
            `EMPTY` if there is none.
        """
        if self.items.length == 0:
            return self.take_from_sender()
        item = self.items.take()
        if self.senders.first is not None:
            following = self.take_from_sender()
            if following is not ring_buffer.EMPTY:
                self.items.put(following)
        return item

    def take_from_sender(self) -> Any:
        """Take the item of the sender that has waited longest, who then goes on.

        Returns:
            `EMPTY` if there is none.
        """
        while True:
            sender = self.pop_sender()
            if sender is None:
                return ring_buffer.EMPTY
            if sender.grant(None):
                return sender.item

    def pop_sender(self) -> Send | None:
        """Take the first sender out of its line."""
        sender: Send | None = self.senders.pop()  # type: ignore[assignment]
        if sender is not None:
            sender.end._waiting -= 1
        return sender

    def pop_receiver(self) -> Receive | None:
        """Take the first receiver out of its line."""
        receiver: Receive | None = self.receivers.pop()  # type: ignore[assignment]
        if receiver is not None:
            receiver.end._waiting -= 1
        return receiver

    def sender_left(self) -> None:
        """A sending end is closed. After the last one nobody need wait to receive."""
        self.open_senders -= 1
        while self.open_senders == 0:
            receiver = self.pop_receiver()
            if receiver is None:
                break
            receiver._ready()

    def receiver_left(self) -> None:
        """A receiving end is closed. After the last one nobody need wait to send."""
        self.open_receivers -= 1
        while self.open_receivers == 0:
            sender = self.pop_sender()
            if sender is None:
                self.items = RingBuffer()
                break
            sender._ready()

    def check_thread(self, what: str) -> None:
        """Refuse to wake tasks from another thread than their loop's.

        Raises:
            RuntimeError: that is where we are.
        """
        sender = self.senders.first
        if sender is not None:
            sender.check_thread(what)
        receiver = self.receivers.first
        if receiver is not None:
            receiver.check_thread(what)

    def describe(self) -> str:
        """What there is to say of it, for `repr`."""
        return (
            f"{closing.fill(self.items.length, self.size)}, {self.senders.length} waiting to send, "
            f"{self.receivers.length} waiting to receive"
        )


class End(Droppable):
    """One end: what sending and receiving ones have in common."""

    __slots__ = ("_channel", "_waiting")

    called = "End"

    def __init__(self, channel: ChannelState | None = None) -> None:
        if not isinstance(channel, ChannelState):
            raise TypeError(
                f"a {self.called} is made by giambio.open_channel(size), or by clone() of another"
            )
        self._channel = channel
        # How many operations of this end stand in the channel's line.
        self._waiting = 0
        self.opened()

    def statistics(self) -> ChannelStatistics:
        """How full the channel is, how many ends are open, and how many tasks wait.

        Not a checkpoint. Both ends tell the same.

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
        state = self._channel.describe() if self._open else "closed"
        return f"<giambio.{self.called} {state}>"

    # -- what the operations ask ---------------------------------------------------------

    def stand(self, operation: QueuedOperation, line: WaitQueue) -> bool:
        """Have an operation of this end wait; False, as `QueuedOperation.wait_in`."""
        if operation.fits(line):
            self._waiting += 1
            line.append(operation)
        return False

    def withdraw(self, operation: QueuedOperation) -> None:
        """Have it wait no more, if it does."""
        line = operation.line
        if line is not None:
            self._waiting -= 1
            line.remove(operation)

    def expel(self, line: WaitQueue) -> None:
        """Wake those who wait at this end, to learn that it is closed."""
        operation = line.first
        while self._waiting > 0 and operation is not None:
            following = operation.after
            if operation.subject() is self:
                self.withdraw(operation)
                operation._ready()
            operation = following


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
            return self.fail(closed_error(end))
        channel = end._channel
        if channel.open_receivers == 0:
            return self.fail(broken_error())
        channel.kernel = self.kernel
        if not self.fits(channel.receivers):
            return False
        if channel.put(self.item):
            return True
        return end.stand(self, channel.senders)

    def abort(self) -> bool:
        """See `Park.abort`."""
        self.end.withdraw(self)
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
            return self.fail(closed_error(end))
        channel = end._channel
        channel.kernel = self.kernel
        if not self.fits(channel.senders):
            return False
        item = channel.take()
        if item is not ring_buffer.EMPTY:
            self.result = item
            return True
        if channel.open_senders == 0:
            return self.ended(ENDED)
        return end.stand(self, channel.receivers)

    def abort(self) -> bool:
        """See `Park.abort`."""
        self.end.withdraw(self)
        return True

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`: the item is still the next one."""
        self.end._channel.put_back(self.result)

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.end


ENDED = "all sending ends of this channel are closed, and nothing is left to receive"


def closed_error(end: End) -> ClosedResourceError:
    """The error of using a closed end."""
    return ClosedResourceError(
        f"this {end.called} is closed; clone() it before closing, if others still need one"
    )


def broken_error() -> BrokenResourceError:
    """The error of sending what nobody can receive."""
    return BrokenResourceError(
        "nobody can receive this: all receiving ends of the channel are closed"
    )


# The operations have no constructor, for the reason given in `net.operations`.


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
    operation.prepare_taking(iterating)
    operation.end = end
    return operation
