"""A barrier: tasks wait for each other until there are enough of them.

The vocabulary is that of `asyncio` and `threading`. When the last task comes, all waiting
tasks have passed at that moment, whatever happens to them next, and the barrier can be used
again.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.errors import BrokenResourceError
from giambio.kernel.blocks import refuse_with
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Barrier", "BarrierStatistics"]


class BarrierStatistics(NamedTuple):
    """Statistics of a `Barrier`, as `Barrier.statistics` returns them.

    Example:
        >>> import giambio
        >>> giambio.Barrier(2).statistics().tasks_waiting
        0
    """

    tasks_waiting: int
    parties: int
    broken: bool


class Barrier:
    """A place where tasks wait for each other: ``await barrier.wait()``

    Parameters:
        parties: the number of tasks that must come before all continue, from 1 up.

    Raises:
        TypeError, ValueError: `parties` is not such a number.

    It can be passed repeatedly. A task that is cancelled while it waits leaves, and the
    others wait for another one in its place. If no more tasks will come, `abort` tells the
    waiting ones; where all are children of one `TaskManager` that is rarely needed, because
    the failure of one cancels the others.

    Example:
        >>> import giambio
        >>> async def runner(barrier):
        ...     return await barrier.wait()
        >>> async def main():
        ...     barrier = giambio.Barrier(2)
        ...     async with giambio.TaskManager() as manager:
        ...         tasks = [await manager.spawn(runner, barrier) for _ in range(2)]
        ...     return [task.result() for task in tasks]
        >>> giambio.run(main)
        [0, 1]
    """

    __slots__ = ("__weakref__", "_breaks", "_broken", "_waiters", "_parties")

    def __init__(self, parties: int) -> None:
        self._parties = check_int("Barrier()", "parties", parties, 1)
        self._broken = False
        # How often it was aborted or reset.
        self._breaks = 0
        self._waiters = WaitQueue()

    @property
    def parties(self) -> int:
        """The number of tasks that must come before all continue.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).parties
            2
        """
        return self._parties

    @property
    def n_waiting(self) -> int:
        """The number of tasks that wait.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).n_waiting
            0
        """
        return self._waiters.length

    @property
    def broken(self) -> bool:
        """Whether the barrier was aborted, and not reset since.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).broken
            False
        """
        return self._broken

    def wait(self) -> Coroutine[Any, Any, int]:
        """Wait until `parties` tasks have come.

        Returns:
            Awaited: 0 for the task that came first, `parties` - 1 for the last one. So one
            of them can be chosen for work that is to be done once.

        Raises:
            BrokenResourceError: the barrier is aborted, or was aborted or reset meanwhile.
            CancelledError: the task is in a cancelled scope.
            RuntimeError: tasks of another loop wait for it.

        A checkpoint. Cancelled, the task did not come; if the last one came in the same
        moment, it has passed with the others, and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     return await giambio.Barrier(1).wait()
            >>> giambio.run(main)
            0
        """
        return BarrierWait(self)

    def reset(self) -> None:
        """Fail the tasks that wait, and begin anew; also after `abort`.

        Raises:
            RuntimeError: tasks wait for it, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> barrier = giambio.Barrier(2)
            >>> barrier.abort()
            >>> barrier.reset()
            >>> barrier.broken
            False
        """
        self._fail_waiting("Barrier.reset()")
        self._broken = False

    def abort(self) -> None:
        """Fail the tasks that wait, and all that come from now on.

        Raises:
            RuntimeError: tasks wait for it, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> barrier = giambio.Barrier(2)
            >>> barrier.abort()
            >>> barrier.broken
            True
        """
        self._fail_waiting("Barrier.abort()")
        self._broken = True

    def statistics(self) -> BarrierStatistics:
        """Return how many tasks wait, of how many, and whether it is aborted. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).statistics()
            BarrierStatistics(tasks_waiting=0, parties=2, broken=False)
        """
        return BarrierStatistics(self._waiters.length, self._parties, self._broken)

    def __aenter__(self) -> Operation[int]:
        return BarrierWait(self)

    def __aexit__(self, exc_type: object, exc: object, traceback: object) -> Operation[None]:
        return NOTHING

    __enter__ = __exit__ = refuse_with

    def __repr__(self) -> str:
        state = " broken," if self._broken else ""
        return f"<giambio.Barrier{state} {self._waiters.length} of {self._parties} waiting>"

    def _fail_waiting(self, what: str) -> None:
        """Wake the tasks that wait, to raise."""
        self._waiters.check_thread(what)
        self._breaks += 1
        self._waiters.wake_all()


class BarrierWait(QueuedOperation):
    """One task's `Barrier.wait`."""

    __slots__ = ("_breaks",)

    what = "Barrier.wait()"

    def __init__(self, barrier: Barrier) -> None:
        self.prepare_queued()
        self._subject = barrier
        # How often the barrier was broken before this task came.
        self._breaks = -1

    def attempt(self) -> bool:
        """Done when this task is the last one; then the others have their results too."""
        barrier: Barrier = self._subject
        if barrier._broken or 0 <= self._breaks < barrier._breaks:
            return self.fail(
                BrokenResourceError("this Barrier was aborted or reset, so not all tasks will come")
            )
        self._breaks = barrier._breaks
        queue = barrier._waiters
        if queue.length + 1 < barrier._parties:
            return self.wait_in(queue)
        if not self.fits(queue):
            return False
        index = 0
        while queue.grant_first(index) is not None:
            index += 1
        self.result = barrier._parties - 1
        return True


final(Barrier, "(parties)")
