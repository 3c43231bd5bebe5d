"""An await that is a block of tasks: what `gather` and its like have in common.

It is an operation and no coroutine, so no frame of ours stands between the user's
await and the tasks that run below it. A task is a child of the task that awaits,
inside of its scopes. However the await ends, all its tasks have ended before.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

from giambio._build.sealed import final
from giambio.errors import TaskCancelled, is_cancellation, without_cancellations
from giambio.kernel.reraise import Failure, unchained
from giambio.kernel.task import Task, current_task
from giambio.kernel.tracebacks import user_part
from giambio.tasks.exception_groups import connected
from giambio.tasks.task_group import Leaving, TaskGroup

__all__ = ["Collector", "Together"]


class Collector(TaskGroup):
    """A block that wants the results of its tasks."""

    __slots__ = ("_context", "_return_exceptions")

    def prepare_collector(self, return_exceptions: bool) -> None:
        """See `TaskGroup._prepare`."""
        self._prepare(None, None)
        self._return_exceptions = bool(return_exceptions)
        self._context = copy_context()

    def prepare_tasks(self) -> None:
        """Look at what was given before the block is open; it may fail, and then closes it."""

    def begin(self) -> None:
        """The block is open: start the tasks."""
        raise NotImplementedError

    def give_up(self) -> None:
        """It will not begin: close what was given."""

    def add(self, coro: Coroutine[Any, Any, Any], name: str | None = None) -> Task:
        """Start a task, in a copy of the context in which the helper was called."""
        return self._launch(coro, name, self._context.copy())

    def take(self, task: Task, result: object) -> None:
        """A task has this result."""
        raise NotImplementedError

    def results(self) -> Any:
        """What the await returns when all have a result."""
        raise NotImplementedError

    def _settle(self, task: Task) -> None:
        """See `TaskGroup._settle`."""
        if not task._failed() and not task.cancelled():
            self.take(task, task._outcome)
        elif self._return_exceptions and self.may_return(task):
            self.take(task, task._problem("result()"))
        else:
            self.settle_without_result(task)

    def may_return(self, task: Task) -> bool:
        """Tell whether how a task has ended can be returned instead of raised.

        What it raises because all are being cancelled cannot: nobody will see the results.
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

    def settle_without_result(self, task: Task) -> None:
        """A task was cancelled with the others, or else has failed."""
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
            return self.results()
        if host._pending:
            return Failure(host._interruption())
        # A shield went up behind the cancellation.
        return Failure(TaskCancelled(f"{self._called} has no result, its tasks were cancelled"))

    def __repr__(self) -> str:
        return f"<giambio.{self._called}, {len(self._children)} running>"


class Together(Leaving):
    """The await. Until it has begun it can be cancelled, and then has done nothing."""

    __slots__ = ("_collector", "_opened")

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return self._collector._called

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
                collector.prepare_tasks()
            except BaseException as exc:
                return self.fail(user_part(exc))
            self._opened = True
            self.shielded = True
            collector._open(current_task())
            collector.begin()
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
            self._collector.give_up()


final(Together)


def chain(exc: BaseException) -> None:
    """What is being handled where `exc` will be raised becomes its context, if it has none.

    Python does so when it throws into a coroutine, but drops what context there was (and,
    in version 3.11, frames of the traceback).
    """
    handled = sys.exc_info()[1]
    if exc.__context__ is None and handled is not None and exc not in connected(handled):
        exc.__context__ = handled
