"""Timeouts and deadlines: `move_on_after`, `fail_after`, and the like.

Each returns a `CancelScope` with a deadline; there is no other kind of timeout.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from math import inf

from giambio.arguments import check_seconds
from giambio.kernel import constants
from giambio.kernel.operation import current_kernel
from giambio.kernel.task import current_task
from giambio.tasks import cancel
from giambio.tasks.cancel import CancelScope

__all__ = ["current_effective_deadline", "fail_after", "fail_at", "move_on_after", "move_on_at"]


def move_on_at(deadline: float, *, shield: bool = False) -> CancelScope:
    """Cut a block short at a deadline, and move on after it.

    Parameters:
        deadline: the time on the loop's clock, in seconds; see `current_time`.
        shield: see `CancelScope`.

    Returns:
        A `CancelScope`; its `cancelled_caught` says whether the block was cut short.

    Raises:
        TypeError, ValueError: the deadline is not a time.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.move_on_at(giambio.current_time() + 0.01) as scope:
        ...         await giambio.sleep_forever()
        ...     return scope.cancelled_caught
        >>> giambio.run(main)
        True
    """
    return CancelScope(deadline=deadline, shield=shield)


def move_on_after(seconds: float, *, shield: bool = False) -> CancelScope:
    """Cut a block short after a timeout, and move on after it.

    Parameters:
        seconds: the timeout, from now; infinity for none.
        shield: see `CancelScope`.

    Returns:
        A `CancelScope`; its `cancelled_caught` says whether the block was cut short.

    Raises:
        TypeError: `seconds` is not a number.
        ValueError: `seconds` is negative or not a number (NaN).
        RuntimeError: no loop runs in this thread.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.move_on_after(0.01) as scope:
        ...         await giambio.sleep_forever()
        ...     return scope.cancelled_caught
        >>> giambio.run(main)
        True
    """
    return cancel.new_scope(time_after("move_on_after()", seconds), shield)


# Declared as less than a `CancelScope`: a type checker takes each `with CancelScope()` for a
# block that the program may go on after, but these raise.


def fail_at(deadline: float, *, shield: bool = False) -> AbstractContextManager[CancelScope]:
    """Cut a block short at a deadline, and raise `TimeoutError`.

    Parameters:
        deadline: the time on the loop's clock, in seconds; see `current_time`.
        shield: see `CancelScope`.

    Raises:
        TypeError, ValueError: the deadline is not a time.
        TimeoutError: on leaving the block: the deadline has cut it short.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.fail_at(giambio.current_time() + 0.01):
        ...         await giambio.sleep_forever()
        >>> giambio.run(main)
        Traceback (most recent call last):
        TimeoutError: the time given to fail_after() or fail_at() is over
    """
    return failing(CancelScope(deadline=deadline, shield=shield))


def fail_after(seconds: float, *, shield: bool = False) -> AbstractContextManager[CancelScope]:
    """Cut a block short after a timeout, and raise `TimeoutError`.

    Parameters:
        seconds: the timeout, from now; infinity for none.
        shield: see `CancelScope`.

    Raises:
        TypeError: `seconds` is not a number.
        ValueError: `seconds` is negative or not a number (NaN).
        RuntimeError: no loop runs in this thread.
        TimeoutError: on leaving the block: the timeout has cut it short.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.fail_after(0.01):
        ...         await giambio.sleep_forever()
        >>> giambio.run(main)
        Traceback (most recent call last):
        TimeoutError: the time given to fail_after() or fail_at() is over
    """
    return failing(cancel.new_scope(time_after("fail_after()", seconds), shield))


def failing(scope: CancelScope) -> CancelScope:
    """Make a scope raise `TimeoutError` when its deadline cuts it short."""
    scope._role = constants.FAILS
    return scope


def time_after(what: str, seconds: float) -> float:
    """Return the time on the loop's clock that is `seconds` from now.

    Raises:
        TypeError, ValueError: `seconds` is not a number of seconds.
    """
    if type(seconds) is not float or not seconds >= 0.0:  # to check costs as much again
        check_seconds(what, "seconds", seconds)
    return current_kernel().current_time() + seconds


def current_effective_deadline() -> float:
    """Return the time at which the calling task will be cancelled, as far as it is known.

    Returns:
        The earliest deadline of the scopes around, up to a shield; infinity if
        there is none, minus infinity inside a cancelled scope.

    Raises:
        RuntimeError: no task runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.current_effective_deadline()
        >>> giambio.run(main)
        inf
    """
    scope: CancelScope = current_task()._scope  # type: ignore[assignment]
    return earliest_deadline(scope)


def earliest_deadline(innermost: CancelScope) -> float:
    """Return the effective deadline inside a scope."""
    scope: CancelScope | None = innermost
    earliest = inf
    while scope is not None:
        if scope._effective:
            return -inf
        earliest = min(earliest, scope._deadline)
        if scope._shield:
            break
        scope = scope._parent
    return earliest
