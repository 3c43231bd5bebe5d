"""Tasks that are closed from outside, because their run was cut short.

Their clean-ups run when no loop runs any more, so what they call finds no task in this
thread. The usual errors would say that one has to be started; here they say what has happened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from giambio.kernel import current, current_library

__all__ = ["closing_tasks", "no_task_runs"]

CUT_SHORT = (
    "the run was cut short and its tasks are being closed, so nothing can wait any more; "
    "only a clean-up without `await` still works"
)


class _Local(threading.local):
    closes = False


_local = _Local()


@contextmanager
def closing_tasks() -> Iterator[None]:
    """While tasks are closed in this thread, have `no_task_runs` say so."""
    previous = _local.closes, current_library.swap(current_library.NAME)  # to be asked at all
    _local.closes = True
    try:
        yield
    finally:
        _local.closes, library = previous
        current_library.swap(library)


def no_task_runs(problem: str) -> RuntimeError:
    """Return the error of a call that needs a task, or a loop, and has found none.

    Parameters:
        problem: the message, unless the caller is a clean-up of a task that is being closed.
    """
    # A clean-up may run another loop, in which this is a mistake like any other.
    return RuntimeError(CUT_SHORT if _local.closes and current.get() is None else problem)
