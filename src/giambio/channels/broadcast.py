"""Broadcasts: each item that is sent is received by every subscription.

Every subscription has a buffer of its own, of one size for all. When one of them is full, the
sender waits (backpressure): no subscription misses an item, and no backlog grows without limit.
Where one slow subscriber must not hold up the others, such as a stranger at the other end of a
network, a subscription may ask not to be waited for, and then misses items or is disconnected.
For the newest value alone there is `Watch`. `broadcast_state` has the mechanism.
"""

from __future__ import annotations

import types
from typing import Any, Literal, TypeAlias

from giambio._build.sealed import final
from giambio.channels import broadcast_state, closing, stores
from giambio.channels.broadcast_state import BroadcastState, BroadcastStatistics, Inbox
from giambio.channels.closing import Droppable, OnDrop
from giambio.errors import EndOfStream, WouldBlock
from giambio.kernel.operation import Operation

__all__ = ["Broadcast", "BroadcastStatistics", "Subscription"]

Overflow: TypeAlias = Literal["wait", "drop_oldest", "drop_newest", "disconnect"]
OVERFLOW = ("wait", "drop_oldest", "drop_newest", "disconnect")


class Broadcast(Droppable):
    """Sends each item to all: ``broadcast.subscribe()``, ``await broadcast.send(item)``.

    A subscription gets every item that is sent from then on, in order. Each one may be
    `size` items behind; a sender waits for the slowest, but for those that have asked not
    to be waited for (see `subscribe`). So close subscriptions that are not read any more: a
    `Subscription` is a ``with`` block. Without subscriptions an item is lost.

    Any number of tasks may send. `close`, or leaving its ``with`` block, tells the
    subscribers that nothing more will come. Dropped without being closed it closes
    itself, with a `ResourceWarning` if there are subscriptions.

    Parameters:
        size: the number of items that may wait in each subscription, from 1 up; with
            `math.inf` a sender never waits.

    Raises:
        TypeError, ValueError: `size` is not a whole number from 1 up, nor infinity.

    Example:
        >>> import giambio
        >>> async def listen(name, news):
        ...     with news:
        ...         async for item in news:
        ...             print(name, "hears", item)
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         with giambio.Broadcast(5) as broadcast:
        ...             await manager.spawn(listen, "Ann", broadcast.subscribe())
        ...             await broadcast.send("hello")
        >>> giambio.run(main)
        Ann hears hello
    """

    __slots__ = ("_hub",)

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, size: int | float) -> None:
        self._hub = BroadcastState(size, closing.limit_of("Broadcast()", size, 1))
        self._opened()

    def send(self, item: Any) -> Operation:
        """Send an item to every subscription; wait while one is full that is waited for.

        Parameters:
            item: anything.

        Returns:
            Awaited: the number of subscriptions that get it.

        Raises:
            ClosedResourceError: the broadcast is closed, or was while waiting.
            RuntimeError: tasks of another loop wait for it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the item was not sent. Waiting tasks get their turn in
        the order in which they came.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with giambio.Broadcast(5) as news:
            ...         with news.subscribe(), news.subscribe():
            ...             return await news.send("hello")
            >>> giambio.run(main)
            2
        """
        return broadcast_state.new_send(self, self._hub, item)

    def send_nowait(self, item: Any) -> int:
        """Send an item to every subscription, without waiting.

        Parameters:
            item: anything.

        Returns:
            The number of subscriptions that get it.

        Raises:
            WouldBlock: a subscription that is waited for is full; then the item is not
                sent.
            ClosedResourceError: see `send`.
            RuntimeError: tasks wait to receive, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news:
            ...     news.send_nowait("hello")
            0
        """
        hub = self._hub
        if not self._open:
            raise self._closed_error()
        hub.check_thread("Broadcast.send_nowait()")
        if hub.full > 0:
            raise WouldBlock(f"{hub.full} of {len(hub.inboxes)} subscriptions are full")
        return hub.deliver(item)

    def subscribe(self, *, overflow: Overflow = "wait") -> Subscription:
        """Subscribe to all items that are sent from now on.

        Parameters:
            overflow: what happens when another item comes while `size` items wait here.
                ``"wait"``, the default: the sender waits. Otherwise it does not, and
                ``"drop_oldest"`` drops the item that has waited longest,
                ``"drop_newest"`` the one that comes, and ``"disconnect"`` ends the
                subscription: it gives what it has, and then raises
                `BrokenResourceError`.

        Returns:
            A new `Subscription`. It counts what it misses, as `Subscription.dropped`.

        Raises:
            ValueError: `overflow` is none of these.
            ClosedResourceError: the broadcast is closed.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news, news.subscribe() as mine:
            ...     count = news.send_nowait("hello")
            ...     mine.receive_nowait()
            'hello'
            >>> with giambio.Broadcast(2) as news:
            ...     with news.subscribe(overflow="drop_oldest") as mine:
            ...         counts = [news.send_nowait(number) for number in range(5)]
            ...         mine.receive_nowait(), mine.dropped
            (3, 3)
        """
        if overflow not in OVERFLOW:
            raise ValueError(
                f"subscribe(overflow=) is one of {', '.join(OVERFLOW)}, not {overflow!r}"
            )
        if not self._open:
            raise self._closed_error()
        return Subscription(Inbox(self._hub, overflow))

    def statistics(self) -> BroadcastStatistics:
        """Return how far the slowest is behind, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news:
            ...     print(*news.statistics())
            0 5 0 0 0
        """
        return self._hub.statistics()

    def _close_now(self) -> None:
        """See `Closeable._close_now`."""
        if self._open:
            self._hub.check_thread("Broadcast.close()")
            self._open = False
            self._hub.end()

    def __repr__(self) -> str:
        hub = self._hub
        state = f"{len(hub.inboxes)} subscriptions, {hub.senders.length} waiting to send"
        return f"<giambio.Broadcast {state if self._open else 'closed'}>"

    def _on_drop(self) -> OnDrop:
        """See `Droppable._on_drop`."""
        hub = self._hub
        return hub.kernel, hub.end, len(hub.inboxes) > 0


class Subscription(Droppable):
    """The receiving side of a `Broadcast`. `Broadcast.subscribe` makes one.

    ``async for item in subscription`` ends when the broadcast is closed and all items
    were received. Several tasks may share one subscription; then each item goes to one
    of them.

    ``with`` and ``async with`` close it. Dropped without being closed it closes itself,
    with a `ResourceWarning` if the broadcast is open.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.Broadcast(5) as news, news.subscribe() as mine:
        ...         await news.send("hello")
        ...         news.close()
        ...         return [item async for item in mine]
        >>> giambio.run(main)
        ['hello']
    """

    __slots__ = ("_inbox",)

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, inbox: Inbox | None = None) -> None:
        if not isinstance(inbox, Inbox):
            raise TypeError("a Subscription is made by the subscribe() of a giambio.Broadcast")
        self._inbox = inbox
        self._opened()

    @property
    def dropped(self) -> int:
        """The number of items that were sent, and that it misses because it was full.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(1) as news:
            ...     with news.subscribe(overflow="drop_newest") as mine:
            ...         counts = news.send_nowait("one"), news.send_nowait("two")
            ...         counts, mine.dropped
            ((1, 0), 1)
        """
        return self._inbox.dropped

    def receive(self) -> Operation:
        """Receive the next item; wait if there is none.

        Returns:
            Awaited: the item.

        Raises:
            EndOfStream: the broadcast is closed, and nothing is left.
            BrokenResourceError: it was too slow and is disconnected, and nothing is left.
            ClosedResourceError: this subscription is closed, or was while waiting.
            RuntimeError: tasks of another loop wait for the broadcast.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with giambio.Broadcast(5) as news, news.subscribe() as mine:
            ...         await news.send("hello")
            ...         return await mine.receive()
            >>> giambio.run(main)
            'hello'
        """
        return broadcast_state.new_receive(self, self._inbox, False)

    def receive_nowait(self) -> Any:
        """Receive the next item if there is one.

        Returns:
            The item.

        Raises:
            WouldBlock: there is none.
            EndOfStream, BrokenResourceError, ClosedResourceError: see `receive`.
            RuntimeError: tasks wait to send, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news, news.subscribe() as mine:
            ...     mine.receive_nowait()
            Traceback (most recent call last):
            giambio.errors.WouldBlock: no item waits in this subscription
        """
        if not self._open:
            raise self._closed_error()
        inbox = self._inbox
        inbox.hub.senders.check_thread("Subscription.receive_nowait()")
        item = inbox.take()
        if item is not stores.EMPTY:
            return item
        if inbox.cut_off:
            raise inbox.cut_off_error()
        if not inbox.hub.open:
            raise EndOfStream(broadcast_state.ENDED)
        raise WouldBlock("no item waits in this subscription")

    def _close_now(self) -> None:
        """See `Closeable._close_now`."""
        if self._open:
            inbox = self._inbox
            # It wakes its own receivers, and with the senders all others. (Checking each
            # subscription would make closing them one by one take forever.)
            inbox.receivers.check_thread("Subscription.close()")
            inbox.hub.senders.check_thread("Subscription.close()")
            self._open = False
            inbox.receivers.wake_all()
            inbox.leave()

    def __aiter__(self) -> Subscription:
        return self

    def __anext__(self) -> Operation:
        return broadcast_state.new_receive(self, self._inbox, True)

    def __repr__(self) -> str:
        inbox = self._inbox
        fill = closing.fill(inbox.items.length, inbox.hub.size)
        state = f"{fill}, {inbox.receivers.length} waiting to receive"
        if inbox.dropped:
            state += f", {inbox.dropped} dropped"
        return f"<giambio.Subscription {state if self._open else 'closed'}>"

    def _on_drop(self) -> OnDrop:
        """See `Droppable._on_drop`."""
        inbox = self._inbox
        hub = inbox.hub
        return hub.kernel, inbox.leave, hub.open and not inbox.cut_off


final(Broadcast, "(size)")
final(Subscription, "(inbox=None)")
