"""`TaskManager`, giambio's nursery or task group: the only way to spawn a task.

Its block ends when all its tasks have. The first failure cancels the other tasks and is
raised by the block; no failure is lost, or printed instead of raised. A manager holds
running tasks only, so a server may spawn in one for years.
"""

from __future__ import annotations

import contextvars
from collections import deque
from typing import Any

from giambio._build.sealed import final
from giambio.arguments import could_take
from giambio.errors import WouldBlock
from giambio.kernel import coroutines, introspect
from giambio.kernel.coroutines import discard
from giambio.kernel.free_list import FreeList
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.task import Task
from giambio.kernel.tracebacks import user_part
from giambio.tasks.cancel import CancelScope
from giambio.tasks.task_group import TaskGroup, check_limit
from giambio.tasks.task_status import Start, refuse_task_status

__all__ = ["TaskManager"]


class TaskManager(TaskGroup):
    """A group of tasks that a block waits for: ``async with TaskManager() as manager: ...``

    Parameters:
        loop: the loop to run on, to have it checked; the running one by default.
        limit: how many tasks may run at once; no limit by default.
        strict: True always raises an `ExceptionGroup`, False raises a single
            failure as itself; by default as ``run(strict=…)`` says.

    Leaving the block waits for all its tasks, also for those spawned meanwhile.
    A failure of the block's body or of a task cancels the others. One failure is
    raised as itself; several as an `ExceptionGroup` (a `BaseExceptionGroup` with
    `KeyboardInterrupt` or `SystemExit` among them).

    Raises:
        TypeError, ValueError: a parameter is wrong.
        RuntimeError: on entering: no task runs here, it runs on another loop,
            or the manager was used before.

    Entering is not a checkpoint. Leaving always yields control once; a cancellation
    from outside reaches the tasks, and the block ends when they have.

    Example:
        >>> import giambio
        >>> async def double(n):
        ...     return n * 2
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         tasks = [await manager.spawn(double, n) for n in range(3)]
        ...     return [task.result() for task in tasks]
        >>> giambio.run(main)
        [0, 2, 4]
    """

    __slots__ = ("_arriving", "_limit", "_promised", "_waiting")

    _label = "TaskManager"
    _a_label = "a TaskManager"
    _reason = "another task of the manager has failed"

    def __init__(
        self, loop: Any = None, *, limit: int | None = None, strict: bool | None = None
    ) -> None:
        if loop is not None and not isinstance(loop, Kernel):
            raise TypeError(f"TaskManager(loop) needs an EventLoop, not {loop!r}")
        self._prepare(loop, strict)
        self._limit = 0
        # With a limit: the spawns that wait for a place, and those that were woken because
        # there is one for them.
        self._waiting: Any = None
        self._promised: list[Spawn] | None = None
        if limit is not None:
            self._limit = check_limit("TaskManager()", limit)
            self._waiting = deque()
            self._promised = []
        # One item for each spawn on its way from another thread: a list, because its
        # methods are atomic.
        self._arriving: list[None] = []

    # -- spawning ----------------------------------------------------------------------

    def spawn(
        self,
        target: Any,
        /,
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **keywords: Any,
    ) -> Operation:
        """Start a task, which runs concurrently with the caller.

        Parameters:
            target: an async function (any callable that returns an awaitable), to be
                called with `args` and `keywords`; or a coroutine, or any other awaitable.
            args, keywords: the arguments for the function.
            name: the task's name; the function's full name by default.
            context: the context to run in, not copied; by default a copy of the
                caller's.

        Returns:
            Awaited: the `Task`.

        Raises:
            TypeError: `target` cannot be awaited, `name` is not a string, or
                `context` not a context; or one of these two is given, and the
                function takes a keyword of that name too.
            RuntimeError: the block was not entered yet, or `target` is a coroutine
                that runs already.
            RunFinishedError: the block was left already.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint. With ``limit=`` it waits for a place, first come, first served:
        that is the backpressure. If it is cancelled, nothing is spawned and the
        coroutine is closed. A spawned task always runs up to its first checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep, 0.01)
            ...     return task.done()
            >>> giambio.run(main)
            True
        """
        context = context_for("spawn()", target, args, name, context)
        return new_spawn(self, target, args, keywords, name, context)

    def start_soon(
        self,
        target: Any,
        /,
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **keywords: Any,
    ) -> Task:
        """Synchronous `spawn`: schedule a task without awaiting.

        Parameters:
            target: see `spawn`.
            args, keywords: the arguments for the function.
            name: the task's name.
            context: the context to run in.

        Returns:
            The `Task`.

        Raises:
            TypeError, RuntimeError, RunFinishedError: see `spawn`.
            WouldBlock: ``limit=`` is reached.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         manager.start_soon(giambio.sleep, 0.01)
            >>> giambio.run(main)
        """
        context = context_for("start_soon()", target, args, name, context)
        try:
            self._check_open()
            if self._is_full():
                raise WouldBlock(
                    f"this TaskManager has {self._limit} tasks running, which is its limit; "
                    "`await manager.spawn(...)` waits for a place"
                )
            coro = coroutines.to_coroutine("start_soon()", target, args, keywords)
            return self._launch(coro, name, context)
        except BaseException:
            discard(target)
            raise

    def start(
        self,
        target: Any,
        /,
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **keywords: Any,
    ) -> Operation:
        """Start a task, and wait until it reports that it is ready.

        Parameters:
            target: an async function. It is called with the keyword ``task_status`` too,
                and reports with ``task_status.started(value)``.
            args, keywords: its other arguments.
            name: the task's name; the function's full name by default.
            context: the context to run in; see `spawn`.

        Returns:
            Awaited: the argument of ``started``.

        Raises:
            TypeError: `target` is not a function, or its result cannot be awaited; for
                `name` and `context`, see `spawn`; or `keywords` have ``task_status``.
            RuntimeError: the task ended without calling ``started``; or the block was
                not entered yet.
            RunFinishedError: the block was left already.
            BaseException: the function raised it before it called ``started``; the
                block does not raise it again.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint. Cancelled before ``started``, it cancels the task and joins it.
        It does not wait for a place of ``limit=``.

        Example:
            >>> import giambio
            >>> async def server(task_status):
            ...     task_status.started("port 8080")
            ...     await giambio.sleep(0.01)
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         print(await manager.start(server))
            >>> giambio.run(main)
            port 8080
        """
        context = context_for("start()", target, args, name, context)
        refuse_task_status("start()", target, keywords)
        return Start(self, target, args, keywords, name, context)

    def spawn_threadsafe(
        self,
        target: Any,
        /,
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **keywords: Any,
    ) -> Any:
        """Spawn a task from another thread.

        Parameters:
            target: see `spawn`.
            args, keywords: the arguments for the function.
            name: the task's name.
            context: the context to run in; by default a copy of the caller's.

        Returns:
            A `concurrent.futures.Future` of the task's outcome. Cancelling it
            cancels the task.

        Raises:
            RunFinishedError: the block was left already, or the loop has ended.
            RuntimeError: the block was not entered yet.

        Not a checkpoint. Later errors, such as a target that cannot be awaited, are the
        future's exception; a task that fails makes the block fail too.

        Example:
            >>> import giambio, threading
            >>> async def double(n):
            ...     return n * 2
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         def thread():
            ...             print(manager.spawn_threadsafe(double, 21).result())
            ...         threading.Thread(target=thread).start()
            ...         await giambio.sleep(0.1)
            >>> giambio.run(main)
            42
        """
        from concurrent.futures import Future

        from giambio.tasks.threadsafe import spawn_for_thread

        keywords.update(name=name, context=context)
        return spawn_for_thread(self, target, args, keywords, Future())

    # -- cancelling --------------------------------------------------------------------

    def cancel(self, reason: object = None) -> bool:
        """Cancel the body and all tasks; the block then ends without an error.

        Parameters:
            reason: the ``reason`` of the `CancelledError`.

        Returns:
            False if it was cancelled already.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep_forever)
            ...         manager.cancel()
            ...     return task.cancelled()
            >>> giambio.run(main)
            True
        """
        return self.cancel_scope.cancel(reason)

    def stop(self, *, grace: float, reason: object = None) -> bool:
        """Stop the body and all tasks softly; the block then ends without an error.

        Parameters:
            grace: how many seconds until they are cancelled, from 0 up.
            reason: the ``reason`` of the `CancelledError`.

        Returns:
            False if that has no effect; see `CancelScope.stop`.

        Raises:
            TypeError, ValueError: `grace` is not a number of seconds.
            RuntimeError: called from another thread than the loop's, or where no loop runs.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def worker():
            ...     await giambio.wait_stopping()
            ...     return "the end of the work"
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(worker)
            ...         manager.stop(grace=5)
            ...     return task.result()
            >>> giambio.run(main)
            'the end of the work'
        """
        return self.cancel_scope.stop(grace=grace, reason=reason)

    @property
    def cancel_scope(self) -> CancelScope:
        """The scope around the body and all tasks.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         manager.cancel_scope.deadline = giambio.current_time() + 0.01
            ...         await giambio.sleep_forever()
            ...     return manager.cancel_scope.cancelled_caught
            >>> giambio.run(main)
            True
        """
        scope: CancelScope = self._scope  # type: ignore[assignment]
        return scope

    def __repr__(self) -> str:
        state = ("not entered", "open", "left")[self._state]
        return f"<giambio.TaskManager {state}, {len(self._children)} running>"

    @property
    def loop(self) -> Any:
        """The loop that the tasks run on; None before the block is entered.

        Example:
            >>> import giambio
            >>> giambio.TaskManager().loop is None
            True
        """
        return self._kernel

    # -- the limit ---------------------------------------------------------------------

    def _is_full(self) -> bool:
        """Return whether the limit is reached."""
        if self._promised is None:
            return False
        return len(self._children) + len(self._promised) >= self._limit

    def _pass_place_on(self) -> None:
        """See `TaskGroup._pass_place_on`: promise a free place to the first spawn that waits."""
        if self._waiting and not self._is_full():
            spawn = self._waiting.popleft()
            spawn.promised = True
            self._promised.append(spawn)  # type: ignore[union-attr]  # for there is a limit
            spawn._ready()
        TaskGroup._pass_place_on(self)

    def _mend(self) -> None:
        """See `Supervisor._mend`: a promised place was not told of, or not taken."""
        for spawn in list(self._promised or ()):
            if spawn.is_awaited():
                spawn._ready()
            else:
                spawn.return_place()
        TaskGroup._mend(self)

    def _is_busy(self) -> bool:
        """Return whether there is a task to wait for, or one that will be spawned."""
        return bool(self._children) or bool(self._promised) or bool(self._arriving)


class Spawn(Operation):
    """`TaskManager.spawn`: with a limit it waits for a place."""

    __slots__ = ("_args", "_context", "_keywords", "_manager", "_name", "_target", "promised")

    what = "TaskManager.spawn()"
    internal = True

    _args: tuple[Any, ...]
    _context: contextvars.Context
    _keywords: dict[str, Any]
    _manager: TaskManager
    _name: str | None
    _target: Any
    #: Whether it was woken because there is a place for it now.
    promised: bool

    def attempt(self) -> bool:
        """Spawn, unless there is no place."""
        manager = self._manager
        target = self._target
        try:
            manager._check_open()
            if not self.promised and manager._is_full():
                manager._waiting.append(self)
                return False
            if self.promised:
                self.return_place()
            self._target = None
            coro = coroutines.to_coroutine("spawn()", target, self._args, self._keywords)
            self.result = manager._launch(coro, self._name, self._context)
        except BaseException as exc:
            discard(target)
            if self.promised:
                self.return_place()
            manager._pass_place_on()
            return self.fail(user_part(exc))
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._manager

    def abort(self) -> bool:
        """See `Park.abort`: leave the queue, or give up a promised place."""
        manager = self._manager
        if self.promised:
            self.return_place()
            manager._pass_place_on()
        elif manager._waiting and self in manager._waiting:
            manager._waiting.remove(self)
        return True

    def is_awaited(self) -> bool:
        """Return whether the task that was promised a place has not gone its way without it."""
        task = self.task
        return (
            task is not None
            and task._context is not None
            and (task._parked is None or task._parked is self)
        )

    def return_place(self) -> None:
        """Take the promised place, or leave it to others."""
        self.promised = False
        self._manager._promised.remove(self)  # type: ignore[union-attr]  # for it was promised

    def interruption(self, task: Any) -> BaseException:
        """See `Park.interruption`; a cancelled spawn did not happen."""
        self.discard()
        return Operation.interruption(self, task)

    def discard(self) -> None:
        """See `Operation.discard`."""
        target = self._target
        self._target = None
        discard(target)


final(TaskManager, "(loop=None, *, limit=None, strict=None)")

SPAWNS = FreeList(Spawn)


def new_spawn(
    manager: TaskManager,
    target: Any,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    name: str | None,
    context: contextvars.Context,
) -> Spawn:
    """Make a `Spawn`."""
    operation: Spawn = SPAWNS.take()
    operation.prepare(manager._kernel)
    operation._manager = manager
    operation._target = target
    operation._args = args
    operation._keywords = keywords
    operation._name = name
    operation._context = context
    operation.promised = False
    return operation


def context_for(
    what: str,
    target: Any,
    args: tuple[Any, ...],
    name: str | None,
    context: contextvars.Context | None,
) -> contextvars.Context:
    """Return the context of a new task, after checking its options; see `check_options`."""
    if name is not None or context is not None:
        check_options(what, target, args, name, context)
    return introspect.copy_context() if context is None else context


def check_options(
    what: str,
    target: Any,
    args: tuple[Any, ...],
    name: str | None,
    context: contextvars.Context | None,
) -> None:
    """Close the target and raise, unless a task can have these options.

    Raises:
        TypeError: the name is not a string, or the context not a context, or the target could
            take such a keyword too.
    """
    try:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name= needs a string, not {name!r}")
        if context is not None and not isinstance(context, contextvars.Context):
            raise TypeError(f"context= needs a contextvars.Context, not {context!r}")
        for keyword, value in (("name", name), ("context", context)):
            if value is not None and could_take(target, args, keyword):
                called = coroutines.name_of(target)
                raise TypeError(
                    f"{what}: {keyword}= is the task's, but {called}() could take it too; "
                    f"write {what[:-1]}{called}({keyword}=...)) or functools.partial({called}, "
                    f"{keyword}=...) if it is for the function, and "
                    f"{what[:-1]}{called}(), {keyword}=...) if it is for the task"
                )
    except BaseException:
        discard(target)
        raise
