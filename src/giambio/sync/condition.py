"""A condition variable: tasks that hold a lock wait until another one says that something changed.

To be notified is to stand in line for the lock again. So whoever notifies moves
a waiting task from the condition's line to the lock's, and the task is woken
once, when it has the lock. A task that is cancelled while it waits must have the
lock back before it can be told, because the block around it will release it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CoroutineType, TracebackType
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.kernel import constants
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.task import Task, current_task
from giambio.kernel.tracebacks import user_part
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue
from giambio.sync.lock import Lock, LockAcquire, LockStatistics

__all__ = ["Condition", "ConditionStatistics"]


class ConditionStatistics(NamedTuple):
    """What `Condition.statistics` returns.

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
        lock: the `Lock` that protects what the tasks wait for; one of its own by default.
            Several conditions may share one.

    Raises:
        TypeError: `lock` is something else.

    Who has changed something calls `notify` or `notify_all`, holding the lock. If what has
    changed is one thing that happens once, an `Event` is simpler.

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

    __slots__ = ("__weakref__", "_line", "_lock")

    def __init__(self, lock: Lock | None = None) -> None:
        if lock is not None and not isinstance(lock, Lock):
            raise TypeError(f"Condition() needs a giambio.Lock or None, not {lock!r}")
        self._lock = Lock() if lock is None else lock
        self._line = WaitQueue()

    # -- the lock -------------------------------------------------------------------------

    def acquire(self) -> Operation:
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
        return ConditionAcquire(self._lock)

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
        self._lock.take_now()

    def release(self) -> None:
        """Give the lock back; see `Lock.release`.

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
        self._lock.give_up("called Condition.release()")

    def locked(self) -> bool:
        """Tell whether a task holds the lock. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Condition().locked()
            False
        """
        return self._lock.locked()

    def __aenter__(self) -> Operation:
        return ConditionAcquire(self._lock)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self._lock.leave(exc)
        return NOTHING

    # -- waiting and notifying ------------------------------------------------------------

    def wait(self) -> Operation:
        """Release the lock, wait to be notified, and take the lock again.

        What one waits for may be over by the time one has the lock again, so this stands in
        a loop that looks; `wait_for` is that loop.

        Raises:
            RuntimeError: the calling task does not hold the lock, or tasks of another loop
                wait for it.
            BrokenResourceError: a task has ended while it held the lock. The calling task
                does not hold it then.
            CancelledError: the task is in a cancelled scope. It holds the lock again, and
                was not notified. If it was notified before, that counts: the wait ends as
                usual, and the next checkpoint raises.

        A checkpoint. To take the lock again cannot be cancelled.

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

    def wait_for(self, predicate: Callable[[], Any]) -> Operation:
        """Wait until something is true: look, and `wait` as long as it is not.

        Parameters:
            predicate: a plain function without parameters. It is called at once, and each
                time the task was notified; always while the task holds the lock.

        Returns:
            Awaited: what the predicate returned at last.

        Raises:
            TypeError: the predicate is not callable, or is an async function.
            BaseException: what the predicate raises; the task holds the lock.
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
        """Wake those who have waited longest; they go on when they get the lock.

        Parameters:
            n: how many, at most.

        Raises:
            TypeError, ValueError: `n` is not a whole number from 0 up.
            RuntimeError: the calling task does not hold the lock, or no task runs here.
            BrokenResourceError: so it is, because its holder has ended without releasing it.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     condition = giambio.Condition()
            ...     async with condition:
            ...         condition.notify()
            >>> giambio.run(main)
        """
        self.wake("called Condition.notify()", check_int("Condition.notify()", "n", n, 0))

    def notify_all(self) -> None:
        """Wake all who wait; they go on one by one, as they get the lock.

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
        self.wake("called Condition.notify_all()", sys.maxsize)

    def statistics(self) -> ConditionStatistics:
        """How many wait to be notified, and how the lock is. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Condition().statistics().tasks_waiting
            0
        """
        return ConditionStatistics(self._line.length, self._lock.statistics())

    def __repr__(self) -> str:
        return f"<giambio.Condition on {self._lock!r}, {self._line.length} waiting>"

    # -- inside ---------------------------------------------------------------------------

    def wake(self, what: str, count: int) -> None:
        """Move so many from this line to the lock's."""
        lock = self._lock
        if not lock.is_held_here():
            raise lock.not_held(what, current_task())
        line = self._line
        first = line.first
        while count > 0 and first is not None:
            line.remove(first)
            lock._line.append(first)
            first = line.first
            count -= 1
        self.forget_if_empty()

    def fall_asleep(self, operation: ConditionWait) -> None:
        """Have an operation wait to be notified; the lock knows of the line meanwhile."""
        lock = self._lock
        if lock._sleeping is None:
            lock._sleeping = {}
        lock._sleeping[self._line] = None
        operation.wait_in(self._line)

    def forget_if_empty(self) -> None:
        """Some have left the line: undo `fall_asleep` if they were the last ones."""
        if self._line.first is None and self._lock._sleeping is not None:
            self._lock._sleeping.pop(self._line, None)


class ConditionAcquire(LockAcquire):
    """One task's `Condition.acquire`."""

    __slots__ = ()

    what = "Condition.acquire()"


class ConditionWait(QueuedOperation):
    """One task's `Condition.wait` or `Condition.wait_for`.

    It stands in the condition's line until it is notified or cancelled, and in the lock's
    until it has the lock again. Being granted means just that: to have the lock again.
    """

    __slots__ = ("_cancelled", "_condition", "_predicate")

    def __init__(self, condition: Condition, predicate: Callable[[], Any] | None) -> None:
        self.prepare_queued()
        self._condition = condition
        self._predicate = predicate
        # Whether it was cancelled before anybody notified it.
        self._cancelled = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return "Condition.wait()" if self._predicate is None else "Condition.wait_for()"

    def advance(self) -> bool:
        """See `Operation.advance`; when the lock is the task's again, it may not be over yet."""
        if self.state != constants.GRANTED:
            return Operation.advance(self)
        task: Task = self.task  # type: ignore[assignment]
        self.state = constants.TRIED
        if self._cancelled:
            self._cancelled = False
            if task._pending:
                return self.fail(self.interruption(task))
            # The cancellation was withdrawn. Somebody may have notified others meanwhile,
            # so the task had better look.
        if self._predicate is None or self.attempt():
            self.state = constants.DONE
            return True
        if task._thrown is None:
            task._parked = self
        return False

    def attempt(self) -> bool:
        """Done when the predicate is true; without one, not before it was notified."""
        lock = self._condition._lock
        task: Task = self.task  # type: ignore[assignment]
        if lock._owner is task and self._predicate is not None:
            if self.evaluate():
                return True
            if task._thrown is not None:
                return False
            if task._pending:  # since before it was notified, or by the predicate's doing
                return self.fail(self.interruption(task))
        if lock._owner is not task:
            return self.fail(lock.not_held(f"called {self.what}", task))
        self._condition.fall_asleep(self)
        if self.line is not None:
            lock.give_up("waited")
        return False

    def evaluate(self) -> bool:
        """Ask the predicate. What it raises is raised at the await, without frames of ours."""
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
        """See `Park.abort`: get the lock back; having been notified counts as done."""
        lock = self._condition._lock
        if self.line is None:
            return True
        if self.line is lock._line:
            return False
        self.wake_up()
        if lock._owner is None:
            if lock._abandoned_by is None:
                lock.give_to(self.task)  # type: ignore[arg-type]
            return True
        self._cancelled = True
        lock._line.append(self)
        return False

    def wake_up(self) -> None:
        """Leave the line, whichever it is."""
        if self.line is not None:
            self.line.remove(self)
            self._condition.forget_if_empty()

    def close(self) -> None:
        """See `Operation.close`: leave, and do not wait for the lock. Granted, it has that."""
        if self.state == constants.TRIED:
            self.wake_up()
        self.state = constants.DONE

    def subject(self) -> object:
        """See `Park.subject`."""
        lock = self._condition._lock
        return lock if self.line is lock._line else self._condition


final(Condition, "(lock=None)")
final(ConditionAcquire)
final(ConditionWait)
