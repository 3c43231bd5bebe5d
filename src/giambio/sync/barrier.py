"""A barrier: tasks wait for each other until there are enough of them.

asyncio has one and so has `threading`; the vocabulary is theirs. When the last
one comes, all who wait have passed at that moment, whatever happens to them
next, and the barrier is as good as new.
"""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.errors import BrokenResourceError
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Barrier", "BarrierStatistics"]


class BarrierStatistics(NamedTuple):
    """What `Barrier.statistics` returns.

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
        parties: how many must have come before all go on, from 1 up.

    Raises:
        TypeError, ValueError: `parties` is something else.

    It can be passed again and again. A task that is cancelled while it waits leaves, and the
    others go on waiting for another one in its place. If nobody will come any more, `abort`
    tells them so; where all are children of one `TaskManager` that is rarely needed, because
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

    __slots__ = ("__weakref__", "_broken", "_line", "_parties")

    def __init__(self, parties: int) -> None:
        self._parties = check_int("Barrier()", "parties", parties, 1)
        self._broken = False
        self._line = WaitQueue()

    @property
    def parties(self) -> int:
        """How many must have come before all go on.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).parties
            2
        """
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many have come, and wait.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).n_waiting
            0
        """
        return self._line.length

    @property
    def broken(self) -> bool:
        """Whether it was aborted, and not reset since.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).broken
            False
        """
        return self._broken

    def wait(self) -> Operation:
        """Wait until as many have come as there are parties.

        Returns:
            Awaited: 0 for the one who came first, `parties` - 1 for the last one. So one of
            them can be chosen to do what is to be done once.

        Raises:
            BrokenResourceError: the barrier is aborted, or was aborted or reset meanwhile.
            CancelledError: the task is in a cancelled scope.
            RuntimeError: tasks of another loop wait for it.

        A checkpoint. Cancelled, the task did not come; if the last one came in the same
        moment it has passed with the others, and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     return await giambio.Barrier(1).wait()
            >>> giambio.run(main)
            0
        """
        return BarrierWait(self)

    def reset(self) -> None:
        """Send those who wait away with an error, and begin anew; also after `abort`.

        Raises:
            RuntimeError: called from another thread than that of the loop in
                which tasks wait for it.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> barrier = giambio.Barrier(2)
            >>> barrier.abort()
            >>> barrier.reset()
            >>> barrier.broken
            False
        """
        self.turn_away("Barrier.reset()")
        self._broken = False

    def abort(self) -> None:
        """Send those who wait away with an error, and everybody who comes from now on.

        Raises:
            RuntimeError: called from another thread than that of the loop in
                which tasks wait for it.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> barrier = giambio.Barrier(2)
            >>> barrier.abort()
            >>> barrier.broken
            True
        """
        self.turn_away("Barrier.abort()")
        self._broken = True

    def statistics(self) -> BarrierStatistics:
        """How many wait, of how many, and whether it is aborted. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Barrier(2).statistics()
            BarrierStatistics(tasks_waiting=0, parties=2, broken=False)
        """
        return BarrierStatistics(self._line.length, self._parties, self._broken)

    def __aenter__(self) -> Operation:
        return BarrierWait(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        return NOTHING

    def __repr__(self) -> str:
        state = " broken," if self._broken else ""
        return f"<giambio.Barrier{state} {self._line.length} of {self._parties} waiting>"

    # -- what the operations ask -----------------------------------------------------------

    def let_pass(self) -> None:
        """The last one has come: the others go on, with their places in the line."""
        index = 0
        first = self._line.pop()
        while first is not None:
            if first.grant(index):
                index += 1
            first = self._line.pop()

    def turn_away(self, what: str) -> None:
        """Those who wait get an error."""
        first: BarrierWait | None = self._line.first  # type: ignore[assignment]
        if first is not None:
            first.check_thread(what)
        while first is not None:
            self._line.remove(first)
            first._turned_away = True
            first._ready()
            first = self._line.first  # type: ignore[assignment]


class BarrierWait(QueuedOperation):
    """One task's `Barrier.wait`."""

    __slots__ = ("_barrier", "_turned_away")

    what = "Barrier.wait()"

    def __init__(self, barrier: Barrier) -> None:
        self.prepare_queued()
        self._barrier = barrier
        self._turned_away = False

    def attempt(self) -> bool:
        """Done when this is the last one; the others it lets pass."""
        barrier = self._barrier
        if barrier._broken or self._turned_away:
            return self.fail(
                BrokenResourceError(
                    "this Barrier was aborted or reset, so not all who are awaited will come"
                )
            )
        line = barrier._line
        if line.length + 1 < barrier._parties:
            return self.wait_in(line)
        if not self.fits(line):
            return False
        barrier.let_pass()
        self.result = barrier._parties - 1
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._barrier


final(Barrier, "(parties)")
final(BarrierWait)
