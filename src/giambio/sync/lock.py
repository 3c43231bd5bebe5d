"""A lock: one task at a time, in the order in which they ask.

A lock belongs to the task that holds it, which makes mistakes visible: only the owner may
release it, acquiring it twice is an error instead of a deadlock, and a task that ends while
it holds a lock fails.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.errors import BrokenResourceError, WouldBlock
from giambio.kernel import current
from giambio.kernel.blocks import refuse_with
from giambio.kernel.free_list import FreeList
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.task import Held, Task, current_task
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Lock", "LockStatistics"]


class LockStatistics(NamedTuple):
    """Statistics of a `Lock`, as `Lock.statistics` returns them.

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

    Releasing it hands it to the task that has waited longest; no other task can
    overtake it. A task that ends while it holds a lock fails with a `RuntimeError`
    that names both, and the tasks that wait get a `BrokenResourceError`: what the
    lock protects may be half done.

    Example:
        >>> import giambio
        >>> async def main():
        ...     lock = giambio.Lock()
        ...     async with lock:
        ...         return lock.locked()
        >>> giambio.run(main)
        True
    """

    __slots__ = ("__weakref__", "_abandoned_by", "_waiters", "_owner", "_sleeping")

    def __init__(self) -> None:
        self.beneath = None
        self._owner: Task | None = None
        self._waiters = WaitQueue()
        self._abandoned_by: str | None = None
        # The queues of the Conditions on this lock in which tasks wait to be notified.
        self._sleeping: dict[WaitQueue, None] | None = None

    def acquire(self) -> Coroutine[Any, Any, None]:
        """Take the lock; wait while another task holds it.

        Raises:
            RuntimeError: the calling task holds it already, or tasks of another loop use it.
            BrokenResourceError: a task that held it has ended without releasing it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the lock was not taken; if it was handed over in the same
        moment, the task keeps it and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     lock = giambio.Lock()
            ...     await lock.acquire()
            ...     lock.release()
            >>> giambio.run(main)
        """
        return self._acquire("Lock.acquire()")

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
        task = current_task()
        problem = self._problem(task)
        if problem is not None:
            raise problem
        if self._owner is not None:
            raise WouldBlock(f"this Lock is held by task {self._owner.name!r}")
        self._give_to(task)

    def release(self) -> None:
        """Release the lock; the task that has waited longest owns it from now on.

        Raises:
            RuntimeError: the calling task does not hold it, or no task runs here.
            BrokenResourceError: no task holds it, because the one that held it has ended
                without releasing it.

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
        self._give_up("called Lock.release()")

    def locked(self) -> bool:
        """Whether a task holds the lock. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Lock().locked()
            False
        """
        return self._owner is not None

    def statistics(self) -> LockStatistics:
        """Return which task holds it, and how many wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Lock().statistics()
            LockStatistics(locked=False, owner=None, tasks_waiting=0)
        """
        return LockStatistics(self._owner is not None, self._owner, self._waiters.length)

    def __aenter__(self) -> Operation[None]:
        return self._acquire("Lock.acquire()")

    def __aexit__(self, exc_type: object, exc: object, traceback: object) -> Operation[None]:
        self._leave(exc)
        return NOTHING

    __enter__ = __exit__ = refuse_with

    def __repr__(self) -> str:
        state = "free"
        if self._owner is not None:
            state = f"held by task {self._owner.name!r}"
        elif self._abandoned_by is not None:
            state = f"abandoned by task {self._abandoned_by!r}"
        return f"<giambio.Lock {state}, {self._waiters.length} waiting>"

    # -- giving up, also for a Condition ---------------------------------------------------

    def _give_up(self, action: str) -> None:
        """See `release`; `action` describes the task's action in messages."""
        if not self._is_held_here():
            raise self._not_held(action, current_task())
        self._owner._let_go_of(self)  # type: ignore[union-attr]  # for it is held
        self._hand_over()

    def _leave(self, exc: object) -> None:
        """Release the lock at the end of a block.

        A block may be left without the lock, by an exception, if that is to be expected: the
        task was told that the lock is broken, or its coroutine was closed while it waited in
        a Condition. Or a signal handler has interrupted the one that gave the lock away.
        """
        if (
            exc is not None
            and (self._abandoned_by is not None or isinstance(exc, GeneratorExit))
            and not self._is_held_here()
        ):
            return
        if self._owner is None:
            kernel = current.get()
            if kernel is not None and kernel._is_torn():
                return
        self._give_up("left the block")

    def _is_held_here(self) -> bool:
        """Whether the calling task holds the lock.

        While the `finally` blocks of a task that is closed from outside run, that task is done
        and there is no calling task.
        """
        owner = self._owner
        kernel = current.get()
        return owner is not None and (
            (kernel is not None and kernel._running is owner) or owner.done()
        )

    # -- for the operations and the tasks -------------------------------------------------

    def _acquire(self, what: str) -> LockAcquire:
        """Make a `LockAcquire`; `what` is its name in messages."""
        operation: LockAcquire = ACQUIRES.take()
        operation.prepare_queued()
        operation._subject = self
        operation.what = what
        return operation

    def _problem(self, task: Task) -> BaseException | None:
        """Return the error of a task that may not even wait for the lock."""
        if self._abandoned_by is not None:
            return self._broken()
        owner = self._owner
        if owner is task:
            return RuntimeError(
                f"task {task.name!r} holds this Lock already, and would wait for itself forever"
            )
        if owner is not None and owner._kernel is not task._kernel:
            return RuntimeError(
                f"task {owner.name!r} of another loop holds this Lock; use each object in one loop"
            )
        if self._sleeping is not None:
            for queue in self._sleeping:
                first = queue.first
                if first is not None and first.kernel is not task._kernel:
                    return RuntimeError(
                        "tasks of another loop wait for a Condition on this Lock; "
                        "use each object in one loop"
                    )
                break  # they are all of one loop
        return None

    def _broken(self) -> BaseException:
        """Return the error that every task gets once a task has abandoned the lock."""
        return BrokenResourceError(
            f"task {self._abandoned_by!r} ended while it held this Lock, so what the Lock "
            "protects may be half done"
        )

    def _not_held(self, action: str, task: Task) -> BaseException:
        """Return the error of an action that only the holder may do."""
        if self._abandoned_by is not None:
            return self._broken()
        holder = "nobody holds it"
        if self._owner is not None:
            holder = f"task {self._owner.name!r} holds it"
        return RuntimeError(
            f"task {task.name!r} {action}, but does not hold the Lock ({holder}); "
            "acquire it first, best with `async with`"
        )

    def _give_to(self, task: Task) -> None:
        """Make a task the owner."""
        self._owner = task
        task._hold(self)

    def _hand_over(self) -> None:
        """Give the lock to the task that has waited longest."""
        self._owner = None
        first = self._waiters.grant_first(None)
        if first is not None:
            self._give_to(first.task)  # type: ignore[arg-type]

    def abandoned(self, task: Task) -> None:
        """See `Held.abandoned`: no task can acquire or notify any more, so all are woken."""
        self._owner = None
        self._abandoned_by = task.name
        sleeping = self._sleeping
        self._sleeping = None
        self._waiters.wake_all()
        for queue in sleeping or ():
            queue.wake_all()


class LockAcquire(QueuedOperation):
    """One task's `Lock.acquire`, or `Condition.acquire`."""

    __slots__ = ("what",)

    def attempt(self) -> bool:
        """Done when the lock is free; else its owner hands it over."""
        lock: Lock = self._subject
        task: Task = self.task  # type: ignore[assignment]
        problem = lock._problem(task)
        if problem is not None:
            return self.fail(problem)
        if lock._owner is None:
            lock._give_to(task)
            return True
        return self.wait_in(lock._waiters)

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        lock: Lock = self._subject
        task: Task = self.task  # type: ignore[assignment]
        task._let_go_of(lock)
        lock._hand_over()


final(Lock, "()")
final(LockAcquire)

ACQUIRES = FreeList(LockAcquire)
