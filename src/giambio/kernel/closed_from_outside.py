"""Coroutines and async generators that are closed from outside: not by the task they belong to.

An async generator that was collected is closed in another task than the one that has entered its
blocks. When a run was cut short, clean-ups run when no loop runs any more, so what they call finds
no task in this thread; the usual errors would say that one has to be started, and here they say
what has happened. In a forked child, what was a task runs on without its loop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from giambio.kernel import current, current_library

__all__ = ["closes_from_outside", "closing_from_outside", "no_task_runs", "note_fork"]

CUT_SHORT = (
    "the run was cut short and its tasks are being closed, so nothing can wait any more; "
    "only a clean-up without `await` still works"
)

FORKED = (
    "this process was forked in a giambio task, and the loop goes on in the parent only; start "
    "another one here with giambio.run(main), or do what needs none and end with os._exit()"
)


class _Local(threading.local):
    closes = False
    # Whether this thread ran a loop when the process was forked.
    forked = False
    # The loop that ran then, if any: a clean-up may run another one.
    kernel: Any = None


_local = _Local()


@contextmanager
def closing_from_outside() -> Iterator[None]:
    """While something is closed from outside in this thread, have the functions below say so."""
    previous = _local.closes, _local.kernel
    _local.closes, _local.kernel = True, current.get()
    library = current_library.swap(current_library.NAME)  # to be asked at all
    try:
        yield
    finally:
        _local.closes, _local.kernel = previous
        current_library.swap(library)


def closes_from_outside() -> bool:
    """Return whether the code that runs is a clean-up that is closed from outside."""
    return _local.closes and current.get() is _local.kernel


def no_task_runs(problem: str) -> RuntimeError:
    """Return the error of a call that needs a task, or a loop, and has found none.

    Parameters:
        problem: the message, unless the caller is a clean-up of a task that is being closed.
    """
    # In a loop, also in one that a clean-up runs, this is a mistake like any other.
    if current.get() is None:
        problem = CUT_SHORT if _local.closes else FORKED if _local.forked else problem
    return RuntimeError(problem)


def note_fork() -> None:
    """Note that this process is a child that was forked in a loop, which is not here."""
    _local.forked = True
