"""asyncio's own notes of what runs: which loop in this thread, and which task in that loop.

Where the interpreter keeps them differs between the versions of Python.
"""

from __future__ import annotations

import sys
from asyncio import events, tasks
from typing import Any

__all__ = ["current_task", "running_loop", "set_current_task", "set_running_loop"]


def running_loop() -> Any:
    """Return asyncio's running loop in this thread, or None."""
    return events._get_running_loop()


def set_running_loop(loop: Any) -> None:
    """Have asyncio know the loop that runs in this thread; None for none."""
    events._set_running_loop(loop)


#: asyncio's own function, which knows the tasks that asyncio steps.
current_task = tasks.current_task

if sys.version_info >= (3, 12):

    def set_current_task(loop: Any, task: Any) -> None:
        """Have asyncio know the task that runs in a loop; None for none."""
        tasks._swap_current_task(loop, task)

else:

    def set_current_task(loop: Any, task: Any) -> None:
        """Have asyncio know the task that runs in a loop; None for none."""
        current_tasks = vars(tasks)["_current_tasks"]
        if task is None:
            current_tasks.pop(loop, None)
        else:
            current_tasks[loop] = task
