"""State of a broadcast and of its subscriptions, and the operations on them.

Each subscription has an inbox of its own. The number of full inboxes that a sender has to wait for
is counted, so it need not look at each one, and the last one that makes room lets it continue.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from giambio.channels import stores
from giambio.channels.closing import Droppable, ReceivingOperation
from giambio.channels.stores import RingBuffer
from giambio.errors import BrokenResourceError
from giambio.kernel.kernel import Kernel
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["BroadcastStatistics"]


class BroadcastStatistics(NamedTuple):
    """Statistics of a `Broadcast`, as `Broadcast.statistics` returns them.

    `longest_backlog` is the number of items that wait in the slowest subscription.

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
    """The inboxes, and the senders that wait."""

    __slots__ = ("full", "inboxes", "kernel", "limit", "open", "senders", "size")

    def __init__(self, size: float, limit: int) -> None:
        self.size = size
        self.limit = limit
        self.inboxes: dict[Inbox, None] = {}
        # The number of full inboxes that senders wait for.
        self.full = 0
        self.senders = WaitQueue()
        self.open = True
        # The loop in which it was used last.
        self.kernel: Kernel | None = None

    def deliver(self, item: Any) -> int:
        """Put an item into every inbox; none that senders wait for may be full.

        Returns:
            The number of inboxes that have taken it.
        """
        count = 0
        for inbox in list(self.inboxes):
            if inbox.put(item):
                count += 1
        return count

    def takers(self) -> int:
        """Return how many inboxes would take an item."""
        count = 0
        for inbox in self.inboxes:
            if inbox.takes_more():
                count += 1
        return count

    def let_in(self) -> None:
        """Deliver the items of the senders that have waited longest, while there is room."""
        while self.full == 0 and self.senders.length > 0:
            sender: BroadcastSend | None = self.senders.grant_first(  # type: ignore[assignment]
                self.takers()
            )
            if sender is None:
                return
            self.deliver(sender.item)

    def end(self) -> None:
        """Wake all tasks: nothing more will be sent."""
        self.open = False
        self.wake_all()

    def wake_all(self) -> None:
        """Have all tasks look again."""
        self.senders.wake_all()
        for inbox in list(self.inboxes):
            inbox.receivers.wake_all()

    def check_thread(self, what: str) -> None:
        """See `Operation.check_thread`."""
        self.senders.check_thread(what)
        for inbox in self.inboxes:
            inbox.receivers.check_thread(what)

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


class Inbox:
    """The items that wait for one subscription, and the tasks that wait for items."""

    __slots__ = ("cut_off", "dropped", "hub", "items", "overflow", "receivers", "waits")

    def __init__(self, hub: BroadcastState, overflow: str) -> None:
        self.hub = hub
        # What happens when it is full, and whether that is that senders wait.
        self.overflow = overflow
        self.waits = overflow == "wait"
        # The number of items that were sent and that it has lost.
        self.dropped = 0
        # It was full once too often, and gets no more items.
        self.cut_off = False
        self.items = RingBuffer()
        self.receivers = WaitQueue()
        self.hub.inboxes[self] = None

    def put(self, item: Any) -> bool:
        """Hand an item to a waiting receiver, or else keep it.

        Returns:
            False if it was not taken.
        """
        if self.receivers.grant_first(item) is not None:
            return True
        if not self.waits and self.items.length >= self.hub.limit:
            return self.put_into_full(item)
        self.items.put(item)
        if self.waits and self.items.length == self.hub.limit:
            self.hub.full += 1
        return True

    def put_into_full(self, item: Any) -> bool:
        """Lose an item, this one or another, because no sender waits for this inbox."""
        self.dropped += 1
        if self.overflow == "drop_oldest":
            # It may run code when it is deleted, which is done after this is in order again.
            oldest = self.items.take()
            self.items.put(item)
            del oldest
            return True
        if self.overflow == "disconnect":
            self.cut_off = True
            self.leave()
        return False

    def takes_more(self) -> bool:
        """Return whether `put` would take an item."""
        return self.waits or self.overflow == "drop_oldest" or self.items.length < self.hub.limit

    def put_back(self, item: Any) -> None:
        """Return an item whose receiver could not use it any more."""
        if self.receivers.grant_first(item) is None:
            self.items.put_back(item)
            if self.waits and self.items.length == self.hub.limit and self in self.hub.inboxes:
                self.hub.full += 1

    def take(self) -> Any:
        """Remove the oldest item, and return it.

        Returns:
            `EMPTY` if there is none.
        """
        items = self.items
        if items.length == 0:
            return stores.EMPTY
        item = items.take()
        hub = self.hub
        if self.waits and items.length == hub.limit - 1:
            hub.full -= 1
            hub.let_in()
        return item

    def leave(self) -> None:
        """Unsubscribe: no sender need wait for room in here."""
        hub = self.hub
        if self in hub.inboxes:
            del hub.inboxes[self]
            if self.waits and self.items.length >= hub.limit:
                hub.full -= 1
                hub.let_in()

    def cut_off_error(self) -> BrokenResourceError:
        """Return the error for a subscription that was disconnected, and has given all it had."""
        return BrokenResourceError(
            f"this subscription was {self.hub.size} items behind when another one was sent, so it "
            "was disconnected: receive faster, make the Broadcast larger, or subscribe with "
            "another overflow= than 'disconnect'"
        )


class BroadcastSend(QueuedOperation):
    """One task's `Broadcast.send`."""

    __slots__ = ("hub", "item")

    hub: BroadcastState
    item: Any

    what = "Broadcast.send()"

    def attempt(self) -> bool:
        """Deliver the item, or wait with it."""
        broadcast: Droppable = self._subject
        if not broadcast._open:
            return self.fail(broadcast._closed_error())
        hub = self.hub
        hub.kernel = self.kernel
        if hub.full > 0:
            return self.wait_in(hub.senders)
        for inbox in hub.inboxes:
            if not self.fits(inbox.receivers):
                return False
        self.result = hub.deliver(self.item)
        return True


class BroadcastReceive(ReceivingOperation):
    """One task's `Subscription.receive`."""

    __slots__ = ("inbox",)

    inbox: Inbox

    what = "Subscription.receive()"

    def attempt(self) -> bool:
        """Take an item, or wait for one."""
        subscription: Droppable = self._subject
        if not subscription._open:
            return self.fail(subscription._closed_error())
        inbox = self.inbox
        hub = inbox.hub
        hub.kernel = self.kernel
        if not self.fits(hub.senders):
            return False
        item = inbox.take()
        if item is not stores.EMPTY:
            self.result = item
            return True
        if inbox.cut_off:
            return self.fail(inbox.cut_off_error())
        if not hub.open:
            return self.ended(ENDED)
        return self.wait_in(inbox.receivers)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`: the item is still the next one."""
        self.inbox.put_back(self.result)


ENDED = "the broadcast is closed, and nothing is left to receive"


def new_send(broadcast: Droppable, hub: BroadcastState, item: Any) -> BroadcastSend:
    """Make a `BroadcastSend`; see `channel_state` for the reason."""
    operation = BroadcastSend.__new__(BroadcastSend)
    operation.prepare_queued()
    operation._subject = broadcast
    operation.hub = hub
    operation.item = item
    return operation


def new_receive(subscription: Droppable, inbox: Inbox, iterating: bool) -> BroadcastReceive:
    """Make a `BroadcastReceive`."""
    operation = BroadcastReceive.__new__(BroadcastReceive)
    operation.prepare_queued()
    operation._subject = subscription
    operation.inbox = inbox
    operation.iterating = iterating
    return operation
