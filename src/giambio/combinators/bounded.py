"""A task for each item, a limited number at once: for `as_completed` and `map_concurrent`.

A task of its own takes the items (see `feeder`), and waits for a free place before each one.
That is backpressure: an endless iterator is read no faster than its items are processed.
"""

from __future__ import annotations

from typing import Any

from giambio.combinators.base import Collector, Coro
from giambio.combinators.feeder import feed
from giambio.combinators.targets import check_items
from giambio.kernel.coroutines import to_coroutine
from giambio.kernel.operation import Operation
from giambio.kernel.task import Task
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue
from giambio.tasks.task_group import check_limit

__all__ = ["BoundedCollector"]


class BoundedCollector(Collector):
    """A group of tasks that call one function, each with an item of its own."""

    __slots__ = ("_feeder", "_function", "_items", "_limit", "_places", "_taken")

    def __init__(
        self, label: str, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None:
        check_items(label, items)
        self._limit = 0 if limit is None else check_limit(label, limit)
        Collector.__init__(self, label, (), return_exceptions)
        self._function = function
        self._items = items
        self._feeder: Task | None = None
        # The number of places taken, and where the feeder waits for one.
        self._taken = 0
        self._places = WaitQueue()

    def _begin(self, coros: list[Coro]) -> None:
        """See `Collector._begin`."""
        items = self._items
        self._items = None
        self._feeder = self._add(feed(self, items), f"items of {self._label}")

    def _place(self) -> Operation:
        """Wait for a free place, for one more task."""
        return Place(self)

    def _start(self, item: Any) -> None:
        """Start the task for an item."""
        coro = to_coroutine(self._label, self._function, (item,), None)
        self._taken += 1
        self._began(self._add(coro))

    def _take(self, task: Task, result: object) -> None:
        """See `Collector._take`."""
        Collector._take(self, task, result)
        self._give_place()

    def _give_place(self) -> None:
        """Release a place."""
        self._taken -= 1
        self._places.wake_all()

    def _settle(self, task: Task) -> None:
        """See `TaskGroup._settle`; an error of the items themselves is never a result."""
        if task is not self._feeder:
            Collector._settle(self, task)
            return
        self._feeder = None
        if task._failed() or task.cancelled():
            self._settle_without_result(task)


class Place(QueuedOperation):
    """Waits for a free place; only the feeder does."""

    __slots__ = ()

    what = "a place within the limit"

    def attempt(self) -> bool:
        """Done when there is a place."""
        collector: BoundedCollector = self._subject
        if collector._limit == 0 or collector._taken < collector._limit:
            return True
        return self.wait_in(collector._places)
