"""Awaiting a block of tasks: the common part of `gather`, `race`, `map_concurrent`, `as_completed`.

The awaitable is an operation and not a coroutine, so no frame of giambio stands between the
user's await and the tasks below it. The tasks are children of the awaiting task, inside its
scopes, and all of them have ended before the await does, however it ends.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

from giambio.errors import TaskCancelled, is_cancellation, without_cancellations
from giambio.kernel.coroutines import discard, to_coroutine
from giambio.kernel.reraise import Failure, unchained
from giambio.kernel.task import Task, current_task
from giambio.kernel.tracebacks import user_part
from giambio.tasks.exception_groups import connected
from giambio.tasks.task_group import Leaving, TaskGroup

__all__ = ["Collector", "Together"]

Coro = Coroutine[Any, Any, Any]


class Collector(TaskGroup):
    """A group of tasks whose results are collected, in the order in which the tasks started.

    It runs the targets that it is given: awaitables, async functions, Tasks. All of them are
    made coroutines before the first one runs, so a mistake in one is found while nothing has
    happened yet.
    """

    __slots__ = (
        "_a_label",
        "_context",
        "_label",
        "_numbers",
        "_reason",
        "_results",
        "_return_exceptions",
        "_targets",
    )

    def __init__(self, label: str, targets: tuple[Any, ...], return_exceptions: bool) -> None:
        self._prepare(None, None)
        # The call, for messages: "gather()".
        self._label = self._a_label = label
        self._reason = f"another task of {label} has failed"
        self._return_exceptions = bool(return_exceptions)
        self._context = copy_context()
        self._targets = targets
        # The results in order, and the position of each task that still runs.
        self._results: list[Any] = []
        self._numbers: dict[Task, int] = {}

    def _coroutines(self) -> list[Coro]:
        """Make coroutines of the targets, before the block is open."""
        targets = self._targets
        self._targets = ()
        return coroutines_of(self._label, targets)

    def _begin(self, coros: list[Coro]) -> None:
        """Start the tasks: the block is open."""
        for coro in coros:
            self._began(self._add(coro))

    def _give_up(self) -> None:
        """Close the targets: the block will not be opened."""
        targets = self._targets
        self._targets = ()
        for target in targets:
            discard(target)

    def _add(self, coro: Coro, name: str | None = None) -> Task:
        """Start a task, in a copy of the context in which the combinator was called."""
        return self._launch(coro, name, self._context.copy())

    def _take_over(self, child: Task) -> None:
        """See `Supervisor._take_over`: it has no result here, so the host's supervisor holds it."""
        if self._host is not None and self._host._supervisor is not None:
            self._host._supervisor._take_over(child)

    # -- results -----------------------------------------------------------------------

    def _began(self, task: Task) -> None:
        """Reserve a place for the result of a task that was started."""
        self._numbers[task] = len(self._results)
        self._results.append(None)

    def _take(self, task: Task, result: object) -> None:
        """Keep the result of a task that has ended."""
        self._results[self._numbers.pop(task)] = result

    def _outcome(self) -> Any:
        """Return the result of the await, when all tasks have one."""
        return self._results

    # -- how a task has ended ----------------------------------------------------------

    def _settle(self, task: Task) -> None:
        """See `TaskGroup._settle`."""
        if not task._failed() and not task.cancelled():
            self._take(task, task._outcome)
        elif self._return_exceptions and self._may_return(task):
            self._take(task, task._problem("result()"))
        else:
            self._settle_without_result(task)

    def _may_return(self, task: Task) -> bool:
        """Whether a task's exception can be returned instead of raised.

        One that it raises because all are being cancelled cannot: the results are dropped.
        """
        cancelled = self._scope is not None and self._scope._effective
        if task.cancelled():
            return not cancelled
        if not isinstance(task._outcome, Exception):
            return False
        # Told of the cancellation, or waiting for tasks that were: so it is a clean-up's.
        return not cancelled or (
            task._told is None and not any(map(is_cancellation, connected(task._outcome)))
        )

    def _settle_without_result(self, task: Task) -> None:
        """Note the end of a task that was cancelled with the others, or else has failed."""
        if task.cancelled() and self._scope is not None and self._scope._effective:
            self._cancelled = True
            return
        # Cancelled alone, it has failed: its result is missing.
        real = without_cancellations(task._problem("result()"))
        if real is not None:
            self._add_error(real)

    def _conclude(
        self, host: Task, body: BaseException | None, cancelled: bool, caught: bool
    ) -> Any:
        """See `TaskGroup._conclude`; there are results, unless tasks were cancelled."""
        if not self._cancelled:
            return self._outcome()
        if host._pending:
            return Failure(host._interruption())
        # A shield went up behind the cancellation.
        return Failure(TaskCancelled(f"{self._label} has no result, its tasks were cancelled"))

    def __repr__(self) -> str:
        return f"<giambio.{self._label}, {len(self._children)} running>"


class Together(Leaving):
    """The await of a `Collector`: opens its block, and leaves it when all tasks have ended.

    It can be cancelled until it has begun, and then has done nothing.
    """

    __slots__ = ("_collector", "_opened")

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return self._collector._label

    def __init__(self, collector: Collector) -> None:
        self.prepare_leaving(collector, None, True)
        self.shielded = False
        self._collector = collector
        self._opened = False

    def __await__(self) -> Any:
        awaited = Leaving.__await__(self)
        if sys.exc_info()[1] is None:
            return awaited
        self._chained = False
        return unchained(awaited)

    def stands_alone(self) -> bool:
        """See `Trap.stands_alone`: how it is awaited depends on where."""
        return False

    def attempt(self) -> bool:
        """Begin the first time; then as when a block is left."""
        if not self._opened:
            collector = self._collector
            try:
                coros = collector._coroutines()
            except BaseException as exc:
                return self.fail(user_part(exc))
            self._opened = True
            self.shielded = True
            collector._open(current_task())
            collector._begin(coros)
        done = Leaving.attempt(self)
        if done and not self._chained and isinstance(self.result, Failure):
            chain(self.result.exception)
        return done

    def interruption(self, task: Any) -> BaseException:
        """See `Park.interruption`; cancelled before it began, it did not happen."""
        self.discard()
        return Leaving.interruption(self, task)

    def discard(self) -> None:
        """See `Operation.discard`."""
        if not self._opened:
            self._collector._give_up()


def coroutines_of(what: str, targets: tuple[Any, ...]) -> list[Coro]:
    """Make a coroutine of each target.

    Raises:
        TypeError, RuntimeError: one cannot run; then all are closed.
        BaseException: calling a function raised it.
    """
    coros: list[Coro] = []
    try:
        for target in targets:
            if target is current_task():
                raise RuntimeError(
                    f"{what} was given the task that awaits it, which would never end"
                )
            coro = to_coroutine(what, target, (), None)
            if isinstance(target, Task):
                coro.__qualname__ = f"join of {target.name}"  # type: ignore[attr-defined]
            coros.append(coro)
        if len(set(coros)) < len(coros):
            raise RuntimeError(
                f"{what} was given the same coroutine twice, and each can run only once; "
                "give async functions, or spawn a Task and give that"
            )
    except BaseException:
        for unused in (*coros, *targets[len(coros) :]):
            discard(unused)
        raise
    return coros


def chain(exc: BaseException) -> None:
    """Make the exception being handled the context of `exc`, if it has none.

    Python does so when it throws into a coroutine, but drops the context there was (and,
    in version 3.11, frames of the traceback).
    """
    handled = sys.exc_info()[1]
    if exc.__context__ is None and handled is not None and exc not in connected(handled):
        exc.__context__ = handled
