"""Checkpoints and sleeping: operations that touch nothing but the scheduler."""

from __future__ import annotations

from collections.abc import Coroutine
from math import inf
from typing import Any

from giambio._build.sealed import final
from giambio.arguments import check_number, check_seconds
from giambio.kernel import constants
from giambio.kernel.free_list import FreeList
from giambio.kernel.operation import Operation, current_kernel

__all__ = [
    "cancel_shielded_checkpoint",
    "checkpoint",
    "checkpoint_if_cancelled",
    "current_time",
    "sleep",
    "sleep_forever",
    "sleep_until",
]


class Checkpoint(Operation):
    """Yields control once, or only checks for a cancellation."""

    __slots__ = ("_yielded", "what")

    what: str
    _yielded: bool

    def advance(self) -> bool:
        """Check for a cancellation, before and after yielding control."""
        task = self.task
        if task is None:
            task = self.bind()
        if task._pending and not self.shielded:
            self.state = constants.DONE
            task._thrown = self.interruption(task)
            return False
        if self._yielded:
            self.state = constants.DONE
            return True
        self._yielded = True
        if self.kernel is not None:
            self.kernel._queue.append(task)
        return False


class Sleep(Operation):
    """Waits for a time of the clock."""

    __slots__ = ("_deadline", "_delay", "_waits")

    _deadline: float
    _delay: float
    _waits: bool

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return "sleep_forever()" if self._delay < 0 and self._deadline == inf else "sleep()"

    def attempt(self) -> bool:
        """See `Operation.attempt`: done when the timer has fired, which alone reads the clock."""
        kernel = self.kernel
        if kernel is None:
            return False
        if self._waits:
            return self._deadline != inf and not kernel._has_timer(self)
        if self._delay >= 0.0:  # counted from the await, not from the call
            self._deadline = kernel.current_time() + self._delay
            self._delay = -1.0
        self._waits = True
        if self._deadline != inf:
            kernel._add_timer(self._deadline, self)
        return False

    def abort(self) -> bool:
        """See `Park.abort`: stop the timer."""
        self._waits = False
        if self.kernel is not None:
            self.kernel._remove_timer(self)
        return True


final(Checkpoint)
final(Sleep)

CHECKPOINTS = FreeList(Checkpoint)
SLEEPS = FreeList(Sleep)


def new_checkpoint(what: str, shielded: bool) -> Checkpoint:
    """Make a `Checkpoint`."""
    operation: Checkpoint = CHECKPOINTS.take()
    operation.prepare(None)
    operation.shielded = shielded
    operation.what = what
    operation._yielded = False
    return operation


def checkpoint() -> Coroutine[Any, Any, None]:
    """Yield control once, and notice a cancellation.

    For a computation that never waits for anything. Every other operation of
    giambio is a checkpoint already.

    Raises:
        CancelledError: the task is in a cancelled scope.

    A checkpoint that always yields control. Cancelled, it has done nothing.

    Example:
        >>> import giambio
        >>> async def count(n):
        ...     for _ in range(n):
        ...         await giambio.checkpoint()
        ...     return n
        >>> giambio.run(count, 3)
        3
    """
    return new_checkpoint("checkpoint()", False)


def checkpoint_if_cancelled() -> Coroutine[Any, Any, None]:
    """Raise a pending cancellation; if there is none, go on without yielding control.

    Raises:
        CancelledError: the task is in a cancelled scope.

    Half a checkpoint: it notices cancellation and never waits.

    Example:
        >>> import giambio
        >>> giambio.run(giambio.checkpoint_if_cancelled)
    """
    operation = new_checkpoint("checkpoint_if_cancelled()", False)
    operation._yielded = True  # as if it had yielded control already
    return operation


def cancel_shielded_checkpoint() -> Coroutine[Any, Any, None]:
    """Yield control once, and do not notice a cancellation.

    The other half of a checkpoint: it always yields control and never raises.

    Example:
        >>> import giambio
        >>> giambio.run(giambio.cancel_shielded_checkpoint)
    """
    return new_checkpoint("cancel_shielded_checkpoint()", True)


def sleep(seconds: float) -> Coroutine[Any, Any, None]:
    """Wait for some time, while other tasks run.

    Parameters:
        seconds: how long, counted from the await. Zero yields control once, as
            `checkpoint` does; infinity is `sleep_forever`.

    Raises:
        ValueError: `seconds` is negative or not a number.
        TypeError: `seconds` is no number at all.
        CancelledError: the task is in a cancelled scope.

    Always a checkpoint that yields control. Cancelled, it ends at once.

    Example:
        >>> import giambio
        >>> giambio.run(giambio.sleep, 0.01)
    """
    if type(seconds) is not float or not 0.0 < seconds < inf:  # to check costs as much again
        check_seconds("sleep()", "seconds", seconds)
        if seconds == 0:
            return new_checkpoint("sleep()", False)
        if seconds == inf:
            return sleep_forever()
        seconds = float(seconds)
    return new_sleep(seconds, inf)


def new_sleep(delay: float, deadline: float) -> Sleep:
    """Make a `Sleep`."""
    operation: Sleep = SLEEPS.take()
    operation.prepare(None)
    operation._delay = delay
    operation._deadline = deadline
    operation._waits = False
    return operation


def sleep_until(deadline: float) -> Coroutine[Any, Any, None]:
    """Wait until a time of the loop's clock; if it has passed, yield control once.

    Parameters:
        deadline: the time in seconds, as `current_time` tells it.

    Raises:
        ValueError: `deadline` is not a time (NaN).
        TypeError: `deadline` is no number at all.
        CancelledError: the task is in a cancelled scope.

    Always a checkpoint that yields control. Cancelled, it ends at once.

    Example:
        >>> import giambio
        >>> async def main():
        ...     await giambio.sleep_until(giambio.current_time() + 0.01)
        >>> giambio.run(main)
    """
    check_number("sleep_until()", "deadline", deadline)
    if deadline <= current_kernel().current_time():
        return new_checkpoint("sleep_until()", False)
    return new_sleep(-1.0, float(deadline))


def sleep_forever() -> Coroutine[Any, Any, None]:
    """Wait until cancelled.

    Raises:
        CancelledError: the task is in a cancelled scope; nothing else ends it.

    A checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.move_on_after(0.01):
        ...         await giambio.sleep_forever()
        >>> giambio.run(main)
    """
    return new_sleep(-1.0, inf)


def current_time() -> float:
    """Return the time of the running loop's clock, in seconds; only differences mean anything.

    Raises:
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.current_time() >= 0
        >>> giambio.run(main)
        True
    """
    return current_kernel().current_time()
