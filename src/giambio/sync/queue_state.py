"""State of a queue, and the operations that hand items over.

A task that waits to get an item gets it from `put` directly, and `get` puts in the item of the
task that has waited longest for room. So no task can overtake another one.
"""

from __future__ import annotations

from typing import Any

from giambio.channels import stores
from giambio.channels.closing import Closeable, ReceivingOperation
from giambio.channels.stores import Store
from giambio.kernel.tracebacks import user_part
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["QueueState"]


class QueueState(Closeable):
    """A queue without its public methods."""

    __slots__ = (
        "__weakref__",
        "_drops_items",
        "_getters",
        "_items",
        "_joiners",
        "_limit",
        "_putters",
        "_times_finished",
        "_unfinished",
    )

    _consequence = ", so nothing can be put in"

    def _prepare(self, limit: int, items: Store) -> None:
        """Initialize."""
        self._limit = limit
        self._items = items
        self._putters = WaitQueue()
        self._getters = WaitQueue()
        self._joiners = WaitQueue()
        self._unfinished = 0
        # How often the number of unfinished items has come down to 0.
        self._times_finished = 0
        self._open = True
        # Whether it was shut down immediately.
        self._drops_items = False

    def _put_in(self, item: Any) -> bool:
        """Hand an item to a task that waits for it, or else put it into the store.

        Returns:
            False if there is neither a task nor room: then it is not taken.

        Raises:
            Exception: raised by comparing the item; then it is not taken.
        """
        if self._getters.grant_first(item) is None:
            if self._items.length >= self._limit:
                return False
            self._items.insert(item, self._items.place_for(item))
        self._unfinished += 1
        return True

    def _take_out(self) -> Any:
        """Take the next item out, and put in the item of a task that waits for room.

        Returns:
            `EMPTY` if the queue is empty.

        Raises:
            Exception: raised by comparing items; then nothing is taken.
        """
        if self._items.length == 0:
            return stores.EMPTY
        item = self._items.take()
        if self._putters.first is not None:
            self._let_in()
        return item

    def _let_in(self) -> None:
        """Put in the item of the task that has waited longest, which then continues.

        An item that cannot be compared is the problem of the task that brought it.
        """
        while True:
            putter: QueuePut | None = self._putters.pop()  # type: ignore[assignment]
            if putter is None:
                return
            try:
                place = self._items.place_for(putter.item)
            except BaseException as exc:
                putter.refusal = user_part(exc)
                putter._ready()
                continue
            if putter.grant(None):
                self._items.insert(putter.item, place)
                self._unfinished += 1
                return

    def _finish(self, count: int) -> None:
        """Count items as done, and wake the tasks that wait in `join` after the last one."""
        if count:
            self._unfinished -= count
            if self._unfinished == 0:
                self._times_finished += 1
                self._joiners.wake_all()

    def _ended(self) -> str:
        """Return the message for a task that wants to get an item, and there will be none."""
        return f"this {type(self).__name__} is closed and empty"


class QueuePut(QueuedOperation):
    """One task's `Queue.put`."""

    __slots__ = ("item", "refusal")

    item: Any
    #: Raised by comparing the item when its turn had come.
    refusal: BaseException | None

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return f"{type(self._subject).__name__}.put()"

    def attempt(self) -> bool:
        """Hand the item over, or wait with it."""
        queue: QueueState = self._subject
        if self.refusal is not None:
            return self.fail(self.refusal)
        if not queue._open:
            return self.fail(queue._closed_error())
        if not self.fits(queue._getters):
            return False
        try:
            return queue._put_in(self.item) or self.wait_in(queue._putters)
        except BaseException as exc:
            return self.fail(user_part(exc))


class QueueGet(ReceivingOperation):
    """One task's `Queue.get`."""

    __slots__ = ()

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return f"{type(self._subject).__name__}.get()"

    def attempt(self) -> bool:
        """Take an item, or wait for one."""
        queue: QueueState = self._subject
        if not self.fits(queue._putters):
            return False
        try:
            item = queue._take_out()
        except BaseException as exc:
            return self.fail(user_part(exc))
        if item is not stores.EMPTY:
            self.result = item
            return True
        if not queue._open:
            return self.ended(queue._ended())
        return self.wait_in(queue._getters)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`: the item is still the next one, or dropped."""
        queue: QueueState = self._subject
        if queue._drops_items:
            queue._finish(1)
        elif queue._getters.grant_first(self.result) is None:
            queue._items.put_back(self.result)


class QueueJoin(QueuedOperation):
    """One task's `Queue.join`."""

    __slots__ = ("_before",)

    def __init__(self, queue: QueueState) -> None:
        self.prepare_queued()
        self._subject = queue
        self._before = -1

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return f"{type(self._subject).__name__}.join()"

    def attempt(self) -> bool:
        """Done when all items were finished at some time since, even if more have come."""
        queue: QueueState = self._subject
        if queue._unfinished == 0 or 0 <= self._before < queue._times_finished:
            return True
        self._before = queue._times_finished
        return self.wait_in(queue._joiners)


# Functions instead of constructors: see `channel_state`.


def new_put(queue: QueueState, item: Any) -> QueuePut:
    """Make a `QueuePut`."""
    operation = QueuePut.__new__(QueuePut)
    operation.prepare_queued()
    operation._subject = queue
    operation.item = item
    operation.refusal = None
    return operation


def new_get(queue: QueueState, iterating: bool) -> QueueGet:
    """Make a `QueueGet`."""
    operation = QueueGet.__new__(QueueGet)
    operation.prepare_queued()
    operation._subject = queue
    operation.iterating = iterating
    return operation
