"""Task managers: the only way to spawn a task, and the place where it ends.

A `TaskManager` is a block that ends when all its tasks have. The first failure
cancels the others, and comes out of the block; nothing is lost and nothing is
printed instead of raised. A manager holds running tasks only, so a server may
spawn in one for years.
"""

from __future__ import annotations

import contextvars
import sys
import types
from collections import deque
from types import TracebackType
from typing import Any

from giambio._final import final
from giambio.cancel import CancelScope
from giambio.errors import (
    RunFinishedError,
    TaskCancelled,
    WouldBlock,
    is_cancellation,
    without_cancellations,
)
from giambio.groups import unique
from giambio.kernel import current
from giambio.kernel.coroutines import discard, to_coroutine
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Immediate, Operation
from giambio.kernel.task import Supervisor, Task, current_task
from giambio.kernel.tracebacks import Raised, user_part
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
        "_body",
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
        "arriving",
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
        self._limit = 0 if limit is None else min(limit, sys.maxsize)
        self._strict = strict
        self._state = NEW
        self._host: Task | None = None
        self._leaving: Leaving | None = None
        self._errors: list[Raised] | None = None
        self._body: Raised | None = None
        self._cancelled = False
        self._stray = False
        # Spawns that wait for a place, and places promised to those woken.
        self._waiting: deque[Spawn] | None = None
        self._places = 0
        # As many items as there are spawns on their way from other threads: a
        # list, because its methods are atomic.
        self.arriving: list[None] = []

    # -- the block -------------------------------------------------------------------

    def __aenter__(self) -> Operation:
        return Entering(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        if isinstance(exc, GeneratorExit) and not self._host_runs():
            # The host's coroutine is being closed from outside, and cannot wait.
            self.abandon()
            return Immediate(False)
        # What a plain operation fails with is raised with `throw`, which chains
        # it to the exception that is being handled there; see `unchained`.
        chained = exc is None and sys.exc_info()[1] is None
        leaving = Leaving(self, exc, chained)
        return leaving if chained else Unchained(leaving)

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
        return Spawn(self, target, args, name, context_for(context, target))

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
        context = context_for(context, target)
        try:
            self.check_open()
            if self.is_full():
                raise WouldBlock(
                    f"this TaskManager has {self._limit} tasks running, which is its limit; "
                    "`await manager.spawn(...)` waits for a place"
                )
            return self.launch("start_soon()", target, args, name, context)
        except BaseException:
            discard(target)
            raise

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
        and joined. It does not wait for a place of ``limit=``.

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
            real = without_cancellations(task.failure())
            if real is not None:
                self.add_error(real)
        elif task.cancelled() and self.scope is not None and self.scope.effective:
            self._cancelled = True
        self.pass_place_on()

    def add_error(self, exc: BaseException) -> None:
        """Note a real failure: the rest is cancelled."""
        if self._errors is None:
            self._errors = []
        self._errors.append(Raised(exc))
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
            self.pass_place_on()

    def pass_place_on(self) -> None:
        """A place is free: promise it to the first in line, or end if there is none."""
        if self._waiting and not self.is_full():
            spawn = self._waiting.popleft()
            spawn.promised = True
            self._places += 1
            spawn.ready()
        if self._leaving is not None and not self.is_busy():
            self._leaving.ready()

    def is_busy(self) -> bool:
        """Tell whether there is something to wait for: a task, or one that will come."""
        return bool(self.children) or self._places > 0 or bool(self.arriving)

    def begin_leaving(self, leaving: Leaving, body: BaseException | None) -> None:
        """The body has ended; it counts as one of the children."""
        host = self._host
        if host is None or self._state != OPEN:
            problem = "but was not entered" if self._state == NEW else "but was left already"
            raise RuntimeError(f"this TaskManager is left, {problem}")
        try:
            self.cancel_scope.check_leaving()
        except RuntimeError as exc:
            if not self._host_runs():
                raise
            # A scope is still open inside: that is raised when the tasks are joined.
            self.add_error(exc)
        self._leaving = leaving
        if body is not None:
            self._body = Raised(body)
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
        """The host's coroutine is closed: there is nobody left to wait."""
        self._state = LEFT
        self.cancel_scope.cancel("the task that opened the TaskManager was closed")
        self.cancel_scope.abandon()

    def _host_runs(self) -> bool:
        """Tell whether it is the host that calls."""
        kernel = current.get()
        return kernel is not None and kernel.running is self._host

    def finish(self, body: BaseException | None) -> Any:
        """All have ended: leave the scope, and say how the block ends.

        Returns:
            True or False for `__aexit__` to return, or a `Failure` to raise.
        """
        self._state = LEFT
        self._leaving = None
        host = self._host
        self._host = None
        errors = self._restored_errors()
        self._errors = None
        cancelled = self._cancelled or (body is not None and is_cancellation(body))
        caught = self.cancel_scope.leave(cancelled and not errors and not self._stray)
        if host is None:
            return False
        host.supervisors.remove(self)  # type: ignore[union-attr]
        if errors:
            failure = self._failure(errors, body)
            self._body = None
            return failure
        self._body = None
        if not cancelled or caught:
            return caught and body is not None
        if body is not None:
            return False  # the cancellation goes on as it came
        if not host.pending:
            return False
        return Failure(host.interruption())

    def _restored_errors(self) -> list[BaseException]:
        """The failures, each once, as they were raised the first time."""
        if self._errors is None:
            return []
        # The last ones first, because the same error may have been raised again.
        return unique([raised.restored() for raised in self._errors[::-1]][::-1])

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
        if error is not body:
            return Failure(error)
        if self._body is not None:
            self._body.restored()
        return False


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

    __slots__ = ("_begun", "_body", "_chained", "_manager", "_yielded")

    what = "TaskManager.__aexit__()"

    def __init__(self, manager: TaskManager, body: BaseException | None, chained: bool) -> None:
        self.prepare(None)
        self.shielded = True
        self._manager = manager
        self._body = body
        # Whether it may raise by itself; if not, `Unchained` does.
        self._chained = chained
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
        if manager.is_busy():
            self._yielded = True
            return False
        if not self._yielded and self.kernel is not None and task is not None:
            self._yielded = True
            self.kernel.enqueue(task)
            return False
        self._take_injected()
        if manager.is_busy():
            return False
        body = self._body
        self._body = None
        outcome = manager.finish(body)
        if self._chained and isinstance(outcome, Failure):
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
        self._manager = manager
        self.prepare(self._manager._kernel)
        self._target = target
        self._args = args
        self._name = name
        self._context = context
        self.promised = False

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
            manager.pass_place_on()
            return self.fail(user_part(exc))
        return True

    def abort(self) -> bool:
        """Give the place up."""
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
        self._manager = manager
        self.prepare(self._manager._kernel)
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
            starting.error = None  # the failing frame holds a `TaskStatus`, which holds this
            return self.fail(error)
        if not starting.reported:
            return False
        self.result = starting.value
        return True

    def abort(self) -> bool:
        """Not now: the task is in the caller's scopes and is cancelled as well."""
        if self._starting is not None and self.task is not None and self.task.injected:
            self._starting.interrupt()
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

        coro = to_coroutine("start()", target, self._args, {"task_status": status})
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
        if self._host is None:
            raise RuntimeError("task_status.started() was called before the task had begun")
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

    def interrupt(self) -> None:
        """An exception was injected into the one who waits: it waits no more."""
        for task in list(self.children):
            task.cancel("the task that waits for it in start() was interrupted")

    def child_exited(self, task: Task) -> None:
        """See `Supervisor.child_exited`: it has ended without reporting."""
        self.children.clear()
        if task.own_scope is not None:
            disown(task.own_scope)
        if task.failed():
            self.error = task.failure()
        elif task.cancelled():
            host = self._host
            if host is not None and (host.injected or host.cancelled_from_outside()):
                self.error = host.interruption()
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

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

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


def context_for(context: contextvars.Context | None, target: Any) -> contextvars.Context:
    """The context of a new task."""
    if context is None:
        return contextvars.copy_context()
    if not isinstance(context, contextvars.Context):
        discard(target)
        raise TypeError(f"context= needs a contextvars.Context, not {context!r}")
    return context


def disown(scope: Any) -> None:
    """Let go of a task that has ended."""
    scope.disown()


def adopt_by(task: Task, scope: CancelScope) -> None:
    """Move a task below another scope."""
    own: CancelScope = task.own_scope  # type: ignore[assignment]
    own.reparent(scope)
