"""Tasks that attend to a loop: nobody waits for them, and they end with the main task.

What a program spawns belongs to a manager. But some work belongs to the loop as a whole: closing
an async generator that nobody finished, or what a thread has done that no task waits for.
"""

from __future__ import annotations

import weakref
from contextvars import Context
from typing import Any

from giambio.kernel.kernel import Kernel
from giambio.kernel.task import Supervisor, Task
from giambio.tasks.cancel import new_task

__all__ = ["SystemTasks"]


class SystemTasks(Supervisor):
    """Some of the attendants of one loop. What they fail with, they tell somebody themselves."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = weakref.ref(kernel)

    def spawn(self, coro: Any, context: Context) -> None:
        """Start a task, in no scope but its own."""
        kernel = self.kernel()
        if kernel is None:
            coro.close()
            return
        kernel._add_task(new_task(kernel, coro, context, self, None))

    def cancel(self) -> None:
        """Cancel all of them."""
        for task in list(self._children):
            task.cancel("the main task has ended")

    def _child_exited(self, task: Task) -> None:
        """See `Supervisor._child_exited`."""
        del self._children[task]
