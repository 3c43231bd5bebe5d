"""`gather`: run several awaitables concurrently and return their results in order."""

from __future__ import annotations

from typing import Any

from giambio.combinators.base import Collector, Together
from giambio.combinators.targets import check_given
from giambio.kernel.operation import Operation

__all__ = ["gather"]


def gather(*targets: Any, return_exceptions: bool = False) -> Operation:
    """Run several things beside each other, and wait until all have ended.

    Parameters:
        targets: awaitables, async functions (called without arguments), or Tasks. A Task
            is joined; it is not cancelled, whatever happens here.
        return_exceptions: True puts an exception that one of them raises into its place
            among the results, and lets the others go on. A cancellation is never
            returned, nor is `KeyboardInterrupt` and the like, nor what is raised when
            all of them are being cancelled.

    Returns:
        Awaited: a list of their results, in the order in which they were given.

    Raises:
        TypeError: one can be neither awaited nor called, or what it returned cannot be
            awaited. Then none was started.
        RuntimeError: a coroutine was given that runs already, or one was given twice, or
            the task that waits here.
        BaseException: what one of them raised; the others are cancelled first, and
            joined. Several failures are raised as an `ExceptionGroup`, as by a
            `TaskManager`.
        TaskCancelled: one was cancelled by itself, or a Task that was given.
        CancelledError: the caller is in a cancelled scope.

    A checkpoint that gives way. They are tasks below the caller's, inside its scopes.
    Cancelled, they are cancelled and joined. If it is cancelled before it began, or is
    never awaited, the coroutines are closed.

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
    return Together(Gathering(targets, return_exceptions))


class Gathering(Collector):
    """The tasks of one `gather`."""

    __slots__ = ()

    _label = _a_label = "gather()"
    _reason = "another task of gather() has failed"

    def __init__(self, targets: tuple[Any, ...], return_exceptions: bool) -> None:
        self.prepare_collector(targets, return_exceptions)
