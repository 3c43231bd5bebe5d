"""Cancel scopes and task groups: giambio's, with AnyIO's interfaces; and information about tasks.

AnyIO always raises failures as a group, so the manager of a task group is a strict one. A task
has a handle with a scope of its own, which AnyIO makes; the manager only runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from math import inf, isnan
from types import TracebackType
from typing import Any, Self, cast
from weakref import ref

from anyio._core._tasks import TaskHandle
from anyio.abc import TaskGroup as BaseTaskGroup
from anyio.abc import TaskStatus as BaseTaskStatus
from anyio.abc._tasks import call_for_coroutine, get_callable_name

import anyio
from giambio.anyio.wrapper import Wrapper, attribute
from giambio.inspect.task_tree import children_of
from giambio.kernel import current
from giambio.kernel.operation import current_kernel
from giambio.kernel.reraise import Unchained
from giambio.kernel.task import Task
from giambio.tasks.cancel import CancelScope as OwnScope
from giambio.tasks.manager import TaskManager
from giambio.tasks.task_group import new_leaving
from giambio.tasks.task_status import TaskStatus as OwnStatus

try:
    from anyio.abc._tasks import get_coro_name
except ImportError:  # AnyIO 4.14, in which the handle finds the name

    def get_coro_name(coro: Coroutine[Any, Any, object], override: object = None) -> str:
        return cast(str, override)


__all__ = ["CancelScope", "TaskGroup", "TaskInfo", "running_tasks"]


class CancelScope(Wrapper, anyio.CancelScope):
    """A scope of giambio's; `own` is one that exists already, such as a manager's."""

    __slots__ = ("_own",)

    def __init__(
        self, *, deadline: float = inf, shield: bool = False, own: OwnScope | None = None
    ) -> None:
        self._own = own or OwnScope(deadline=checked(deadline), shield=shield)

    cancel_called = attribute("_own.cancel_called")
    cancelled_caught = attribute("_own.cancelled_caught")

    def __enter__(self) -> Self:
        self._own.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> bool:
        return self._own.__exit__(*exc_info)

    def cancel(self, reason: str | None = None) -> None:
        """See `anyio.CancelScope.cancel`; the task that calls it becomes part of the reason."""
        kernel = current.get()
        if kernel is not None and kernel._running is not None:
            by = f"by task {kernel._running.name!r}"
            reason = by if reason is None else f"{reason} ({by})"
        self._own.cancel(reason)

    @property
    def deadline(self) -> float:
        """See `anyio.CancelScope.deadline`."""
        return self._own.deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._own.deadline = checked(deadline)

    @property
    def shield(self) -> bool:
        """See `anyio.CancelScope.shield`."""
        return self._own.shield

    @shield.setter
    def shield(self, shield: bool) -> None:
        self._own.shield = shield


def checked(deadline: float) -> float:
    """Return a deadline.

    Raises:
        ValueError: it is not a number.
    """
    if isnan(deadline):
        raise ValueError("deadline must not be NaN")
    return deadline


class TaskGroup(BaseTaskGroup):
    """A task manager of giambio's."""

    def __init__(self) -> None:
        self._manager = TaskManager(strict=True)
        self._entered = False
        self._active = False
        self.cancel_scope = CancelScope(own=self._manager.cancel_scope)

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("TaskGroup cannot be entered more than once")
        self._entered = True
        await self._manager.__aenter__()
        self._active = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            return await self._end(exc)
        except BaseExceptionGroup as failure:
            # The exceptions in the group tell what the body was doing when it failed.
            failure.__suppress_context__ = True
            raise
        finally:
            self._active = False
            del exc, traceback  # or a failure would keep this frame, and that the failure

    def _end(self, exc: BaseException | None) -> Awaitable[bool]:
        if exc is not None and self._manager._is_closed_from_outside(exc):
            return self._manager.__aexit__(type(exc), exc, None)
        # The kernel would throw a failure in, and hold it for as long as this step lasts.
        ending: Any = Unchained(new_leaving(self._manager, exc, False))
        return cast("Awaitable[bool]", ending)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Context | None = None
    ) -> TaskHandle[Any]:
        """See `anyio.abc.TaskGroup.create_task`."""
        if not isinstance(coro, Coroutine):
            raise TypeError(f"expected a coroutine, got {type(coro).__qualname__}")
        if not self._active:
            coro.close()
        self._check_active()
        handle = TaskHandle(coro, get_coro_name(coro, name))
        self._manager.start_soon(handle._run_coro, name=handle.name, context=context)
        return handle

    async def start(
        self,
        func: Callable[..., Coroutine[Any, Any, Any]],
        *args: object,
        name: object = None,
        return_handle: bool = False,
    ) -> Any:
        """See `anyio.abc.TaskGroup.start`."""
        self._check_active()
        task_name = get_callable_name(func, name)
        handle: TaskHandle[Any]

        async def run(task_status: OwnStatus) -> None:
            """Make the coroutine, which may report already then, and run it."""
            __tracebackhide__ = True
            nonlocal handle
            scope.shield = False
            status = TaskStatus()
            coro = call_for_coroutine(func, args, task_status=status)
            handle = TaskHandle(coro, task_name)
            status.pass_on_to(task_status)
            await handle._run_coro()
            if not status.reported:
                raise RuntimeError("child exited without calling task_status.started()")

        # It counts as a task of the group from now on, and a group waits for its tasks.
        self._manager._arriving.append(None)
        try:
            # Also when the caller is cancelled already, the task runs to its first checkpoint.
            with OwnScope(shield=True) as scope:
                value = await self._manager.start(run, name=task_name)
        finally:
            self._manager._arriving.pop()
            self._manager._pass_place_on()
        if not return_handle:
            return value
        handle._start_value = value
        return handle

    def _check_active(self) -> None:
        if not self._active:
            raise RuntimeError("This task group is not active; no new tasks can be started.")


class TaskStatus(BaseTaskStatus[Any]):
    """Reports to giambio's, as soon as there is a task that may do so."""

    _own: OwnStatus | None = None
    _value: object = None
    reported = False

    def started(self, value: object = None) -> None:
        """See `anyio.abc.TaskStatus.started`."""
        if self.reported:
            raise RuntimeError("called 'started' twice on the same task status")
        self.reported = True
        self._value = value
        if self._own is not None:
            self._own.started(value)

    def pass_on_to(self, own: OwnStatus) -> None:
        """The coroutine is made: from now on reports go straight to giambio."""
        self._own = own
        if self.reported:
            own.started(self._value)


class TaskInfo(anyio.TaskInfo):
    """A task, as AnyIO describes it; it does not keep the task alive."""

    __slots__ = ("_task",)

    def __init__(self, task: Task[Any]) -> None:
        parent = task.parent
        super().__init__(task.id, None if parent is None else parent.id, task.name, task._coro)
        self._task = ref(task)

    def has_pending_cancellation(self) -> bool:
        """See `anyio.TaskInfo.has_pending_cancellation`."""
        task = self._task()
        return task is not None and not task.done() and task.has_pending_cancellation()


def running_tasks() -> list[anyio.TaskInfo]:
    """All tasks of the running loop, parents before their children."""
    tasks: list[Task[Any]] = list(current_kernel()._roots())
    for task in tasks:
        tasks.extend(children_of(task))
    return [TaskInfo(task) for task in tasks]
