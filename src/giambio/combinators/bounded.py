"""A task for each item, a limited number at once: for `as_completed` and `map_concurrent`.

A task of its own takes the items (see `feeder`), and waits for a free place before each one.
That is the backpressure: an endless iterator is read no faster than its items are worked off.
"""

from __future__ import annotations

from typing import Any

from giambio._build.sealed import final
from giambio.combinators.base import Collector
from giambio.combinators.feeder import feed
from giambio.combinators.targets import check_items
from giambio.kernel.coroutines import to_coroutine
from giambio.kernel.operation import Operation
from giambio.kernel.task import Task
from giambio.tasks.task_group import check_limit

__all__ = ["BoundedCollector"]


class BoundedCollector(Collector):
    """A group of tasks that call one function, each with an item of its own."""

    __slots__ = ("_feeder", "_function", "_items", "_limit", "_place", "_taken")

    def prepare_bounded(
        self, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None:
        """See `TaskGroup._prepare`."""
        check_items(self._label, items)
        self._limit = 0 if limit is None else check_limit(self._label, limit)
        self.prepare_collector((), return_exceptions)
        self._function = function
        self._items = items
        self._feeder: Task | None = None
        # The number of places taken, and the operation that waits for one.
        self._taken = 0
        self._place: Place | None = None

    def begin(self) -> None:
        """See `Collector.begin`."""
        items = self._items
        self._items = None
        self._feeder = self.add(feed(self, items), f"items of {self._label}")

    # -- for the feeder ---------------------------------------------------------------

    def place(self) -> Operation:
        """Wait for a free place, for one more task."""
        return Place(self)

    def start(self, item: Any) -> None:
        """Start the task for an item."""
        coro = to_coroutine(self._label, self._function, (item,))
        self._taken += 1
        self.began(self.add(coro))

    # -- places -------------------------------------------------------------------------

    def has_place(self) -> bool:
        """Whether one more task may be started."""
        return self._limit == 0 or self._taken < self._limit

    def give_place(self) -> None:
        """Release a place."""
        self._taken -= 1
        if self._place is not None:
            self._place._ready()

    def _settle(self, task: Task) -> None:
        """See `TaskGroup._settle`; an error of the items themselves is never a result."""
        if task is not self._feeder:
            Collector._settle(self, task)
            return
        self._feeder = None
        if task._failed() or task.cancelled():
            self.settle_without_result(task)


class Place(Operation):
    """Waits for a free place; only one task does, the feeder."""

    __slots__ = ("_collector",)

    what = "a place within the limit"
    internal = True

    def __init__(self, collector: BoundedCollector) -> None:
        self.prepare(None)
        self._collector = collector

    def attempt(self) -> bool:
        """Done when there is one."""
        collector = self._collector
        if collector.has_place():
            collector._place = None
            return True
        collector._place = self
        return False

    def abort(self) -> bool:
        """See `Park.abort`."""
        self._collector._place = None
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._collector


final(Place)
