"""A task for each of many items, a limited number of them at a time.

What `as_completed` and `map_concurrent` have in common. The items are taken by a task
of its own (see `pulling`), which waits for a place before it takes one.
"""

from __future__ import annotations

from typing import Any

from giambio._build.sealed import final
from giambio.combinators.base import Collector
from giambio.combinators.feeder import pull
from giambio.combinators.targets import check_items
from giambio.kernel.coroutines import to_coroutine
from giambio.kernel.operation import Operation
from giambio.kernel.task import Task
from giambio.tasks.task_group import check_limit

__all__ = ["BoundedCollector"]


class BoundedCollector(Collector):
    """A block of tasks that run one function for one item each."""

    __slots__ = ("_function", "_items", "_limit", "_place", "_puller", "_taken")

    def prepare_feeding(
        self, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None:
        """See `TaskGroup._prepare`."""
        check_items(self._called, items)
        self._limit = check_limit(self._called[:-2], limit)
        self.prepare_collector(return_exceptions)
        self._function = function
        self._items = items
        self._puller: Task | None = None
        # Places that are taken, and the operation that waits for one.
        self._taken = 0
        self._place: Place | None = None

    def begin(self) -> None:
        """See `Collector.begin`."""
        items = self._items
        self._items = None
        self._puller = self.add(pull(self, items), f"items of {self._called}")

    # -- what the puller asks ------------------------------------------------------------

    def place(self) -> Operation:
        """Wait until there is a place for one more task."""
        return Place(self)

    def feed(self, item: Any) -> None:
        """Start the task for an item."""
        coro = to_coroutine(self._called, self._function, (item,))
        self._taken += 1
        self.began(self.add(coro))

    def began(self, task: Task) -> None:
        """A task has been started."""

    # -- places -------------------------------------------------------------------------

    def has_place(self) -> bool:
        """Tell whether one more task may be started."""
        return self._limit == 0 or self._taken < self._limit

    def give_place(self) -> None:
        """A place is free."""
        self._taken -= 1
        if self._place is not None:
            self._place._ready()

    def _settle(self, task: Task) -> None:
        """See `TaskGroup._settle`; an error of the items themselves is never a result."""
        if task is not self._puller:
            Collector._settle(self, task)
            return
        self._puller = None
        if task._failed() or task.cancelled():
            self.settle_without_result(task)


class Place(Operation):
    """The wait for a place; only one task waits, the puller."""

    __slots__ = ("_feeding",)

    what = "a place within the limit"

    def __init__(self, feeding: BoundedCollector) -> None:
        self.prepare(None)
        self._feeding = feeding

    def attempt(self) -> bool:
        """Done when there is one."""
        feeding = self._feeding
        if feeding.has_place():
            feeding._place = None
            return True
        feeding._place = self
        return False

    def abort(self) -> bool:
        """See `Park.abort`."""
        self._feeding._place = None
        return True

    def internal(self) -> bool:
        """See `Park.internal`."""
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._feeding


final(Place)
