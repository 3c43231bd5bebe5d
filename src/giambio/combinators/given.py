"""Tasks that are given one by one, as to `gather` and to `race`.

What is given is an awaitable, an async function or a `Task`. All of them are made
coroutines before the first one runs: a mistake in one is found while nothing has
happened yet, and then all are closed.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from giambio.combinators.base import Collector
from giambio.kernel.coroutines import discard, to_coroutine
from giambio.kernel.task import Task, current_task

__all__ = ["Given"]

Coro = Coroutine[Any, Any, Any]


class Given(Collector):
    """A block of the tasks that are given."""

    __slots__ = ("_coros", "_targets")

    def prepare_given(self, targets: tuple[Any, ...], return_exceptions: bool) -> None:
        """See `TaskGroup._prepare`."""
        self.prepare_collector(return_exceptions)
        self._targets = targets
        self._coros: list[Coro] = []

    def prepare_tasks(self) -> None:
        """See `Collector.prepare_tasks`."""
        targets = self._targets
        self._targets = ()
        self._coros = coroutines_of(self._called, targets)

    def begin(self) -> None:
        """See `Collector.begin`."""
        coros = self._coros
        self._coros = []
        for number, coro in enumerate(coros):
            self.began(self.add(coro), number)

    def began(self, task: Task, number: int) -> None:
        """A task has been started."""

    def give_up(self) -> None:
        """See `Collector.give_up`."""
        targets = self._targets
        self._targets = ()
        for target in targets:
            discard(target)


def coroutines_of(what: str, targets: tuple[Any, ...]) -> list[Coro]:
    """A coroutine for each.

    Raises:
        TypeError, RuntimeError: one cannot run; then all are closed.
        BaseException: what calling a function raised.
    """
    coros: list[Coro] = []
    try:
        for target in targets:
            coros.append(coroutine_of(what, target))
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


def coroutine_of(what: str, target: Any) -> Coro:
    """A coroutine for one."""
    if target is current_task():
        raise RuntimeError(f"{what} was given the task that awaits it, which would never end")
    coro = to_coroutine(what, target, ())
    if isinstance(target, Task):
        coro.__qualname__ = f"join of {target.name}"  # type: ignore[attr-defined]
    return coro
