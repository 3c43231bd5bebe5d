"""`race`: return the result of the first task to end, and cancel the others."""

from __future__ import annotations

from typing import Any

from giambio.combinators.base import Collector, Together
from giambio.combinators.targets import check_given
from giambio.kernel.operation import Operation
from giambio.kernel.task import Task

__all__ = ["race"]


def race(*targets: Any) -> Operation:
    """Run several awaitables concurrently until the first one has ended.

    Parameters:
        targets: awaitables, async functions (called without arguments), or Tasks. A Task
            is joined, and not cancelled when it loses.

    Returns:
        Awaited: the result of the target that ended first.

    Raises:
        ValueError: there are no targets.
        TypeError: a target can be neither awaited nor called, or its result cannot be
            awaited. Then nothing was started.
        RuntimeError: a coroutine runs already or was given twice, or a target is the
            calling task.
        BaseException: the failure of the first target, or of another one before it was
            cancelled or while it cleaned up; several as an `ExceptionGroup`.
        TaskCancelled: the first target was cancelled alone, or is a Task that was.
        CancelledError: the caller is in a cancelled scope, and there was no result.

    A checkpoint that always yields control. The losers are cancelled, and joined before
    it ends; a result that one of them returns nevertheless is dropped. If the caller is
    cancelled after the first target has ended, its result is returned and the next
    checkpoint raises. If it is cancelled before it began, or never awaited, the
    coroutines are closed.

    Example:
        >>> import giambio
        >>> async def after(seconds):
        ...     await giambio.sleep(seconds)
        ...     return seconds
        >>> async def main():
        ...     return await giambio.race(after(60), after(0.01))
        >>> giambio.run(main)
        0.01
    """
    check_given("race()", targets)
    if not targets:
        raise ValueError("race() needs at least one target, or none could ever win")
    return Together(Racing("race()", targets, False))


class Racing(Collector):
    """The tasks of one `race`, and the winner's result."""

    __slots__ = ()

    def _began(self, task: Task) -> None:
        """See `Collector._began`: there will be one result only."""

    def _take(self, task: Task, result: object) -> None:
        """See `Collector._take`: only the first result counts."""
        if not self._results and not self._errors:
            self._results.append(result)
            self._cancel_all("another one has won the race")

    def _outcome(self) -> Any:
        """See `Collector._outcome`."""
        return self._results[0]

    def _conclude(
        self, host: Task, body: BaseException | None, cancelled: bool, caught: bool
    ) -> Any:
        """See `TaskGroup._conclude`: the losers were cancelled, but there is a result."""
        self._cancelled = not self._results
        return Collector._conclude(self, host, body, cancelled, caught)
