"""How an `await` reaches what it waits for: the Python twin of `trap.pyx`.

The interpreter asks whatever a coroutine awaits again and again, until that has a
result. Natively it is asked by `am_send`, where Python has that (3.11): a result then
need not travel as a `StopIteration`, which costs 200 instructions to raise and to catch.
"""

from __future__ import annotations

from typing import Any

from giambio.kernel import step
from giambio.kernel.run_queue import Park

__all__ = ["Trap", "install_am_send"]


class Trap(Park):
    """What a coroutine awaits, until it is done."""

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
        """Tell whether a task can run it as it is, with no coroutine around it."""
        return True

    def __iter__(self) -> Trap:
        return self

    def __next__(self) -> Any:
        if not self.advance():
            return step.PARK
        raise StopIteration(self.result)


def install_am_send(cls: type[Trap]) -> None:
    """Have a class asked by `am_send`: there is nothing like that in Python."""
