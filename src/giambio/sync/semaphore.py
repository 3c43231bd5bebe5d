"""A semaphore: a number of permits, handed out in the order in which tasks ask.

It has no owners: one task may release a permit that another one acquired, and a permit that
is never released is no error. Where each permit has an owner, a `CapacityLimiter` notices such
mistakes.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.errors import WouldBlock
from giambio.kernel.blocks import refuse_with
from giambio.kernel.free_list import FreeList
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Semaphore", "SemaphoreStatistics"]


class SemaphoreStatistics(NamedTuple):
    """Statistics of a `Semaphore`, as `Semaphore.statistics` returns them.

    Example:
        >>> import giambio
        >>> giambio.Semaphore(1).statistics().tasks_waiting
        0
    """

    tasks_waiting: int


class Semaphore:
    """A number of permits: ``async with semaphore:`` takes one and returns it.

    Parameters:
        initial_value: the number of permits at first, from 0 up.
        max_value: the largest number of permits; no limit by default. With a limit,
            releasing more often than acquiring is an error.

    Raises:
        TypeError: a parameter is not a whole number.
        ValueError: `initial_value` is negative, or `max_value` is less than it or than 1.

    Releasing hands the permit to the task that has waited longest; no other task can overtake it.

    Example:
        >>> import giambio
        >>> async def main():
        ...     semaphore = giambio.Semaphore(2)
        ...     async with semaphore:
        ...         return semaphore.value
        >>> giambio.run(main)
        1
    """

    __slots__ = ("__weakref__", "_waiters", "_max_value", "_most", "_value")

    def __init__(self, initial_value: int, *, max_value: int | None = None) -> None:
        self._value = check_int("Semaphore()", "initial_value", initial_value, 0)
        self._most = sys.maxsize
        if max_value is not None:
            least = max(self._value, 1)
            self._most = check_int("Semaphore()", "max_value", max_value, least)
        self._max_value = None if max_value is None else self._most
        self._waiters = WaitQueue()

    @property
    def value(self) -> int:
        """The number of free permits.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(3).value
            3
        """
        return self._value

    @property
    def max_value(self) -> int | None:
        """The largest number of permits; None if there is no limit.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(3, max_value=5).max_value
            5
        """
        return self._max_value

    def acquire(self) -> Coroutine[Any, Any, None]:
        """Take a permit; wait while there is none.

        Raises:
            CancelledError: the task is in a cancelled scope.
            RuntimeError: tasks of another loop wait for it.

        A checkpoint. Cancelled, no permit was taken; if one was handed over in the same
        moment, the task keeps it and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     semaphore = giambio.Semaphore(1)
            ...     await semaphore.acquire()
            ...     return semaphore.value
            >>> giambio.run(main)
            0
        """
        return new_acquire(self)

    def acquire_nowait(self) -> None:
        """Take a permit if there is one.

        Raises:
            WouldBlock: there is none.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(1).acquire_nowait()
        """
        if self._value == 0:
            raise WouldBlock("no permit of this Semaphore is free")
        self._value -= 1

    def release(self) -> None:
        """Return a permit, or add a new one; the task that has waited longest gets it at once.

        Raises:
            ValueError: there are `max_value` permits already.
            RuntimeError: tasks wait for it, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> semaphore = giambio.Semaphore(0)
            >>> semaphore.release()
            >>> semaphore.value
            1
        """
        self._release()

    def statistics(self) -> SemaphoreStatistics:
        """Return how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(0).statistics()
            SemaphoreStatistics(tasks_waiting=0)
        """
        return SemaphoreStatistics(self._waiters.length)

    def __aenter__(self) -> Operation[None]:
        return new_acquire(self)

    def __aexit__(self, exc_type: object, exc: object, traceback: object) -> Operation[None]:
        self._release()
        return NOTHING

    __enter__ = __exit__ = refuse_with

    def __repr__(self) -> str:
        most = "" if self._max_value is None else f" of {self._max_value}"
        return f"<giambio.Semaphore {self._value}{most} free, {self._waiters.length} waiting>"

    def _release(self) -> None:
        """See `release`."""
        self._waiters.check_thread("Semaphore.release()")
        if self._value >= self._most:
            raise ValueError(
                f"this Semaphore was released more often than acquired: all of its {self._most} "
                "permits are free"
            )
        self._give_back()

    def _give_back(self) -> None:
        """Hand a permit to the task that has waited longest, or keep it."""
        if self._waiters.grant_first(None) is None:
            self._value += 1


class SemaphoreAcquire(QueuedOperation):
    """One task's `Semaphore.acquire`."""

    __slots__ = ()

    what = "Semaphore.acquire()"

    def attempt(self) -> bool:
        """Done when there is a permit; else the task that releases one hands it over."""
        semaphore: Semaphore = self._subject
        if semaphore._value > 0:
            semaphore._value -= 1
            return True
        return self.wait_in(semaphore._waiters)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        semaphore: Semaphore = self._subject
        semaphore._give_back()


final(Semaphore, "(initial_value, *, max_value=None)")
final(SemaphoreAcquire)

ACQUIRES = FreeList(SemaphoreAcquire)


def new_acquire(semaphore: Semaphore) -> SemaphoreAcquire:
    """Make a `SemaphoreAcquire`."""
    operation: SemaphoreAcquire = ACQUIRES.take()
    operation.prepare_queued()
    operation._subject = semaphore
    return operation
