"""`as_completed`: call an async function for each item, and get the results as they come.

It is a block, because a block can cancel and join its tasks, however it is left. An async
generator that is not iterated over to its end could not.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from giambio._build.sealed import final
from giambio.combinators.bounded import BoundedCollector
from giambio.combinators.targets import check_function
from giambio.errors import ClosedResourceError
from giambio.kernel import constants
from giambio.kernel.operation import Operation
from giambio.kernel.task import Task
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue
from giambio.tasks.task_group import Leaving, TaskGroup

__all__ = ["Results", "as_completed"]

EXAMPLE = (
    "`async with giambio.as_completed(fetch, urls, limit=20) as pages:` "
    "and in it `async for page in pages:`"
)


def as_completed(
    fn: Any, items: Any = None, *, limit: int | None = None, return_exceptions: bool = False
) -> Results:
    """Call an async function for each item, several at once, and get the results as they come.

    Parameters:
        fn: an async function of one item.
        items: an iterable or an async iterable. The next item is taken when there is a
            place for its task. An async generator is closed if it is not used up.
        limit: how many tasks may run at once; no limit by default. Results that were not
            taken yet count too: a slow consumer slows the tasks down (backpressure).
        return_exceptions: True yields an exception of the function like a result, and
            continues. Cancellations are never yielded, nor `KeyboardInterrupt` and the
            like, nor exceptions of `items`, nor those that are raised while all tasks are
            being cancelled.

    Returns:
        A block, to be entered with ``async with`` and iterated over inside. Entering it
        starts the tasks; leaving it, however, cancels and joins those that still run, and
        drops the results that were not taken.

    Raises:
        TypeError: `fn` is not an async function, or `items` cannot be iterated over.
        TypeError, ValueError: `limit` is not a number of tasks.
        BaseException: on leaving: the failure of the function, `items` or the body; the
            tasks and the body are cancelled first, and the tasks joined. Several
            failures are raised as an `ExceptionGroup`, as by a `TaskManager`.
        TaskCancelled: on leaving: one of the tasks was cancelled alone.
        CancelledError: the caller is in a cancelled scope.

    Entering is not a checkpoint. Waiting for the next result is one; cancelled, it loses
    no result. Leaving always yields control once. The tasks are children of the calling
    task, inside its scopes. Several tasks may iterate; each result goes to one of them.

    Example:
        >>> import giambio
        >>> async def after(seconds):
        ...     await giambio.sleep(seconds)
        ...     return seconds
        >>> async def main():
        ...     async with giambio.as_completed(after, [0.05, 0.01], limit=2) as results:
        ...         return [seconds async for seconds in results]
        >>> giambio.run(main)
        [0.01, 0.05]
    """
    check_function("as_completed()", fn, EXAMPLE)
    return Results("as_completed()", fn, items, limit, return_exceptions)


class Results(BoundedCollector):
    """The tasks of one `as_completed`, and their results that were not taken yet."""

    __slots__ = ("_values", "_waiters")

    def __init__(
        self, label: str, function: Any, items: Any, limit: int | None, return_exceptions: bool
    ) -> None:
        BoundedCollector.__init__(self, label, function, items, limit, return_exceptions)
        self._values: deque[Any] = deque()
        # The tasks that wait for a result: only while there is none.
        self._waiters = WaitQueue()

    # -- iterating ---------------------------------------------------------------------

    def __aiter__(self) -> Results:
        if self._state == constants.NEW:
            raise TypeError(f"as_completed() is a block; write {EXAMPLE}")
        return self

    def __anext__(self) -> Operation:
        return Next(self.__aiter__())

    def _began(self, task: Task) -> None:
        """See `Collector._began`: the results have no order to keep."""

    def _take(self, task: Task, result: object) -> None:
        """See `Collector._take`: the task that has waited longest gets the result."""
        if self._waiters.grant_first(result) is None:
            self._values.append(result)
        else:
            self._give_place()

    # -- the block ---------------------------------------------------------------------

    def _open(self, task: Task) -> None:
        """See `TaskGroup._open`."""
        TaskGroup._open(self, task)
        self._begin([])

    def _pass_place_on(self) -> None:
        """See `TaskGroup._pass_place_on`; with the last task the iteration ends."""
        if not self._children:
            self._waiters.wake_all()
        TaskGroup._pass_place_on(self)

    def _begin_leaving(self, leaving: Leaving, body: BaseException | None) -> None:
        """See `TaskGroup._begin_leaving`: tasks that still run are cancelled."""
        TaskGroup._begin_leaving(self, leaving, body)
        if self._children:
            self._cancel_all("the block of as_completed() was left")
        self._values.clear()
        self._waiters.wake_all()

    def _conclude(
        self, host: Task, body: BaseException | None, cancelled: bool, caught: bool
    ) -> Any:
        """See `TaskGroup._conclude`: it ends as a block does, not as an await with a result."""
        return TaskGroup._conclude(self, host, body, cancelled, caught)


class Next(QueuedOperation):
    """Waits for one result."""

    __slots__ = ()

    what = "the next result"

    def iterates(self) -> bool:
        """See `Operation.iterates`."""
        return True

    def attempt(self) -> bool:
        """Done when there is a result, or none will come."""
        results: Results = self._subject
        if results._state == constants.LEFT or results._leaving is not None:
            return self.fail(
                ClosedResourceError(
                    "the block of this as_completed() was left; iterate inside of the block"
                )
            )
        if results._values:
            self.result = results._values.popleft()
            results._give_place()
            return True
        if not results._children:
            return self.fail(StopAsyncIteration())
        return self.wait_in(results._waiters)


final(Results)
