"""What a queue is inside: its items, who waits, and the operations that hand items over.

Items are handed over: who waits to get one gets it from `put` directly, and who
waits to put one has it put in by the `get` that made room. So nobody overtakes.
"""

from __future__ import annotations

from typing import Any

from giambio.channels import ring_buffer
from giambio.channels.closing import Closeable
from giambio.channels.receiving import ReceivingOperation
from giambio.errors import ClosedResourceError
from giambio.kernel.tracebacks import user_part
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["QueueState"]


class QueueState(Closeable):
    """A queue without its public methods."""

    __slots__ = (
        "__weakref__",
        "_getters",
        "_joiners",
        "_limit",
        "_putters",
        "_times_finished",
        "_unfinished",
    )

    called = "QueueState"

    def open_queue(self, limit: int) -> None:
        """The constructor's work; `limit` is how many items there may be."""
        self._limit = limit
        self._putters = WaitQueue()
        self._getters = WaitQueue()
        self._joiners = WaitQueue()
        self._unfinished = 0
        # How often the number of unfinished items has come down to 0.
        self._times_finished = 0
        self._open = True
        self.prepare_queue_state()

    def put_in(self, item: Any) -> bool:
        """Hand an item over: to who waits for it, or else into the store.

        Returns:
            False if there is neither a taker nor room: then it is not taken.

        Raises:
            Exception: what comparing it raised; then it is not taken.
        """
        while True:
            getter = self._getters.pop()
            if getter is None:
                break
            if getter.grant(item):
                self._unfinished += 1
                return True
        if self.length() >= self._limit:
            return False
        self.insert(item, self.place_for(item))
        self._unfinished += 1
        return True

    def take_out(self) -> Any:
        """Take the next item out, and let in whoever waits for the room.

        Returns:
            `EMPTY` if the queue is empty.

        Raises:
            Exception: what comparing items raised; then nothing is taken.
        """
        if self.length() == 0:
            return ring_buffer.EMPTY
        item = self.remove()
        if self._putters.first is not None:
            self.let_in()
        return item

    def let_in(self) -> None:
        """Put in the item of the task that has waited longest, who then goes on.

        An item that cannot be compared is the problem of the task that brought it.
        """
        while True:
            putter: QueuePut | None = self._putters.pop()  # type: ignore[assignment]
            if putter is None:
                return
            try:
                place = self.place_for(putter.item)
            except BaseException as exc:
                putter.refuse(user_part(exc))
                continue
            if putter.grant(None):
                self.insert(putter.item, place)
                self._unfinished += 1
                return

    def put_back(self, item: Any) -> None:
        """Hand an item over that its getter could not use any more."""
        while True:
            getter = self._getters.pop()
            if getter is None:
                break
            if getter.grant(item):
                return
        self.insert_first(item)

    def closed_error(self) -> ClosedResourceError:
        """The error of putting something into a closed queue."""
        return ClosedResourceError(f"this {self.called} is closed, so nothing can be put in")

    def end(self) -> str:
        """What to say to who wants to get something that will not come."""
        return f"this {self.called} is closed and empty"

    # -- for subclasses: the order -----------------------------------------------------------

    def prepare_queue_state(self) -> None:
        """Make the store."""
        raise NotImplementedError

    def length(self) -> int:
        """How many items are in the store."""
        raise NotImplementedError

    def place_for(self, item: Any) -> int:
        """Where an item belongs. All of `put` that can fail is in here."""
        return 0

    def insert(self, item: Any, place: int) -> None:
        """Put an item where it belongs."""
        raise NotImplementedError

    def insert_first(self, item: Any) -> None:
        """Put an item where it is the next one."""
        raise NotImplementedError

    def remove(self) -> Any:
        """Take the next item out; there is one."""
        raise NotImplementedError


class QueuePut(QueuedOperation):
    """One task's `Queue.put`."""

    __slots__ = ("item", "queue", "refusal")

    queue: QueueState
    item: Any
    refusal: BaseException | None

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return f"{self.queue.called}.put()"

    def attempt(self) -> bool:
        """Hand the item over, or wait with it."""
        queue = self.queue
        if self.refusal is not None:
            return self.fail(self.refusal)
        if not queue._open:
            return self.fail(queue.closed_error())
        if not self.fits(queue._getters):
            return False
        try:
            if queue.put_in(self.item):
                return True
        except BaseException as exc:
            return self.fail(user_part(exc))
        return self.wait_in(queue._putters)

    def refuse(self, exc: BaseException) -> None:
        """The item's turn has come, and it cannot be put in."""
        self.refusal = exc
        self._ready()

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.queue


class QueueGet(ReceivingOperation):
    """One task's `Queue.get`."""

    __slots__ = ("queue",)

    queue: QueueState

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return f"{self.queue.called}.get()"

    def attempt(self) -> bool:
        """Take an item, or wait for one."""
        queue = self.queue
        if not self.fits(queue._putters):
            return False
        try:
            item = queue.take_out()
        except BaseException as exc:
            return self.fail(user_part(exc))
        if item is not ring_buffer.EMPTY:
            self.result = item
            return True
        if not queue._open:
            return self.ended(queue.end())
        return self.wait_in(queue._getters)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`: the item is still the next one."""
        self.queue.put_back(self.result)

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.queue


class QueueJoin(QueuedOperation):
    """One task's `Queue.join`."""

    __slots__ = ("_before", "_queue")

    def __init__(self, queue: QueueState) -> None:
        self.prepare_queued()
        self._queue = queue
        self._before = -1

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return f"{self._queue.called}.join()"

    def attempt(self) -> bool:
        """Done when all was finished at some time since, even if more has come."""
        queue = self._queue
        if queue._unfinished == 0 or 0 <= self._before < queue._times_finished:
            return True
        self._before = queue._times_finished
        return self.wait_in(queue._joiners)

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._queue


# As in `channels.handover`: no constructors, because a call of a class costs.


def new_put(queue: QueueState, item: Any) -> QueuePut:
    """Make a `QueuePut`."""
    operation = QueuePut.__new__(QueuePut)
    operation.prepare_queued()
    operation.queue = queue
    operation.item = item
    operation.refusal = None
    return operation


def new_get(queue: QueueState, iterating: bool) -> QueueGet:
    """Make a `QueueGet`."""
    operation = QueueGet.__new__(QueueGet)
    operation.prepare_taking(iterating)
    operation.queue = queue
    return operation
