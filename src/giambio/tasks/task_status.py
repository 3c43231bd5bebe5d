"""`TaskManager.start` and `TaskStatus`: a task that reports when it is ready.

Until then the caller of `start` holds the task, inside its own scopes, and a failure is
raised there. When the task reports, it moves to the manager.
"""

from __future__ import annotations

import contextvars
import types
from typing import Any

from giambio._build.sealed import final
from giambio.errors import TaskCancelled
from giambio.kernel.coroutines import discard, to_coroutine
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.task import Supervisor, Task, current_task
from giambio.kernel.tracebacks import user_part
from giambio.tasks import cancel
from giambio.tasks.task_group import TaskGroup

__all__ = ["Start", "TaskStatus", "refuse_task_status"]


class Start(Operation):
    """`TaskManager.start`: waits until the task has reported, or ended."""

    __slots__ = ("_args", "_context", "_keywords", "_manager", "_name", "_starting", "_target")

    what = "TaskManager.start()"
    internal = True

    def __init__(
        self,
        manager: TaskGroup,
        target: Any,
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        name: str | None,
        context: contextvars.Context,
    ) -> None:
        self._manager = manager
        self.prepare(self._manager._kernel)
        self._target = target
        self._args = args
        self._keywords = keywords
        self._name = name
        self._context = context
        self._starting: Starting | None = None

    def attempt(self) -> bool:
        """Start the task the first time; done when it has reported or ended."""
        starting = self._starting
        if starting is None:
            try:
                self._manager._check_open()
                self._launch()
            except BaseException as exc:
                discard(self._target)
                return self.fail(user_part(exc))
            return False
        error = starting.error
        if error is not None:
            starting.error = None  # the failing frame holds a `TaskStatus`, which holds this
            return self.fail(error)
        if not starting.reported:
            return False
        self.result = starting.value
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._manager

    def abort(self) -> bool:
        """See `Park.abort`: not now. The task is in the caller's scopes, so it is cancelled too."""
        if self._starting is not None and self.task is not None and self.task._injected:
            self._starting.interrupt()
        return False

    def _launch(self) -> None:
        """Start the task."""
        starting = Starting(self._manager, self)
        host = current_task()
        status = TaskStatus(starting)
        target = self._target
        if not callable(target):
            raise TypeError(
                f"start() needs an async function that takes task_status, not {target!r}; "
                "write start(function, argument, ...)"
            )

        keywords = {**self._keywords, "task_status": status}
        coro = to_coroutine("start()", target, self._args, keywords)
        starting.begin(host, coro, self._name, self._context)
        self._starting = starting
        # From here on the task's end decides, also when the caller is cancelled.
        self.shielded = True


class Starting(Supervisor):
    """The supervisor of a task between `start` and `started`, for the task that waits."""

    __slots__ = ("_manager", "_operation", "error", "reported", "value")

    def __init__(self, manager: TaskGroup, operation: Start) -> None:
        super().__init__()
        self._manager = manager
        self._operation: Start | None = operation
        self.error: BaseException | None = None
        self.reported = False
        self.value: Any = None

    def begin(self, host: Task, coro: Any, name: str | None, context: contextvars.Context) -> None:
        """Run the task inside the scopes of the task that waits."""
        self._work_for(host)
        kernel: Kernel = host._kernel  # type: ignore[assignment]  # for the task runs
        kernel._add_task(cancel.new_task(kernel, coro, context, self, name))

    def started(self, value: Any) -> None:
        """See `TaskStatus.started`: move the task to the manager."""
        if self.reported:
            raise RuntimeError("task_status.started() was called a second time")
        if self._operation is None:
            raise RuntimeError("task_status.started() was called after the task had ended")
        if self._host is None:
            raise RuntimeError("task_status.started() was called before the task had begun")
        if self._operation._starting is not self:
            return  # `start` was interrupted, and nobody waits for the report
        self._manager._check_open()
        self.reported = True
        self.value = value
        self._pass_on()

    def _pass_on(self) -> None:
        """Give the task to the manager, and the value to the one that waits."""
        for task in list(self._children):
            if not task.done():
                self._manager._take_over(task)
        self._children.clear()
        self._end()

    def _mend(self) -> None:
        """See `Supervisor._mend`: `started` or `begin` was interrupted."""
        if self.reported:
            self._pass_on()

    def interrupt(self) -> None:
        """Cancel the task: an exception was injected into the one that waits for it."""
        for task in list(self._children):
            task.cancel("the task that waits for it in start() was interrupted")

    def _take_over(self, child: Task) -> None:
        """See `Supervisor._take_over`: hand it to the supervisor of the host."""
        if self._host is not None and self._host._supervisor is not None:
            self._host._supervisor._take_over(child)

    def _child_exited(self, task: Task) -> None:
        """See `Supervisor._child_exited`: the task has ended without reporting."""
        self._children.clear()
        if task._failed():
            self.error = task._failure()
        elif task.cancelled():
            host = self._host
            if host is not None and (host._injected or host.has_pending_cancellation()):
                self.error = host._interruption()
            else:
                self.error = TaskCancelled(f"task {task.name!r} was cancelled before it was ready")
        else:
            self.error = RuntimeError(
                f"task {task.name!r} ended without calling task_status.started()"
            )
        self._end()

    def _end(self) -> None:
        """Stop holding the task, and wake the one that waits."""
        if self._operation is not None:
            self._operation._ready()
        host = self._host
        self._operation = None
        self._host = None
        if host is not None and host._supervisors is not None:
            host._supervisors.remove(self)


def refuse_task_status(what: str, target: Any, keywords: dict[str, Any]) -> None:
    """Close the target and raise if there is a `task_status` among its keywords.

    Raises:
        TypeError: there is one.
    """
    if "task_status" in keywords:
        discard(target)
        raise TypeError(f"{what} passes a task_status of its own; leave that keyword out")


class TaskStatus:
    """The argument ``task_status`` of a function in `TaskManager.start`, to report with.

    Example:
        >>> import giambio
        >>> async def server(task_status):
        ...     task_status.started("ready")
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         return await manager.start(server)
        >>> giambio.run(main)
        'ready'
    """

    __slots__ = ("_starting",)

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, starting: Starting) -> None:
        self._starting = starting

    def started(self, value: Any = None) -> None:
        """Report that the task is ready: `start` returns `value`.

        Parameters:
            value: any object; None by default.

        Raises:
            RuntimeError: called a second time, or after the task had ended.
            RunFinishedError: the manager's block was left in the meantime.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def server(task_status):
            ...     task_status.started(8080)
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         return await manager.start(server)
            >>> giambio.run(main)
            8080
        """
        self._starting.started(value)


final(TaskStatus, "(starting)")
