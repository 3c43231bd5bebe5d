"""What lies between a broadcast and its subscriptions, and the operations on it.

Each subscription has an inbox of its own. How many of them are full is counted,
so a sender need not ask each one, and the one that makes room last lets it go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from giambio.channels import closing, ring_buffer
from giambio.channels.closing import Droppable
from giambio.channels.receiving import ReceivingOperation
from giambio.channels.ring_buffer import RingBuffer
from giambio.errors import ClosedResourceError
from giambio.kernel.kernel import Kernel
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["BroadcastStatistics"]


class BroadcastStatistics(NamedTuple):
    """What `Broadcast.statistics` returns.

    `longest_backlog` is that of the slowest subscription, in items.

    Example:
        >>> import giambio
        >>> with giambio.Broadcast(5) as news, news.subscribe() as mine:
        ...     count = news.send_nowait("hello")
        ...     news.statistics().longest_backlog
        1
    """

    longest_backlog: int
    max_buffer_size: int | float
    open_subscriptions: int
    tasks_waiting_send: int
    tasks_waiting_receive: int


class BroadcastState:
    """What lies between a broadcast and its subscriptions."""

    __slots__ = ("full", "inboxes", "kernel", "limit", "open", "senders", "size")

    def __init__(self, size: float, limit: int) -> None:
        self.size = size
        self.limit = limit
        self.inboxes: dict[Inbox, None] = {}
        # How many of them are full.
        self.full = 0
        self.senders = WaitQueue()
        self.open = True
        # The loop in which it was used last.
        self.kernel: Kernel | None = None

    def deliver(self, item: Any) -> int:
        """Give an item to every subscription; none may be full.

        Returns:
            To how many.
        """
        inboxes = list(self.inboxes)
        for inbox in inboxes:
            inbox.put(item)
        return len(inboxes)

    def let_in(self) -> None:
        """Deliver what the senders hold who have waited longest, while there is room."""
        while self.full == 0:
            sender: BroadcastSend | None = self.senders.pop()  # type: ignore[assignment]
            if sender is None:
                return
            if sender.grant(len(self.inboxes)):
                self.deliver(sender.item)

    def subscribe(self) -> Inbox:
        """Make room for a new subscription."""
        inbox = Inbox(self)
        self.inboxes[inbox] = None
        return inbox

    def unsubscribe(self, inbox: Inbox) -> None:
        """Nobody reads this any more, so nobody need wait for that."""
        if inbox in self.inboxes:
            del self.inboxes[inbox]
            if inbox.items.length >= self.limit:
                self.full -= 1
                self.let_in()

    def end(self) -> None:
        """Nothing more will be sent."""
        self.open = False
        self.senders.wake_all()
        self.wake_receivers()

    def wake_receivers(self) -> None:
        """Have all who wait to receive look again."""
        for inbox in list(self.inboxes):
            inbox.receivers.wake_all()

    def check_thread(self, what: str) -> None:
        """Refuse to wake tasks from another thread than their loop's.

        Raises:
            RuntimeError: that is where we are.
        """
        sender = self.senders.first
        if sender is not None:
            sender.check_thread(what)
        for inbox in self.inboxes:
            receiver = inbox.receivers.first
            if receiver is not None:
                receiver.check_thread(what)

    def statistics(self) -> BroadcastStatistics:
        """See `Broadcast.statistics`."""
        longest = 0
        receiving = 0
        for inbox in self.inboxes:
            longest = max(longest, inbox.items.length)
            receiving += inbox.receivers.length
        return BroadcastStatistics(
            longest, self.size, len(self.inboxes), self.senders.length, receiving
        )

    def describe(self) -> str:
        """What there is to say of it, for `repr`."""
        return f"{len(self.inboxes)} subscriptions, {self.senders.length} waiting to send"


class Inbox:
    """What waits for one subscription, and who waits for it."""

    __slots__ = ("hub", "items", "receivers")

    def __init__(self, hub: BroadcastState) -> None:
        self.hub = hub
        self.items = RingBuffer()
        self.receivers = WaitQueue()

    def put(self, item: Any) -> None:
        """Hand an item to who waits for it, or else keep it."""
        while True:
            receiver = self.receivers.pop()
            if receiver is None:
                break
            if receiver.grant(item):
                return
        self.items.put(item)
        if self.items.length == self.hub.limit:
            self.hub.full += 1

    def put_back(self, item: Any) -> None:
        """Hand an item over that its receiver could not use any more."""
        while True:
            receiver = self.receivers.pop()
            if receiver is None:
                break
            if receiver.grant(item):
                return
        self.items.put_back(item)
        if self.items.length == self.hub.limit and self in self.hub.inboxes:
            self.hub.full += 1

    def take(self) -> Any:
        """Take the oldest item out.

        Returns:
            `EMPTY` if there is none.
        """
        items = self.items
        if items.length == 0:
            return ring_buffer.EMPTY
        item = items.take()
        hub = self.hub
        if items.length == hub.limit - 1:
            hub.full -= 1
            hub.let_in()
        return item

    def leave(self) -> None:
        """See `BroadcastState.unsubscribe`."""
        self.hub.unsubscribe(self)

    def describe(self) -> str:
        """What there is to say of it, for `repr`."""
        return (
            f"{closing.fill(self.items.length, self.hub.size)}, "
            f"{self.receivers.length} waiting to receive"
        )


class BroadcastSend(QueuedOperation):
    """One task's `Broadcast.send`."""

    __slots__ = ("broadcast", "hub", "item")

    broadcast: Droppable
    hub: BroadcastState
    item: Any

    what = "Broadcast.send()"

    def attempt(self) -> bool:
        """Give the item to all, or wait with it."""
        if not self.broadcast._open:
            return self.fail(closed_error("Broadcast"))
        hub = self.hub
        hub.kernel = self.kernel
        if hub.full > 0:
            return self.wait_in(hub.senders)
        for inbox in hub.inboxes:
            if not self.fits(inbox.receivers):
                return False
        self.result = hub.deliver(self.item)
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.broadcast


class BroadcastReceive(ReceivingOperation):
    """One task's `Subscription.receive`."""

    __slots__ = ("inbox", "subscription")

    subscription: Droppable
    inbox: Inbox

    what = "Subscription.receive()"

    def attempt(self) -> bool:
        """Take an item, or wait for one."""
        if not self.subscription._open:
            return self.fail(closed_error("Subscription"))
        inbox = self.inbox
        hub = inbox.hub
        hub.kernel = self.kernel
        if not self.fits(hub.senders):
            return False
        item = inbox.take()
        if item is not ring_buffer.EMPTY:
            self.result = item
            return True
        if not hub.open:
            return self.ended(ENDED)
        return self.wait_in(inbox.receivers)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`: the item is still the next one."""
        self.inbox.put_back(self.result)

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.subscription


ENDED = "the broadcast is closed, and nothing is left to receive"


def closed_error(what: str) -> ClosedResourceError:
    """The error of using what is closed."""
    return ClosedResourceError(f"this {what} is closed")


def new_send(broadcast: Droppable, hub: BroadcastState, item: Any) -> BroadcastSend:
    """Make a `BroadcastSend`."""
    operation = BroadcastSend.__new__(BroadcastSend)
    operation.prepare_queued()
    operation.broadcast = broadcast
    operation.hub = hub
    operation.item = item
    return operation


def new_receive(subscription: Droppable, inbox: Inbox, iterating: bool) -> BroadcastReceive:
    """Make a `BroadcastReceive`."""
    operation = BroadcastReceive.__new__(BroadcastReceive)
    operation.prepare_taking(iterating)
    operation.subscription = subscription
    operation.inbox = inbox
    return operation
