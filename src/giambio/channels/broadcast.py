"""Broadcasts: each item that is sent is received by everybody who has subscribed.

Every subscription has a buffer of its own, of one size for all. When one of them
is full, the sender waits: nobody misses anything, and nobody's backlog grows
without a limit. The other policy, to let the slow miss something and tell them
how much, is not offered; who wants only the newest value has `Watch`.
`broadcast_state` says how it works.
"""

from __future__ import annotations

import types
from typing import Any

from giambio._build.sealed import final
from giambio.channels import broadcast_state as hubs
from giambio.channels import closing, ring_buffer
from giambio.channels.broadcast_state import BroadcastState, BroadcastStatistics, Inbox
from giambio.channels.closing import Droppable
from giambio.errors import EndOfStream, WouldBlock
from giambio.kernel.operation import Operation

__all__ = ["Broadcast", "BroadcastStatistics", "Subscription"]


class Broadcast(Droppable):
    """Sends each item to everybody: ``broadcast.subscribe()``, ``await broadcast.send(item)``.

    A subscription gets every item that is sent from then on, in order. Each one
    may be `size` items behind; a sender waits for the slowest. So close
    subscriptions that are not read any more: a `Subscription` is a ``with`` block.
    Without any subscription an item goes to nobody.

    Any number of tasks may send. `close`, or leaving its ``with`` block, tells the
    subscribers that nothing more will come. Dropped without being closed it closes
    itself, with a `ResourceWarning` if somebody has subscribed.

    Parameters:
        size: how many items may wait in each subscription, from 1 up; `math.inf`
            never makes a sender wait.

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
        self.opened()

    def send(self, item: Any) -> Operation:
        """Send an item to everybody who has subscribed; wait while one of them is full.

        Parameters:
            item: anything.

        Returns:
            Awaited: how many subscriptions get it.

        Raises:
            ClosedResourceError: the broadcast is closed, or was while waiting.
            RuntimeError: tasks of another loop wait for it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the item was sent to nobody. Tasks that wait get
        their turn in the order in which they came.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with giambio.Broadcast(5) as news:
            ...         with news.subscribe(), news.subscribe():
            ...             return await news.send("hello")
            >>> giambio.run(main)
            2
        """
        return hubs.new_send(self, self._hub, item)

    def send_nowait(self, item: Any) -> int:
        """Send an item to everybody who has subscribed, if that needs no waiting.

        Parameters:
            item: anything.

        Returns:
            How many subscriptions get it.

        Raises:
            WouldBlock: a subscription is full; then nobody gets it.
            ClosedResourceError: see `send`.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait to receive.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news:
            ...     news.send_nowait("hello")
            0
        """
        hub = self._hub
        if not self._open:
            raise hubs.closed_error("Broadcast")
        hub.check_thread("Broadcast.send_nowait()")
        if hub.full > 0:
            raise WouldBlock(f"{hub.full} of {len(hub.inboxes)} subscriptions are full")
        return hub.deliver(item)

    def subscribe(self) -> Subscription:
        """Get every item that is sent from now on.

        Returns:
            A new `Subscription`.

        Raises:
            ClosedResourceError: the broadcast is closed.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news, news.subscribe() as mine:
            ...     count = news.send_nowait("hello")
            ...     mine.receive_nowait()
            'hello'
        """
        if not self._open:
            raise hubs.closed_error("Broadcast")
        return Subscription(self._hub.subscribe())

    def statistics(self) -> BroadcastStatistics:
        """How far the slowest is behind, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news:
            ...     print(*news.statistics())
            0 5 0 0 0
        """
        return self._hub.statistics()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        if self._open:
            self._hub.check_thread("Broadcast.close()")
            self._open = False
            self._hub.end()

    def __repr__(self) -> str:
        state = self._hub.describe() if self._open else "closed"
        return f"<giambio.Broadcast {state}>"

    def dropped(self) -> bool:
        """See `Droppable.dropped`."""
        hub = self._hub
        closing.close_dropped(hub.kernel, hub.end)
        return len(hub.inboxes) > 0


class Subscription(Droppable):
    """One listener's place at a `Broadcast`. `Broadcast.subscribe` makes it.

    ``async for item in subscription`` ends when the broadcast is closed and all
    was received. Several tasks may share one subscription; then each item goes to
    one of them.

    ``with`` and ``async with`` close it. Dropped without being closed it closes
    itself, with a `ResourceWarning` if the broadcast goes on.

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
        self.opened()

    def receive(self) -> Operation:
        """Receive the next item, and wait if there is none.

        Returns:
            Awaited: the item.

        Raises:
            EndOfStream: the broadcast is closed, and nothing is left.
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
        return hubs.new_receive(self, self._inbox, False)

    def receive_nowait(self) -> Any:
        """Receive the next item if there is one.

        Returns:
            The item.

        Raises:
            WouldBlock: there is none.
            EndOfStream, ClosedResourceError: see `receive`.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait to send.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> with giambio.Broadcast(5) as news, news.subscribe() as mine:
            ...     mine.receive_nowait()
            Traceback (most recent call last):
            giambio.errors.WouldBlock: no item waits in this subscription
        """
        if not self._open:
            raise hubs.closed_error("Subscription")
        inbox = self._inbox
        sender = inbox.hub.senders.first
        if sender is not None:
            sender.check_thread("Subscription.receive_nowait()")
        item = inbox.take()
        if item is not ring_buffer.EMPTY:
            return item
        if not inbox.hub.open:
            raise EndOfStream(hubs.ENDED)
        raise WouldBlock("no item waits in this subscription")

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        if self._open:
            inbox = self._inbox
            # Those whom it wakes: its own, and with those who wait to send it wakes all others.
            # (To ask each subscription would make closing them one by one take for ever.)
            for waiting in (inbox.receivers.first, inbox.hub.senders.first):
                if waiting is not None:
                    waiting.check_thread("Subscription.close()")
            self._open = False
            inbox.receivers.wake_all()
            inbox.leave()

    def __aiter__(self) -> Subscription:
        return self

    def __anext__(self) -> Operation:
        return hubs.new_receive(self, self._inbox, True)

    def __repr__(self) -> str:
        state = self._inbox.describe() if self._open else "closed"
        return f"<giambio.Subscription {state}>"

    def dropped(self) -> bool:
        """See `Droppable.dropped`."""
        hub = self._inbox.hub
        closing.close_dropped(hub.kernel, self._inbox.leave)
        return hub.open


final(Broadcast, "(size)")
final(Subscription, "(inbox=None)")
