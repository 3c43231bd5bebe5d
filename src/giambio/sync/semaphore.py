"""A semaphore: a number of permits, for whoever takes one, in the order in which they came.

It knows no owners: one task may release what another one acquired, and a
permit that is never given back is nobody's fault. Where each permit belongs to
somebody, a `CapacityLimiter` notices such mistakes.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.errors import WouldBlock
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Semaphore", "SemaphoreStatistics"]


class SemaphoreStatistics(NamedTuple):
    """What `Semaphore.statistics` returns.

    Example:
        >>> import giambio
        >>> giambio.Semaphore(1).statistics().tasks_waiting
        0
    """

    tasks_waiting: int


class Semaphore:
    """A number of permits: ``async with semaphore:`` takes one and gives it back.

    Parameters:
        initial_value: how many permits there are at first, from 0 up.
        max_value: how many there can be at most; no limit by default. With one, releasing
            more often than acquiring is an error.

    Raises:
        TypeError: one of them is not a whole number.
        ValueError: `initial_value` is negative, or `max_value` is less than it or than 1.

    Releasing hands the permit to the task that has waited longest; nobody can barge in.

    Example:
        >>> import giambio
        >>> async def main():
        ...     semaphore = giambio.Semaphore(2)
        ...     async with semaphore:
        ...         return semaphore.value
        >>> giambio.run(main)
        1
    """

    __slots__ = ("__weakref__", "_line", "_max_value", "_most", "_value")

    def __init__(self, initial_value: int, *, max_value: int | None = None) -> None:
        self._value = check_int("Semaphore()", "initial_value", initial_value, 0)
        self._most = sys.maxsize
        if max_value is not None:
            least = max(self._value, 1)
            self._most = check_int("Semaphore()", "max_value", max_value, least)
        self._max_value = None if max_value is None else self._most
        self._line = WaitQueue()

    @property
    def value(self) -> int:
        """How many permits are free.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(3).value
            3
        """
        return self._value

    @property
    def max_value(self) -> int | None:
        """How many permits there can be at most; None if there is no limit.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(3, max_value=5).max_value
            5
        """
        return self._max_value

    def acquire(self) -> Operation:
        """Take a permit; wait as long as there is none.

        Raises:
            CancelledError: the task is in a cancelled scope.
            RuntimeError: tasks of another loop wait for it.

        A checkpoint. Cancelled, no permit was taken; if one was handed over in the same
        moment it is kept, and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     semaphore = giambio.Semaphore(1)
            ...     await semaphore.acquire()
            ...     return semaphore.value
            >>> giambio.run(main)
            0
        """
        return SemaphoreAcquire(self)

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
        """Give a permit back, or a new one; the task that has waited longest has it at once.

        Raises:
            ValueError: there are `max_value` permits already.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait for it.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> semaphore = giambio.Semaphore(0)
            >>> semaphore.release()
            >>> semaphore.value
            1
        """
        first = self._line.first
        if first is not None:
            first.check_thread("Semaphore.release()")
        if self._value >= self._most:
            raise ValueError(
                f"this Semaphore was released more often than acquired: all of its {self._most} "
                "permits are free"
            )
        self.give_back()

    def statistics(self) -> SemaphoreStatistics:
        """How many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Semaphore(0).statistics()
            SemaphoreStatistics(tasks_waiting=0)
        """
        return SemaphoreStatistics(self._line.length)

    def __aenter__(self) -> Operation:
        return SemaphoreAcquire(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self.release()
        return NOTHING

    def __repr__(self) -> str:
        most = "" if self._max_value is None else f" of {self._max_value}"
        return f"<giambio.Semaphore {self._value}{most} free, {self._line.length} waiting>"

    # -- what the operations ask ---------------------------------------------------------

    def give_back(self) -> None:
        """Hand a permit to the first in line who still wants it, or keep it."""
        while True:
            first = self._line.pop()
            if first is None:
                self._value += 1
                return
            if first.grant(None):
                return


class SemaphoreAcquire(QueuedOperation):
    """One task's `Semaphore.acquire`."""

    __slots__ = ("_semaphore",)

    what = "Semaphore.acquire()"

    def __init__(self, semaphore: Semaphore) -> None:
        self.prepare_queued()
        self._semaphore = semaphore

    def attempt(self) -> bool:
        """Done when there is a permit; else whoever releases one hands it over."""
        semaphore = self._semaphore
        if semaphore._value > 0:
            semaphore._value -= 1
            return True
        return self.wait_in(semaphore._line)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        self._semaphore.give_back()

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._semaphore


final(Semaphore, "(initial_value, *, max_value=None)")
final(SemaphoreAcquire)
