"""A condition variable: tasks that hold a lock wait until another one reports a change.

A notified task needs the lock again. So `notify` moves a waiting task from the condition's
queue to the lock's, and the task is woken once, when it has the lock. A task that is
cancelled while it waits must have the lock back before it is told, because the block around
it will release it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, NamedTuple, TypeVar

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.kernel import constants
from giambio.kernel.blocks import refuse_with
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.task import Task, current_task
from giambio.kernel.tracebacks import user_part
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue
from giambio.sync.lock import Lock, LockStatistics

__all__ = ["Condition", "ConditionStatistics"]

T = TypeVar("T")


class ConditionStatistics(NamedTuple):
    """Statistics of a `Condition`, as `Condition.statistics` returns them.

    Example:
        >>> import giambio
        >>> giambio.Condition().statistics().lock_statistics.locked
        False
    """

    tasks_waiting: int
    lock_statistics: LockStatistics


class Condition:
    """A condition variable: ``async with condition: await condition.wait_for(predicate)``

    Parameters:
        lock: the `Lock` that protects the state for which tasks wait; a new one by
            default. Several conditions may share one.

    Raises:
        TypeError: `lock` is not a `Lock`.

    A task that has changed the state calls `notify` or `notify_all`, holding the lock. For
    something that happens once, an `Event` is simpler.

    Example:
        >>> import giambio
        >>> async def consumer(condition, items):
        ...     async with condition:
        ...         await condition.wait_for(lambda: items)
        ...         return items.pop()
        >>> async def main():
        ...     condition, items = giambio.Condition(), []
        ...     async with giambio.TaskManager() as manager:
        ...         task = await manager.spawn(consumer, condition, items)
        ...         async with condition:
        ...             items.append("an item")
        ...             condition.notify()
        ...     return task.result()
        >>> giambio.run(main)
        'an item'
    """

    __slots__ = ("__weakref__", "_waiters", "_lock")

    def __init__(self, lock: Lock | None = None) -> None:
        if lock is not None and not isinstance(lock, Lock):
            raise TypeError(f"Condition() needs a giambio.Lock or None, not {lock!r}")
        self._lock = Lock() if lock is None else lock
        self._waiters = WaitQueue()

    # -- the lock -------------------------------------------------------------------------

    def acquire(self) -> Coroutine[Any, Any, None]:
        """Take the lock; see `Lock.acquire`.

        Raises:
            RuntimeError, BrokenResourceError, CancelledError: as `Lock.acquire`.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     await condition.acquire()
            ...     condition.release()
            >>> giambio.run(main)
        """
        return self._lock._acquire("Condition.acquire()")

    def acquire_nowait(self) -> None:
        """Take the lock if it is free; see `Lock.acquire_nowait`.

        Raises:
            WouldBlock, RuntimeError, BrokenResourceError: as `Lock.acquire_nowait`.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     condition.acquire_nowait()
            ...     condition.release()
            >>> giambio.run(main)
        """
        self._lock.acquire_nowait()

    def release(self) -> None:
        """Release the lock; see `Lock.release`.

        Raises:
            RuntimeError, BrokenResourceError: as `Lock.release`.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     await condition.acquire()
            ...     condition.release()
            >>> giambio.run(main)
        """
        self._lock._give_up("called Condition.release()")

    def locked(self) -> bool:
        """Whether a task holds the lock. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Condition().locked()
            False
        """
        return self._lock.locked()

    def __aenter__(self) -> Operation[None]:
        return self._lock._acquire("Condition.acquire()")

    def __aexit__(self, exc_type: object, exc: object, traceback: object) -> Operation[None]:
        self._lock._leave(exc)
        return NOTHING

    __enter__ = __exit__ = refuse_with

    # -- waiting and notifying ------------------------------------------------------------

    def wait(self) -> Coroutine[Any, Any, None]:
        """Release the lock, wait to be notified, and take the lock again.

        The state may have changed back by the time the task has the lock again, so call this
        in a loop that checks; `wait_for` is that loop.

        Raises:
            RuntimeError: the calling task does not hold the lock, or tasks of another loop
                wait for it.
            BrokenResourceError: a task has ended while it held the lock. The calling task
                does not hold it then.
            CancelledError: the task is in a cancelled scope. It holds the lock again, and
                was not notified. If it was notified before, that counts: the wait ends as
                usual, and the next checkpoint raises.

        A checkpoint. Taking the lock again cannot be cancelled.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     async with condition:
            ...         with giambio.move_on_after(0.01):
            ...             await condition.wait()
            ...         return condition.locked()
            >>> giambio.run(main)
            True
        """
        return ConditionWait(self, None)

    def wait_for(self, predicate: Callable[[], T]) -> Operation[T]:
        """Wait until a predicate is true: call it, and `wait` while it is false.

        Parameters:
            predicate: a plain function without parameters. It is called at once, and each
                time the task is notified; always while the task holds the lock.

        Returns:
            Awaited: the last result of the predicate.

        Raises:
            TypeError: the predicate is not callable, or is an async function.
            BaseException: raised by the predicate; the task holds the lock.
            RuntimeError, BrokenResourceError, CancelledError: as `wait`.

        A checkpoint; see `wait`.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     async with condition:
            ...         return await condition.wait_for(lambda: "true at once")
            >>> giambio.run(main)
            'true at once'
        """
        if not callable(predicate):
            raise TypeError(f"Condition.wait_for() needs a function, not {predicate!r}")
        return ConditionWait(self, predicate)

    def notify(self, n: int = 1) -> None:
        """Wake the tasks that have waited longest; they continue when they get the lock.

        Parameters:
            n: the largest number of tasks to wake.

        Raises:
            TypeError, ValueError: `n` is not a whole number from 0 up.
            RuntimeError: the calling task does not hold the lock, or no task runs here.
            BrokenResourceError: it does not, because a task ended without releasing the lock.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     async with condition:
            ...         condition.notify()
            >>> giambio.run(main)
        """
        self._notify("called Condition.notify()", check_int("Condition.notify()", "n", n, 0))

    def notify_all(self) -> None:
        """Wake all tasks that wait; they continue one by one, as they get the lock.

        Raises:
            RuntimeError, BrokenResourceError: as `notify`.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     async with condition:
            ...         condition.notify_all()
            >>> giambio.run(main)
        """
        self._notify("called Condition.notify_all()", sys.maxsize)

    def statistics(self) -> ConditionStatistics:
        """Return how many tasks wait to be notified, and the lock's statistics. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Condition().statistics().tasks_waiting
            0
        """
        return ConditionStatistics(self._waiters.length, self._lock.statistics())

    def __repr__(self) -> str:
        return f"<giambio.Condition on {self._lock!r}, {self._waiters.length} waiting>"

    # -- inside ---------------------------------------------------------------------------

    def _notify(self, action: str, count: int) -> None:
        """Move up to `count` operations from this queue to the lock's."""
        lock = self._lock
        if not lock._is_held_here():
            raise lock._not_held(action, current_task())
        while count > 0 and self._waiters.first is not None:
            lock._waiters.append(self._waiters.pop())  # type: ignore[arg-type]
            count -= 1
        self._forget_if_empty()

    def _forget_if_empty(self) -> None:
        """Operations have left the queue: the lock need not know of it if it is empty."""
        if self._waiters.first is None and self._lock._sleeping is not None:
            self._lock._sleeping.pop(self._waiters, None)


class ConditionWait(QueuedOperation):
    """One task's `Condition.wait` or `Condition.wait_for`.

    It waits in the condition's queue until it is notified or cancelled, and then in the
    lock's. Being granted means to have the lock again.
    """

    __slots__ = ("_cancelled", "_condition", "_predicate")

    def __init__(self, condition: Condition, predicate: Callable[[], Any] | None) -> None:
        self.prepare_queued()
        self._condition = condition
        self._predicate = predicate
        # Whether it was cancelled before it was notified.
        self._cancelled = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return "Condition.wait()" if self._predicate is None else "Condition.wait_for()"

    def advance(self) -> bool:
        """See `Operation.advance`; having the lock again may not be the end."""
        if self.state != constants.GRANTED:
            return Operation.advance(self)
        task: Task = self.task  # type: ignore[assignment]
        self.state = constants.TRIED
        if self._cancelled:
            self._cancelled = False
            if task._pending:
                return self.fail(self.interruption(task))
            # The cancellation was withdrawn. Others may have been notified meanwhile, in
            # place of this task, so it looks.
        if self._predicate is None or self.attempt():
            self.state = constants.DONE
            return True
        if task._thrown is None:
            task._parked = self
        return False

    def attempt(self) -> bool:
        """Done when the predicate is true; without one, only once notified."""
        condition = self._condition
        lock = condition._lock
        task: Task = self.task  # type: ignore[assignment]
        if lock._owner is task and self._predicate is not None:
            if self.evaluate():
                return True
            if task._thrown is not None:
                return False
            if task._pending:  # since before it was notified, or by the predicate's doing
                return self.fail(self.interruption(task))
        if lock._owner is not task:
            return self.fail(lock._not_held(f"called {self.what}", task))
        self.wait_in(condition._waiters)
        if self.queue is not None:
            # The lock knows of the queue while it is not empty.
            if lock._sleeping is None:
                lock._sleeping = {}
            lock._sleeping[condition._waiters] = None
            lock._give_up("waited")
        return False

    def evaluate(self) -> bool:
        """Call the predicate. Its exception is raised at the await, without our frames."""
        try:
            value = self._predicate()  # type: ignore[misc]
            if isinstance(value, CoroutineType):
                value.close()
                raise TypeError(
                    f"Condition.wait_for() needs a plain function, and {self._predicate!r} is "
                    "an async one: what it waits for must be known without waiting"
                )
            if value:
                self.result = value
                return True
        except BaseException as exc:
            self.fail(user_part(exc))
        return False

    def abort(self) -> bool:
        """See `Park.abort`: get the lock back; a notified task is done when it has that."""
        lock = self._condition._lock
        if self.queue is None:
            return True
        if self.queue is lock._waiters:
            return False
        self.leave_queue()
        if lock._owner is None:
            if lock._abandoned_by is None:
                lock._give_to(self.task)  # type: ignore[arg-type]
            return True
        self._cancelled = True
        lock._waiters.append(self)
        return False

    def leave_queue(self) -> None:
        """Leave the queue of the condition or of the lock."""
        if self.queue is not None:
            self.queue.remove(self)
            self._condition._forget_if_empty()

    def withdraw(self) -> None:
        """See `Operation.withdraw`: do not wait for the lock."""
        if self.state == constants.TRIED:
            self.leave_queue()
        self.state = constants.DONE

    def subject(self) -> object:
        """See `Park.subject`."""
        lock = self._condition._lock
        return lock if self.queue is lock._waiters else self._condition


final(Condition, "(lock=None)")
