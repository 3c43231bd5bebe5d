"""Checkpoints for coroutines that may find their work done already.

An operation of the kernel is a checkpoint by itself. A coroutine that only takes
what lies in a buffer awaits nothing, so it has to do what operations do: notice
a cancellation before it has done anything, and give way when its task has used
up its turn.
"""

from __future__ import annotations

from giambio.kernel.operation import Operation
from giambio.sync.event import Event

__all__ = ["spend_budget"]

ALREADY = Event()
ALREADY.set()


def spend_budget() -> Operation[None]:
    """A checkpoint that gives way only when the task has used up its turn."""
    return ALREADY.wait()
