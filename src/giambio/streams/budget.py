"""Checkpoints for coroutines that may find their work done already.

An operation of the kernel is a checkpoint by itself. A coroutine that only takes
bytes from a buffer awaits nothing, so it has to do the same as operations: notice
a cancellation before it has done anything, and yield control when its task has
used up its budget.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from giambio.sync.event import Event

__all__ = ["spend_budget"]

ALREADY = Event()
ALREADY.set()


def spend_budget() -> Coroutine[Any, Any, None]:
    """A checkpoint that yields control only when the task has used up its budget."""
    return ALREADY.wait()
