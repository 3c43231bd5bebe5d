"""`gather`: run several awaitables concurrently and return their results in order."""

from __future__ import annotations

from typing import Any

from giambio.combinators.base import Collector, Together
from giambio.combinators.targets import check_given
from giambio.kernel.operation import Operation

__all__ = ["gather"]


def gather(*targets: Any, return_exceptions: bool = False) -> Operation:
    """Run several awaitables concurrently, and wait for all results.

    Parameters:
        targets: awaitables, async functions (called without arguments), or Tasks. A Task
            is joined, and never cancelled from here.
        return_exceptions: True returns the exception of a target in place of its result,
            and lets the others continue. Cancellations are never returned, nor
            `KeyboardInterrupt` and the like, nor exceptions that are raised while all
            targets are being cancelled.

    Returns:
        Awaited: a list of the results, in the order of the targets.

    Raises:
        TypeError: a target can be neither awaited nor called, or its result cannot be
            awaited. Then nothing was started.
        RuntimeError: a coroutine runs already or was given twice, or a target is the
            calling task.
        BaseException: the failure of a target; the others are cancelled first, and
            joined. Several failures are raised as an `ExceptionGroup`, as by a
            `TaskManager`.
        TaskCancelled: a target was cancelled alone, or a given Task was.
        CancelledError: the caller is in a cancelled scope.

    A checkpoint that always yields control. The targets run in children of the calling
    task, inside its scopes; a cancellation cancels and joins them. If it is cancelled
    before it began, or never awaited, the coroutines are closed.

    Example:
        >>> import giambio
        >>> async def double(n):
        ...     return n * 2
        >>> async def main():
        ...     return await giambio.gather(double(1), double(2))
        >>> giambio.run(main)
        [2, 4]
    """
    check_given("gather()", targets)
    return Together(Collector("gather()", targets, return_exceptions))
