"""System tasks, as in Trio: nobody waits for them, and they are cancelled after the main task.

The tasks of a program belong to managers. But some work belongs to the loop as a whole:
closing an abandoned async generator, or running a thread's callback that no task waits for.
"""

from __future__ import annotations

import weakref
from contextvars import Context
from typing import Any

from giambio.kernel.kernel import Kernel
from giambio.kernel.task import Supervisor, Task
from giambio.kernel.unraisable import report_unraisable
from giambio.tasks.cancel import new_task

__all__ = ["SystemTasks"]


class SystemTasks(Supervisor):
    """A set of system tasks of one loop. Their failures are reported: nobody can catch them."""

    #: What they do, for messages.
    work = "running a system task"

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = weakref.ref(kernel)

    def spawn(self, coro: Any, context: Context) -> None:
        """Start a task, in a scope of its own."""
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
        if not task._failed():
            return
        kernel = self.kernel()
        if kernel is not None and kernel._is_torn():
            kernel._crash(task._failure())  # a signal handler raised it: not the task's own
        else:
            report_unraisable(task._failure(), self.work, task)

    def _add_failure(self, exc: BaseException) -> None:
        """See `Supervisor._add_failure`."""
        report_unraisable(exc, self.work, None)
