"""Events, locks and the like: giambio's, with AnyIO's errors and AnyIO's checkpoints.

An operation of giambio that can be done at once costs no trip through the scheduler. AnyIO
promises that its own yield control, unless ``fast_acquire`` says otherwise; so here they do.
Yielding is shielded then, so that a cancellation in that moment loses nothing.

The event is not giambio's. There a task that is woken by an event and cancelled in the same
moment is cancelled; here it goes on, because AnyIO hands things over with events: an item of a
memory stream would be lost. And a task that ends with a lock is no error here, as with asyncio.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import isinf
from typing import Any

import anyio
from anyio import CapacityLimiterStatistics, EventStatistics, LockStatistics, SemaphoreStatistics
from giambio.anyio.tasks import TaskInfo
from giambio.anyio.wrapper import Wrapper, attribute
from giambio.errors import WouldBlock
from giambio.kernel.checkpoints import (
    cancel_shielded_checkpoint,
    checkpoint,
    checkpoint_if_cancelled,
)
from giambio.kernel.operation import Wait
from giambio.kernel.task import Task, current_task
from giambio.sync.limiter import CapacityLimiter as OwnLimiter
from giambio.sync.lock import Lock as OwnLock
from giambio.sync.semaphore import Semaphore as OwnSemaphore

__all__ = ["CapacityLimiter", "Event", "Lock", "Semaphore"]

HOLDS_ONE = "this borrower is already holding one of this CapacityLimiter's tokens"
HOLDS_NONE = "this borrower isn't holding any of this CapacityLimiter's tokens"


async def take(now: Callable[[], None], wait: Callable[[], Awaitable[None]]) -> None:
    """Take something, and yield control in any case.

    Parameters:
        now: takes it if it is free.
        wait: waits for it.
    """
    await checkpoint_if_cancelled()
    try:
        now()
    except WouldBlock:
        await wait()
    else:
        await cancel_shielded_checkpoint()


@contextmanager
def would_block() -> Iterator[None]:
    """A block that raises AnyIO's `WouldBlock` for giambio's."""
    try:
        yield
    except WouldBlock:
        raise anyio.WouldBlock from None


class Event(Wrapper, anyio.Event):
    """An event that wakes its waiters, unless they were cancelled before it happened."""

    __slots__ = ("_set", "_waiting")

    def __init__(self) -> None:
        self._set = False
        self._waiting: dict[Wait, Task[Any]] = {}

    def set(self) -> None:
        """See `anyio.Event.set`."""
        waiting = list(self._waiting.items())
        for wait, _ in waiting[:1]:
            wait.check_thread("Event.set()")
        self._set = True
        self._waiting.clear()
        for wait, task in waiting:
            wait.wake(task.has_pending_cancellation())

    def is_set(self) -> bool:
        """See `anyio.Event.is_set`."""
        return self._set

    async def wait(self) -> None:
        """See `anyio.Event.wait`."""
        if self._set:
            await checkpoint()
            return
        wait = Wait(name="Event.wait()")
        self._waiting[wait] = current_task()
        try:
            cancelled_before = await wait
        finally:
            self._waiting.pop(wait, None)
        if cancelled_before:
            await checkpoint_if_cancelled()

    def statistics(self) -> EventStatistics:
        """See `anyio.Event.statistics`."""
        return EventStatistics(len(self._waiting))


class Lock(Wrapper, anyio.Lock):
    """A lock of giambio's."""

    __slots__ = ("_fast", "_own")

    def __init__(self, *, fast_acquire: bool = False) -> None:
        self._own = OwnLock()
        self._fast = fast_acquire

    release = attribute("_own.release")
    locked = attribute("_own.locked")

    async def acquire(self) -> None:
        """See `anyio.Lock.acquire`."""
        self._check_not_held()
        if self._fast:
            await self._own.acquire()
        else:
            await take(self._own.acquire_nowait, self._own.acquire)
        current_task()._let_go_of(self._own)

    def acquire_nowait(self) -> None:
        """See `anyio.Lock.acquire_nowait`."""
        self._check_not_held()
        with would_block():
            self._own.acquire_nowait()
        current_task()._let_go_of(self._own)

    def statistics(self) -> LockStatistics:
        """See `anyio.Lock.statistics`."""
        own = self._own.statistics()
        owner = None if own.owner is None else TaskInfo(own.owner)
        return LockStatistics(own.locked, owner, own.tasks_waiting)

    def _check_not_held(self) -> None:
        if self._own.statistics().owner is current_task():
            raise RuntimeError("Attempted to acquire an already held Lock")


class Semaphore(Wrapper, anyio.Semaphore):
    """A semaphore of giambio's."""

    __slots__ = ("_own",)

    def __init__(
        self, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> None:
        super().__init__(initial_value, max_value=max_value, fast_acquire=fast_acquire)
        self._own = OwnSemaphore(initial_value, max_value=max_value)

    value = attribute("_own.value")
    max_value = attribute("_own.max_value")
    release = attribute("_own.release")

    async def acquire(self) -> None:
        """See `anyio.Semaphore.acquire`."""
        if self._fast_acquire:
            await self._own.acquire()
        else:
            await take(self._own.acquire_nowait, self._own.acquire)

    def acquire_nowait(self) -> None:
        """See `anyio.Semaphore.acquire_nowait`."""
        with would_block():
            self._own.acquire_nowait()

    def statistics(self) -> SemaphoreStatistics:
        """See `anyio.Semaphore.statistics`."""
        return SemaphoreStatistics(self._own.statistics().tasks_waiting)


class CapacityLimiter(Wrapper, anyio.CapacityLimiter):
    """A capacity limiter of giambio's; `own` is one that exists already."""

    __slots__ = ("_own",)

    def __init__(self, total_tokens: float = 1, *, own: OwnLimiter | None = None) -> None:
        self._own = own or OwnLimiter(checked(total_tokens))

    borrowed_tokens = attribute("_own.borrowed_tokens")
    available_tokens = attribute("_own.available_tokens")

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exc_info: Any) -> None:
        self.release()

    @property
    def total_tokens(self) -> float:
        """See `anyio.CapacityLimiter.total_tokens`."""
        return self._own.total_tokens

    @total_tokens.setter
    def total_tokens(self, total_tokens: float) -> None:
        self._own.total_tokens = checked(total_tokens)

    def acquire_nowait(self) -> None:
        """See `anyio.CapacityLimiter.acquire_nowait`."""
        with would_block(), mistakes_are(HOLDS_ONE):
            self._own.acquire_nowait()

    def acquire_on_behalf_of_nowait(self, borrower: object) -> None:
        """See `anyio.CapacityLimiter.acquire_on_behalf_of_nowait`."""
        with would_block(), mistakes_are(HOLDS_ONE):
            self._own.acquire_on_behalf_of_nowait(borrower)

    async def acquire(self) -> None:
        """See `anyio.CapacityLimiter.acquire`."""
        with mistakes_are(HOLDS_ONE):
            await take(self._own.acquire_nowait, self._own.acquire)

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """See `anyio.CapacityLimiter.acquire_on_behalf_of`."""

        def now() -> None:
            self._own.acquire_on_behalf_of_nowait(borrower)

        with mistakes_are(HOLDS_ONE):
            await take(now, lambda: self._own.acquire_on_behalf_of(borrower))

    def release(self) -> None:
        """See `anyio.CapacityLimiter.release`."""
        with mistakes_are(HOLDS_NONE):
            self._own.release()

    def release_on_behalf_of(self, borrower: object) -> None:
        """See `anyio.CapacityLimiter.release_on_behalf_of`."""
        with mistakes_are(HOLDS_NONE):
            self._own.release_on_behalf_of(borrower)

    def statistics(self) -> CapacityLimiterStatistics:
        """See `anyio.CapacityLimiter.statistics`."""
        own = self._own.statistics()
        return CapacityLimiterStatistics(
            own.borrowed_tokens, own.total_tokens, tuple(own.borrowers), own.tasks_waiting
        )


def checked(total_tokens: float) -> float:
    """Return a number of tokens.

    Raises:
        TypeError, ValueError: it is no number of tokens.
    """
    if not isinstance(total_tokens, int) and not isinf(total_tokens):
        raise TypeError("total_tokens must be an int or math.inf")
    if total_tokens < 0:
        raise ValueError("total_tokens must be >= 0")
    return total_tokens


@contextmanager
def mistakes_are(text: str) -> Iterator[None]:
    """A block in which a mistake of a borrower is an error in AnyIO's words."""
    try:
        yield
    except RuntimeError as exc:
        raise RuntimeError(text) from exc
