"""Task managers: the only way to spawn a task, and the place where it ends.

A `TaskManager` is a block that ends when all its tasks have. The first failure
cancels the others, and comes out of the block; nothing is lost and nothing is
printed instead of raised. A manager holds running tasks only, so a server may
spawn in one for years.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from giambio._final import final
from giambio.cancel import CancelScope, leaves
from giambio.errors import (
    RunFinishedError,
    TaskCancelled,
    WouldBlock,
    is_cancellation,
    without_cancellations,
)
from giambio.kernel.coroutines import discard, to_coroutine
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Immediate, Operation
from giambio.kernel.task import Supervisor, Task, current_task
from giambio.kernel.tracebacks import user_part
from giambio.kernel.unchained import Failure, Unchained

__all__ = ["TaskManager", "TaskStatus"]


class TaskManager(Supervisor):
    """A block of tasks: ``async with TaskManager() as manager: ...``

    Parameters:
        loop: the loop to run on; the running one by default. Giving it checks
            that it is the same.
        limit: how many tasks may run at once; no limit by default.
        strict: True raises failures always as an `ExceptionGroup`, False a
            single one as itself; None takes what ``run(strict=…)`` said.

    Leaving the block waits for every task in it, also for those spawned while
    it waits. A failure of the block's body or of a task cancels the others.
    One failure is raised as itself; several as an `ExceptionGroup` (a
    `BaseExceptionGroup` with `KeyboardInterrupt` or `SystemExit` among them).

    Raises:
        TypeError, ValueError: a parameter is not what it must be.
        RuntimeError: on entering: no task runs here, or it runs on another
            loop, or the manager was used before.

    Entering is no checkpoint. Leaving always gives way once; a cancellation
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

    __slots__ = (
        "__weakref__",
        "_cancelled",
        "_errors",
        "_host",
        "_kernel",
        "_leaving",
        "_limit",
        "_places",
        "_state",
        "_stray",
        "_strict",
        "_waiting",
    )

    def __init__(
        self, loop: Any = None, *, limit: int | None = None, strict: bool | None = None
    ) -> None:
        if loop is not None and not isinstance(loop, Kernel):
            raise TypeError(f"TaskManager(loop) needs an EventLoop, not {loop!r}")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise TypeError(f"TaskManager(limit=) needs a whole number or None, not {limit!r}")
        if limit is not None and limit < 1:
            raise ValueError(f"TaskManager(limit=) needs a number from 1 up, not {limit!r}")
        self.children = {}
        self.scope = CancelScope()
        self._kernel: Kernel | None = loop
        self._limit = 0 if limit is None else limit
        self._strict = strict
        self._state = NEW
        self._host: Task | None = None
        self._leaving: Leaving | None = None
        self._errors: list[BaseException] | None = None
        self._cancelled = False
        self._stray = False
        # Spawns that wait for a place, and places promised to those woken.
        self._waiting: deque[Spawn] | None = None
        self._places = 0

    # -- the block -------------------------------------------------------------------

    def __aenter__(self) -> Operation:
        return Entering(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        if isinstance(exc, GeneratorExit):  # the coroutine is being closed, and cannot wait
            self.abandon()
            return Immediate(False)
        leaving = Leaving(self, exc)
        # The plain operation is raised in with `throw`, which chains what it
        # raises to the body's exception; see `unchained`.
        return leaving if exc is None else Unchained(leaving)

    def __enter__(self) -> None:
        raise TypeError("a TaskManager is entered with `async with`, not `with`")

    def __exit__(self, *args: object) -> None:
        raise TypeError("a TaskManager is left with `async with`, not `with`")

    # -- spawning ----------------------------------------------------------------------

    def spawn(
        self,
        target: Any,
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> Operation:
        """Start a task; it runs beside the caller, who gets it at once.

        Parameters:
            target: a coroutine, or any other awaitable; or an async function
                (anything callable that returns an awaitable), to be called
                with `args`.
            args: the arguments for the function.
            name: the task's name; the function's full name by default.
            context: the very context to run in; by default a copy of the
                caller's, as it is now.

        Returns:
            Awaited: the `Task`.

        Raises:
            TypeError: the target cannot be awaited.
            RuntimeError: the block was not entered yet, or a coroutine was
                given that runs already.
            RunFinishedError: the block was left already.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint, which with ``limit=`` waits for a place, first come first
        served. Cancelled, nothing was spawned and the coroutine is closed. A
        spawned task always runs up to its first checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep, 0.01)
            ...     return task.done()
            >>> giambio.run(main)
            True
        """
        return Spawn(self, target, args, name, context_for(context))

    def start_soon(
        self,
        target: Any,
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> Task:
        """Like `spawn`, without awaiting: from sync code, and in one go.

        Parameters:
            target: see `spawn`, as the rest.
            args: the arguments for the function.
            name: the task's name.
            context: the very context to run in.

        Returns:
            The `Task`.

        Raises:
            TypeError, RuntimeError, RunFinishedError: see `spawn`.
            WouldBlock: there is a ``limit=``, and it is reached.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         manager.start_soon(giambio.sleep, 0.01)
            >>> giambio.run(main)
        """
        try:
            self.check_open()
            if self.is_full():
                raise WouldBlock(
                    f"this TaskManager has {self._limit} tasks running, which is its limit; "
                    "`await manager.spawn(...)` waits for a place"
                )
        except BaseException:
            discard(target)
            raise
        return self.launch("start_soon()", target, args, name, context_for(context))

    def start(self, target: Any, *args: Any, name: str | None = None) -> Operation:
        """Start a task and wait until it says that it is ready.

        Parameters:
            target: an async function; it is called with `args` and the keyword
                ``task_status``, and reports with ``task_status.started(value)``.
            args: its other arguments.
            name: the task's name; the function's full name by default.

        Returns:
            Awaited: what was given to ``started``.

        Raises:
            TypeError: the target is not a function, or cannot be awaited.
            RuntimeError: it ended without calling ``started``; or the block was
                not entered yet.
            RunFinishedError: the block was left already.
            BaseException: what the function raised before it called ``started``;
                it comes out here, and not out of the block.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint. Cancelled before ``started``, the task is cancelled too,
        and joined.

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
        return Start(self, target, args, name)

    def spawn_threadsafe(self, target: Any, *args: Any) -> Any:
        """Spawn a task from another thread.

        Parameters:
            target: see `spawn`.
            args: the arguments for the function.

        Returns:
            A `concurrent.futures.Future` of the task's outcome. Cancelling it
            cancels the task.

        Raises:
            RunFinishedError: the block was left already, or the loop has ended.
            RuntimeError: the block was not entered yet.

        Not a checkpoint. What goes wrong later, such as a target that cannot be
        awaited, is the future's exception; a failing task fails the block too.

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
        from giambio.futures import spawn_for_thread

        return spawn_for_thread(self, target, args)

    # -- cancelling ----------------------------------------------------------------------

    def cancel(self, reason: object = None) -> bool:
        """Cancel the body and all the tasks; the block then ends without an error.

        Parameters:
            reason: goes with the `CancelledError`.

        Returns:
            Whether it had an effect: False if it was cancelled already.

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

    @property
    def cancel_scope(self) -> CancelScope:
        """The scope around the body and all the tasks.

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
        scope: CancelScope = self.scope  # type: ignore[assignment]
        return scope

    def __repr__(self) -> str:
        state = ("not entered", "open", "left")[self._state]
        return f"<giambio.TaskManager {state}, {len(self.children)} running>"

    # -- what the operations ask -----------------------------------------------------------

    @property
    def loop(self) -> Any:
        """The loop that the tasks run on, or None before the block is entered.

        Example:
            >>> import giambio
            >>> giambio.TaskManager().loop is None
            True
        """
        return self._kernel

    def check_open(self) -> None:
        """Raise unless tasks can be spawned.

        Raises:
            RuntimeError, RunFinishedError: they cannot; the message says why.
        """
        if self._state == NEW:
            raise RuntimeError(
                "this TaskManager was not entered yet; spawn inside of "
                "`async with TaskManager() as manager:`"
            )
        if self._state == LEFT:
            raise RunFinishedError(
                "this TaskManager's block was left already; spawn while it is open"
            )

    def is_full(self) -> bool:
        """Tell whether the limit is reached."""
        return self._limit != 0 and len(self.children) + self._places >= self._limit

    def launch(
        self,
        what: str,
        target: Any,
        args: tuple[Any, ...],
        name: str | None,
        context: contextvars.Context,
    ) -> Task:
        """Make a task and put it on the run queue."""
        coro = to_coroutine(what, target, args)
        kernel = self._kernel
        if kernel is None:
            raise RuntimeError("unreachable: an open manager has a loop")
        scope = CancelScope()
        task = Task(kernel, coro, context, self, scope, name)
        scope.adopt(task, self.scope)
        task.pending = scope.effective
        self.children[task] = None
        kernel.add_task(task)
        return task

    def open(self, task: Task) -> None:
        """Enter the block."""
        if self._state != NEW:
            raise RuntimeError("this TaskManager was used already; make a new one for each block")
        kernel = task.kernel
        if self._kernel is not None and self._kernel is not kernel:
            raise RuntimeError(
                "this TaskManager was made for another loop than the one that runs this task"
            )
        self._kernel = kernel
        self.cancel_scope.enter(task)
        self._state = OPEN
        self._host = task
        self.hold(task)

    def hold(self, task: Task) -> None:
        """Stand on the host's list of open managers, so that cancelling finds us."""
        if task.supervisors is None:
            task.supervisors = []
        task.supervisors.append(self)

    def child_exited(self, task: Task) -> None:
        """See `Supervisor.child_exited`."""
        del self.children[task]
        if task.own_scope is not None:
            disown(task.own_scope)
        if task.failed():
            self.add_error(task.failure())
        elif task.cancelled() and self.scope is not None and self.scope.effective:
            self._cancelled = True
        if self._waiting:
            self._hand_over_place()
        if not self.children and self._leaving is not None:
            self._leaving.ready()

    def add_error(self, exc: BaseException) -> None:
        """Note a real failure: the rest is cancelled."""
        if self._errors is None:
            self._errors = []
        self._errors.append(exc)
        self.cancel_scope.cancel("another task of the manager has failed")

    def wait_for_place(self, spawn: Spawn) -> None:
        """Stand in line."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(spawn)

    def leave_line(self, spawn: Spawn) -> None:
        """Give up one's place in the line, or the place one was promised."""
        if self._waiting is not None and spawn in self._waiting:
            self._waiting.remove(spawn)
        elif spawn.promised:
            spawn.promised = False
            self._places -= 1
            self._hand_over_place()

    def _hand_over_place(self) -> None:
        """Promise a free place to the first in line."""
        if self._waiting and not self.is_full():
            spawn = self._waiting.popleft()
            spawn.promised = True
            self._places += 1
            spawn.ready()

    def begin_leaving(self, leaving: Leaving, body: BaseException | None) -> None:
        """The body has ended; it counts as one of the children."""
        host = self._host
        if host is None or self._state != OPEN:
            raise RuntimeError("this TaskManager is left, but was not entered")
        self.cancel_scope.check_leaving()
        self._leaving = leaving
        if body is not None:
            real = without_cancellations(body)
            if real is None:
                self._cancelled = True
                if not self.cancel_scope.effective:
                    # Not ours, then, and not from outside: raised by hand. The
                    # tasks don't know of it, and it must not end here.
                    self._stray = True
                    self.cancel_scope.cancel("the manager's block was cancelled")
            else:
                self.add_error(real)

    def abandon(self) -> None:
        """The host's coroutine is closed: there is no loop to wait with."""
        self._state = LEFT
        self.cancel_scope.abandon()

    def finish(self, body: BaseException | None) -> Any:
        """All have ended: leave the scope, and say how the block ends.

        Returns:
            True or False for `__aexit__` to return, or a `Failure` to raise.
        """
        self._state = LEFT
        self._leaving = None
        host = self._host
        self._host = None
        errors = unique(self._errors)
        self._errors = None
        cancelled = self._cancelled or (body is not None and is_cancellation(body))
        caught = self.cancel_scope.leave(cancelled and not errors and not self._stray)
        if host is None:
            return False
        host.supervisors.remove(self)  # type: ignore[union-attr]
        if errors:
            return self._failure(errors, body)
        if not cancelled or caught:
            return caught and body is not None
        if body is not None:
            return False  # the cancellation goes on as it came
        if not host.pending:
            return False
        return Failure(host.interruption())

    def _failure(self, errors: list[BaseException], body: BaseException | None) -> Any:
        strict = self._strict
        if strict is None:
            strict = self._kernel is not None and self._kernel.strict
        if len(errors) == 1 and not strict:
            error = errors[0]
        else:
            error = BaseExceptionGroup("several tasks of a TaskManager failed", errors)
            if len(errors) == 1:
                error = BaseExceptionGroup("a task of a TaskManager failed", errors)
        return False if error is body else Failure(error)


NEW = 0
OPEN = 1
LEFT = 2


class Entering(Operation):
    """``async with``: no checkpoint, and never waits."""

    __slots__ = ("_manager",)

    what = "TaskManager.__aenter__()"

    def __init__(self, manager: TaskManager) -> None:
        self.prepare(None)
        self._manager = manager

    def advance(self) -> bool:
        """Enter."""
        self.bind()
        self._manager.open(current_task())
        self.result = self._manager
        return True


class Leaving(Operation):
    """The end of the block: waits for the tasks, and cannot be cancelled itself.

    A cancellation from outside reaches the tasks by themselves. What is
    injected into the host (an interrupt, the error of a callback) counts as a
    failure of the body.
    """

    __slots__ = ("_body", "_begun", "_manager", "_yielded")

    what = "TaskManager.__aexit__()"

    def __init__(self, manager: TaskManager, body: BaseException | None) -> None:
        self.prepare(None)
        self.shielded = True
        self._manager = manager
        self._body = body
        self._begun = False
        self._yielded = False

    def attempt(self) -> bool:
        """Done when no task is left, and others have had their turn once."""
        task = self.task
        manager = self._manager
        if not self._begun:
            self._begun = True
            manager.begin_leaving(self, self._body)
            self._take_injected()
        if manager.children:
            self._yielded = True
            return False
        if not self._yielded and self.kernel is not None and task is not None:
            self._yielded = True
            self.kernel.enqueue(task)
            return False
        self._take_injected()
        if manager.children:
            return False
        body = self._body
        self._body = None
        outcome = manager.finish(body)
        if body is None and isinstance(outcome, Failure):
            return self.fail(outcome.exception)
        self.result = outcome
        return True

    def abort(self) -> bool:
        """Not now: the tasks are cancelled too, and the last one wakes us."""
        self._take_injected()
        return False

    def _take_injected(self) -> None:
        task = self.task
        if task is not None and task.injected:
            for exc in task.injected:
                self._manager.add_error(exc)
            task.injected = None
            task.pending = task.cancelled_from_outside()


class Spawn(Operation):
    """One spawn; with a limit it waits for a place."""

    __slots__ = ("_args", "_context", "_manager", "_name", "_target", "promised")

    what = "TaskManager.spawn()"

    def __init__(
        self,
        manager: TaskManager,
        target: Any,
        args: tuple[Any, ...],
        name: str | None,
        context: contextvars.Context,
    ) -> None:
        self.prepare(None)
        self._manager = manager
        self._target = target
        self._args = args
        self._name = name
        self._context = context
        self.promised = False

    def bind(self) -> Any:
        """See `Operation.bind`; the manager's loop must be the running one."""
        self.kernel = self._manager._kernel
        return Operation.bind(self)

    def attempt(self) -> bool:
        """Spawn, unless there is no place."""
        manager = self._manager
        target = self._target
        try:
            manager.check_open()
            if not self.promised and manager.is_full():
                manager.wait_for_place(self)
                return False
            if self.promised:
                self.promised = False
                manager._places -= 1
            self._target = None
            self.result = manager.launch("spawn()", target, self._args, self._name, self._context)
        except BaseException as exc:
            discard(target)
            return self.fail(user_part(exc))
        return True

    def abort(self) -> bool:
        """Give the place up, and close what was given."""
        self._manager.leave_line(self)
        return True

    def interruption(self, task: Any) -> BaseException:
        """See `Park.interruption`; a cancelled spawn did not happen."""
        self.discard()
        return Operation.interruption(self, task)

    def discard(self) -> None:
        """See `Operation.discard`."""
        target = self._target
        self._target = None
        discard(target)


class Start(Operation):
    """`TaskManager.start`: waits until the task reports, or has ended."""

    __slots__ = ("_args", "_launched", "_manager", "_name", "_starting", "_target")

    what = "TaskManager.start()"

    def __init__(
        self, manager: TaskManager, target: Any, args: tuple[Any, ...], name: str | None
    ) -> None:
        self.prepare(None)
        self._manager = manager
        self._target = target
        self._args = args
        self._name = name
        self._starting: Starting | None = None

    def attempt(self) -> bool:
        """Start the task the first time; done when it has reported or ended."""
        starting = self._starting
        if starting is None:
            try:
                self._manager.check_open()
                self._launch()
            except BaseException as exc:
                discard(self._target)
                return self.fail(user_part(exc))
            return False
        error = starting.error
        if error is not None:
            return self.fail(error)
        if not starting.reported:
            return False
        self.result = starting.value
        return True

    def abort(self) -> bool:
        """Not now: the task is in the caller's scopes and is cancelled as well."""
        return False

    def _launch(self) -> None:
        starting = Starting(self._manager, self)
        host = current_task()
        status = TaskStatus(starting)
        target = self._target
        if not callable(target):
            raise TypeError(
                f"start() needs an async function that takes task_status, not {target!r}; "
                "write start(function, argument, ...)"
            )

        def call(*args: Any) -> Any:
            return target(*args, task_status=status)

        coro = to_coroutine("start()", call, self._args)
        starting.begin(host, coro, self._name)
        self._starting = starting
        # From here on the task's end decides, also when the caller is cancelled.
        self.shielded = True


class Starting(Supervisor):
    """Holds a task between `start` and `started`, for the one who waits."""

    __slots__ = ("_host", "_manager", "_operation", "error", "reported", "value")

    def __init__(self, manager: TaskManager, operation: Start) -> None:
        self.children = {}
        self.scope = None
        self._manager = manager
        self._operation: Start | None = operation
        self._host: Task | None = None
        self.error: BaseException | None = None
        self.reported = False
        self.value: Any = None

    def begin(self, host: Task, coro: Any, name: str | None) -> None:
        """Run the task inside the scopes of the one who waits."""
        self._host = host
        self.scope = host.scope
        kernel = host.kernel
        if kernel is None:
            raise RuntimeError("unreachable: a running task has a loop")
        scope = CancelScope()
        task = Task(kernel, coro, contextvars.copy_context(), self, scope, name)
        scope.adopt(task, self.scope)
        task.pending = scope.effective
        self.children[task] = None
        if host.supervisors is None:
            host.supervisors = []
        host.supervisors.append(self)
        kernel.add_task(task)

    def started(self, value: Any) -> None:
        """The task is ready: it moves to the manager."""
        if self.reported:
            raise RuntimeError("task_status.started() was called a second time")
        if self._operation is None:
            raise RuntimeError("task_status.started() was called after the task had ended")
        self._manager.check_open()
        self.reported = True
        self.value = value
        for task in list(self.children):
            self.children.clear()
            manager = self._manager
            manager.children[task] = None
            task.supervisor = manager
            adopt_by(task, manager.cancel_scope)
        self._end()

    def child_exited(self, task: Task) -> None:
        """See `Supervisor.child_exited`: it has ended without reporting."""
        self.children.clear()
        if task.own_scope is not None:
            disown(task.own_scope)
        if task.failed():
            self.error = task.failure()
        elif task.cancelled():
            host = self._host
            if host is not None and host.cancelled_from_outside():
                self.error = host.cancellation()
            else:
                self.error = TaskCancelled(f"task {task.name!r} was cancelled before it was ready")
        else:
            self.error = RuntimeError(
                f"task {task.name!r} ended without calling task_status.started()"
            )
        self._end()

    def _end(self) -> None:
        host = self._host
        operation = self._operation
        self._host = None
        self._operation = None
        if host is not None and host.supervisors is not None:
            host.supervisors.remove(self)
        if operation is not None:
            operation.ready()


class TaskStatus:
    """What `TaskManager.start` gives to a function, to report with.

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

    def __init__(self, starting: Starting) -> None:
        self._starting = starting

    def started(self, value: Any = None) -> None:
        """Report that the task is ready; `start` returns `value`.

        Parameters:
            value: anything; None by default.

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


final(TaskManager, "(loop=None, *, limit=None, strict=None)")
final(TaskStatus, "(starting)")


def context_for(context: contextvars.Context | None) -> contextvars.Context:
    """The context of a new task."""
    if context is None:
        return contextvars.copy_context()
    if not isinstance(context, contextvars.Context):
        raise TypeError(f"context= needs a contextvars.Context, not {context!r}")
    return context


def disown(scope: Any) -> None:
    """Let go of a task that has ended."""
    scope.disown()


def adopt_by(task: Task, scope: CancelScope) -> None:
    """Move a task below another scope."""
    own: CancelScope = task.own_scope  # type: ignore[assignment]
    own.reparent(scope)


def unique(errors: list[BaseException] | None) -> list[BaseException]:
    """Each failure once, by identity, also where it came inside of a group."""
    if not errors:
        return []
    seen: set[int] = set()
    result: list[BaseException] = []
    for error in errors:
        rest = without_seen(error, seen)
        if rest is not None:
            seen.update(map(id, leaves(rest)))
            result.append(rest)
    return result


def without_seen(error: BaseException, seen: set[int]) -> BaseException | None:
    """What is left of an exception without those that were seen."""
    if not isinstance(error, BaseExceptionGroup):
        return None if id(error) in seen else error
    if not any(id(leaf) in seen for leaf in leaves(error)):
        return error
    rest: BaseException | None = error.split(
        lambda exc: not isinstance(exc, BaseExceptionGroup) and id(exc) in seen
    )[1]
    return rest
