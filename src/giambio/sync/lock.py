"""A lock: one task at a time, in the order in which they came.

A lock belongs to the task that holds it. That makes mistakes visible: only the
owner may release it, acquiring it twice is an error and no hang, and a task
that ends while it holds one fails.
"""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

from giambio._build.sealed import final
from giambio.errors import BrokenResourceError, WouldBlock
from giambio.kernel import current
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.task import Held, Task, current_task
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Lock", "LockStatistics"]


class LockStatistics(NamedTuple):
    """What `Lock.statistics` returns.

    Example:
        >>> import giambio
        >>> giambio.Lock().statistics().owner is None
        True
    """

    locked: bool
    owner: Task | None
    tasks_waiting: int


class Lock(Held):
    """A lock that one task can hold at a time: ``async with lock: ...``

    Releasing it hands it to the task that has waited longest; nobody can barge
    in. A task that ends while it holds a lock fails with a `RuntimeError` that
    names both, and those who wait get a `BrokenResourceError`: what the lock
    protects may be half done.

    Example:
        >>> import giambio
        >>> async def main():
        ...     lock = giambio.Lock()
        ...     async with lock:
        ...         return lock.locked()
        >>> giambio.run(main)
        True
    """

    __slots__ = ("__weakref__", "_abandoned_by", "_line", "_owner", "_sleeping")

    def __init__(self) -> None:
        self.beneath = None
        self._owner: Task | None = None
        self._line = WaitQueue()
        self._abandoned_by: str | None = None
        # The lines of the Conditions on this lock in which tasks wait to be notified.
        self._sleeping: dict[WaitQueue, None] | None = None

    def acquire(self) -> Operation:
        """Take the lock; wait as long as another task holds it.

        Raises:
            RuntimeError: the calling task holds it already, or tasks of another loop use it.
            BrokenResourceError: a task that held it has ended without releasing it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the lock was not taken; if it was handed over in the same
        moment it is kept, and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     lock = giambio.Lock()
            ...     await lock.acquire()
            ...     lock.release()
            >>> giambio.run(main)
        """
        return LockAcquire(self)

    def acquire_nowait(self) -> None:
        """Take the lock if it is free.

        Raises:
            WouldBlock: another task holds it.
            RuntimeError: the calling task holds it already, or no task runs here.
            BrokenResourceError: a task that held it has ended without releasing it.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     lock = giambio.Lock()
            ...     lock.acquire_nowait()
            ...     lock.release()
            >>> giambio.run(main)
        """
        self.take_now()

    def release(self) -> None:
        """Give the lock back; the task that has waited longest has it from now on.

        Raises:
            RuntimeError: the calling task does not hold it, or no task runs here.
            BrokenResourceError: so it is, because its holder has ended without releasing it.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     lock = giambio.Lock()
            ...     await lock.acquire()
            ...     lock.release()
            ...     return lock.locked()
            >>> giambio.run(main)
            False
        """
        self.give_up("called Lock.release()")

    def locked(self) -> bool:
        """Tell whether a task holds it. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Lock().locked()
            False
        """
        return self._owner is not None

    def statistics(self) -> LockStatistics:
        """Who holds it and how many wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Lock().statistics()
            LockStatistics(locked=False, owner=None, tasks_waiting=0)
        """
        return LockStatistics(self._owner is not None, self._owner, self._line.length)

    def __aenter__(self) -> Operation:
        return LockAcquire(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self.leave(exc)
        return NOTHING

    def __repr__(self) -> str:
        state = "free"
        if self._owner is not None:
            state = f"held by task {self._owner.name!r}"
        elif self._abandoned_by is not None:
            state = f"abandoned by task {self._abandoned_by!r}"
        return f"<giambio.Lock {state}, {self._line.length} waiting>"

    # -- taking and giving up, also for a Condition ---------------------------------------

    def take_now(self) -> None:
        """See `acquire_nowait`."""
        task = current_task()
        problem = self.problem(task)
        if problem is not None:
            raise problem
        if self._owner is not None:
            raise WouldBlock(f"this Lock is held by task {self._owner.name!r}")
        self.give_to(task)

    def give_up(self, what: str) -> None:
        """See `release`; `what` the task did, for messages."""
        owner = self._owner
        if owner is None or not self.is_held_here():
            raise self.not_held(what, current_task())
        owner._let_go_of(self)
        self.hand_over()

    def leave(self, exc: BaseException | None) -> None:
        """Give the lock up at the end of a block.

        An exception is let through where it is no wonder that the task has the lock no more:
        it was told that the lock is broken, or its coroutine is closed while it waited in a
        Condition.
        """
        excused = self._abandoned_by is not None or isinstance(exc, GeneratorExit)
        if exc is None or not excused or self.is_held_here():
            self.give_up("left the block")

    def is_held_here(self) -> bool:
        """Tell whether the calling task holds it.

        A task that is closed from outside is done when its `finally` blocks run, and no task
        is the calling one.
        """
        owner = self._owner
        kernel = current.get()
        return owner is not None and (
            (kernel is not None and kernel._running is owner) or owner.done()
        )

    # -- what the operations and the tasks ask -------------------------------------------

    def problem(self, task: Task) -> BaseException | None:
        """Why a task may not even wait for the lock."""
        if self._abandoned_by is not None:
            return self.broken()
        owner = self._owner
        if owner is task:
            return RuntimeError(
                f"task {task.name!r} holds this Lock already, and would wait for itself for ever"
            )
        if owner is not None and owner._kernel is not task._kernel:
            return RuntimeError(
                f"task {owner.name!r} of another loop holds this Lock; use each object in one loop"
            )
        if self._sleeping is not None:
            for line in self._sleeping:
                first = line.first
                if first is not None and first.kernel is not task._kernel:
                    return RuntimeError(
                        "tasks of another loop wait for a Condition on this Lock; "
                        "use each object in one loop"
                    )
                break  # so they are all of one loop
        return None

    def broken(self) -> BaseException:
        """What everybody gets since a task has abandoned the lock."""
        return BrokenResourceError(
            f"task {self._abandoned_by!r} ended while it held this Lock, so what the Lock "
            "protects may be half done"
        )

    def not_held(self, what: str, task: Task) -> BaseException:
        """The error of a task that does what only the holder may do."""
        if self._abandoned_by is not None:
            return self.broken()
        holder = "nobody holds it"
        if self._owner is not None:
            holder = f"task {self._owner.name!r} holds it"
        return RuntimeError(
            f"task {task.name!r} {what}, but does not hold the Lock ({holder}); "
            "acquire it first, best with `async with`"
        )

    def give_to(self, task: Task) -> None:
        """Make a task the owner."""
        self._owner = task
        task._hold(self)

    def hand_over(self) -> None:
        """Give the lock to the first in line who still wants it."""
        self._owner = None
        while True:
            first = self._line.pop()
            if first is None:
                return
            task: Task = first.task  # type: ignore[assignment]
            if first.grant(None):
                self.give_to(task)
                return

    def abandoned(self, task: Task) -> None:
        """See `Held.abandoned`: nobody can acquire or notify any more, so all are told."""
        self._owner = None
        self._abandoned_by = task.name
        sleeping = self._sleeping
        self._sleeping = None
        self._line.wake_all()
        for line in sleeping or ():
            line.wake_all()


class LockAcquire(QueuedOperation):
    """One task's `Lock.acquire`."""

    __slots__ = ("_lock",)

    what = "Lock.acquire()"

    def __init__(self, lock: Lock) -> None:
        self.prepare_queued()
        self._lock = lock

    def attempt(self) -> bool:
        """Done when the lock is free; else its owner hands it over."""
        lock = self._lock
        task: Task = self.task  # type: ignore[assignment]
        problem = lock.problem(task)
        if problem is not None:
            return self.fail(problem)
        if lock._owner is None:
            lock.give_to(task)
            return True
        return self.wait_in(lock._line)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        task: Task = self.task  # type: ignore[assignment]
        task._let_go_of(self._lock)
        self._lock.hand_over()

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._lock


final(Lock, "()")
