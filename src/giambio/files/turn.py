"""The turns of the tasks that share a file: one after another, in the order in which they ask.

A turn belongs to a call and not to a task: a coroutine that is driven by hand may begin in one
task and be closed in another, or by the garbage collector. So this is no `Lock`, which would refuse
that. Compiled, because it is an operation.
"""

from __future__ import annotations

from typing import Any

from giambio.kernel.kernel import Kernel
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Turn", "Turns"]


class Turns:
    """The turns of one file: the one that is on, and those that are waited for."""

    __slots__ = ("current", "waiting")

    def __init__(self) -> None:
        self.current: Turn | None = None
        self.waiting = WaitQueue()


class Turn(QueuedOperation):
    """Awaited, it begins when no other call uses the file; `end` has to be called in any case.

    That includes an await that fails: with memory short, it may do so after the turn has begun.
    """

    __slots__ = ("_turns",)

    what = "a file operation"

    def __init__(self, kernel: Kernel, turns: Turns) -> None:
        self.prepare_queued()
        self.kernel = kernel
        self._subject: Any = None
        self._turns = turns

    def attempt(self) -> bool:
        """Begin, or queue."""
        turns = self._turns
        if turns.current is None:
            turns.current = self
            return True
        return self.wait_in(turns.waiting)

    def end(self) -> None:
        """End the turn, if it has begun; the call that has waited longest is next."""
        turns = self._turns
        if turns.current is self:
            turns.current = turns.waiting.grant_first(None)  # type: ignore[assignment]

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        Turn.end(self)
