"""`map_concurrent`: call an async function for each item, and return the results in order."""

from __future__ import annotations

from typing import Any

from giambio.combinators.base import Together
from giambio.combinators.bounded import BoundedCollector
from giambio.combinators.targets import check_function
from giambio.kernel.operation import Operation

__all__ = ["map_concurrent"]


def map_concurrent(
    fn: Any, items: Any, *, limit: int | None = None, return_exceptions: bool = False
) -> Operation:
    """Call an async function for each item, several at once, and return the results in order.

    Parameters:
        fn: an async function of one item.
        items: an iterable or an async iterable. The next item is taken when there is a
            place for its task. An async generator is closed if it is not used up.
        limit: how many tasks may run at once; by default there is a task for each item.
        return_exceptions: True returns an exception of the function in place of its
            result, and continues. Cancellations are never returned, nor `KeyboardInterrupt`
            and the like, nor exceptions of `items`, nor those that are raised while all
            tasks are being cancelled.

    Returns:
        Awaited: a list of the results, in the order of the items.

    Raises:
        TypeError: `fn` is not an async function, or `items` cannot be iterated over.
        TypeError, ValueError: `limit` is not a number of tasks.
        BaseException: the failure of the function or of `items`; the tasks are cancelled
            first, and joined. Several failures are raised as an `ExceptionGroup`, as by a
            `TaskManager`.
        TaskCancelled: one of the tasks was cancelled alone.
        CancelledError: the caller is in a cancelled scope.

    A checkpoint that always yields control. The tasks are children of the calling task,
    inside its scopes; a cancellation cancels and joins them.

    Example:
        >>> import giambio
        >>> async def double(n):
        ...     return n * 2
        >>> async def main():
        ...     return await giambio.map_concurrent(double, range(5), limit=2)
        >>> giambio.run(main)
        [0, 2, 4, 6, 8]
    """
    check_function("map_concurrent()", fn, "`await giambio.map_concurrent(fetch, urls, limit=20)`")
    return Together(BoundedCollector("map_concurrent()", fn, items, limit, return_exceptions))
