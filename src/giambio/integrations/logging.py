"""``%(taskName)s`` in a log is the name of the task.

`logging` asks asyncio for it, if that is imported, and asyncio knows giambio's tasks then. Here
it is told without asyncio, and on Python 3.11, too. A program may set a factory of records
of its own: those mostly call the one that was there before, which is this one.

Tested with Python 3.11 to 3.15.
"""

from __future__ import annotations

import sys
from typing import Any

from giambio.kernel import current

__all__ = ["SPOT", "adapted"]

#: Nothing is replaced: the function that stands here has the factory changed.
SPOT = "setLogRecordFactory"


def adapted(original: Any, just_loaded: bool) -> Any:
    """See `finder.adapt`."""
    logging: Any = sys.modules["logging"]
    before = logging.getLogRecordFactory()

    def make_record(*args: Any, **keywords: Any) -> Any:
        record = before(*args, **keywords)
        if getattr(record, "taskName", None) is None:
            record.taskName = name_of_task() if getattr(logging, "logAsyncioTasks", True) else None
        return record

    original(make_record)
    return original


def name_of_task() -> str | None:
    """Return the name of the task that runs, if one does."""
    kernel = current.get()
    task = None if kernel is None else kernel._running
    return None if task is None else task.name
