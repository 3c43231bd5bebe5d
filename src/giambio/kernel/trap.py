"""The protocol of `await`: the Python twin of `trap.pyx`.

The interpreter asks an awaited object again and again, until it has a result. Natively it
asks by `am_send`, so that a result need not travel as a `StopIteration`, which is slow to raise
and to catch.
"""

from __future__ import annotations

from typing import Any

from giambio.kernel import step
from giambio.kernel.run_queue import Park

__all__ = ["Trap", "install_am_send"]


class Trap(Park):
    """An object that a coroutine awaits."""

    __slots__ = ("__weakref__", "result", "state")

    result: Any
    #: How far it is: see `constants`.
    state: int

    def advance(self) -> bool:
        """Do as much as can be done now.

        Returns:
            True when it is done, with `result` set; False when the task has to leave.
        """
        raise NotImplementedError

    def stands_alone(self) -> bool:
        """Return whether a task can run it as it is, with no coroutine around it."""
        return True

    def __iter__(self) -> Trap:
        return self

    def __next__(self) -> Any:
        if not self.advance():
            return step.PARK
        raise StopIteration(self.result)


def install_am_send(cls: type[Park]) -> None:
    """Make the interpreter ask a class by `am_send`: nothing, in Python."""
