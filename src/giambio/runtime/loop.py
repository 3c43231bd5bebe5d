"""The event loop: the kernel with a beginning and an end.

`start` is `begin`, turns until the main task is done, and `end`. Each of them
can be called by itself, so that a test can drive a loop turn by turn.
"""

from __future__ import annotations

import contextvars
import os
import socket
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterable
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from giambio._build.sealed import final
from giambio._build.selection import is_set
from giambio.arguments import check_number, check_seconds
from giambio.errors import TaskCancelled
from giambio.inspect.deadlocks import DeadlockDetector
from giambio.inspect.watchdog import Watchdog
from giambio.kernel import current
from giambio.kernel.closed_from_outside import closing_from_outside
from giambio.kernel.coroutines import discard, to_coroutine
from giambio.kernel.introspect import is_awaitable
from giambio.kernel.kernel import Kernel, check_no_loop_runs, copy_or
from giambio.kernel.operation import current_kernel
from giambio.kernel.task import Supervisor, Task
from giambio.kernel.tracebacks import user_part
from giambio.kernel.unraisable import report_unraisable
from giambio.runtime.asyncgens import AsyncGenerators
from giambio.runtime.recovery import with_descendants
from giambio.runtime.sigint import Interrupts, checked_signals
from giambio.tasks.cancel import new_task
from giambio.tasks.system_tasks import SystemTasks

if TYPE_CHECKING:
    from giambio.drivers.driver import Driver
    from giambio.net.socket import AsyncSocket

__all__ = ["EventLoop", "current_loop", "run", "running_loops"]

#: What GIAMBIO_DEBUG=1, and `python -X dev`, take for `slow_step`, in seconds.
DEBUG_SLOW_STEP = 0.1

#: How many seconds a program may go on after a stop signal, by default.
GRACE = 10.0

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Root(Supervisor):
    """The supervisor of the main task, and of tasks left in a manager that was never left."""

    def __init__(self) -> None:
        super().__init__()
        # The failures of the tasks that were left behind, and came too late for the main task.
        self.failures: list[BaseException] = []

    def _child_exited(self, task: Task) -> None:
        """See `Supervisor._child_exited`."""
        del self._children[task]
        if task._failed() and task._kernel is not None and task is not task._kernel._main:
            self._add_failure(task._failure())

    def _add_failure(self, exc: BaseException) -> None:
        """See `Supervisor._add_failure`: the main task fails, as by an error of a callback."""
        for task in self._children:
            if not task.done() and task._kernel is not None and task is task._kernel._main:
                task._kernel._crash(exc)
                return
        self.failures.append(exc)


class EventLoop(Kernel):
    """An event loop: it runs one main task, and all that this one spawns.

    Parameters:
        driver: ``"epoll"`` or ``"selectors"``; by default the best one here. Or a
            `giambio.drivers.Driver`, for this loop alone and one run of it.
        clock: the source of time, an object like `giambio.Clock`; the
            system's monotonic clock by default.
        strict: the meaning of ``TaskManager(strict=None)`` in this loop.
        threads: False turns every use of a thread that was not asked for by
            name (resolving a host name) into an error.
        seed: a whole number makes the schedule random: which of the ready tasks runs
            first, and how long. The same seed gives the same run. By default tasks run in
            turn, unless the environment has ``GIAMBIO_SEED``.
        detect_deadlocks: False lets `start` wait for ever when every task waits for
            another one; by default that is a `DeadlockError`.
        slow_step: seconds after which a task that does not yield control is logged, while it
            holds the loop, with its place (logger ``giambio``; a thread watches). By
            default nobody watches, unless the environment has ``GIAMBIO_DEBUG=1``, or Python
            is in its development mode (``python -X dev``): then it is 0.1.

    It opens no descriptor before it is started, and keeps none afterwards. It
    may be started again after it has ended.

    Raises:
        ValueError: there is no driver of that name here, or `slow_step` is no time.
        TypeError: `seed` or `slow_step` is no number.

    Example:
        >>> import giambio
        >>> async def main(name):
        ...     return f"hello, {name}"
        >>> giambio.EventLoop().start(main, "world")
        'hello, world'
    """

    __slots__ = (
        "_asyncgens",
        "_detect_deadlocks",
        "_interrupts",
        "_main_context",
        "_root",
        "_slow_step",
        "_system_tasks",
        "_threads",
        "_what",
    )

    def __init__(
        self,
        *,
        driver: str | Driver | None = None,
        clock: Any = None,
        strict: bool = False,
        threads: bool = True,
        seed: int | None = None,
        detect_deadlocks: bool = True,
        slow_step: float | None = None,
    ) -> None:
        super().__init__(driver, clock, strict, seed)
        self._threads = threads
        self._detect_deadlocks = detect_deadlocks
        self._slow_step = slow_step_or_default(slow_step, is_debugging())
        self._asyncgens = AsyncGenerators(self)
        self._asyncgen_hooks = self._asyncgens.hooks()
        self._system_tasks = SystemTasks(self)
        self._root = Root()
        self._interrupts: Interrupts | None = None
        # How its user starts it, for messages.
        self._what = "start"
        # The context of the main task, not copied; by default a copy of the caller's.
        self._main_context: contextvars.Context | None = None

    # -- the whole run -----------------------------------------------------------

    def start(
        self,
        main: Callable[[Unpack[Ts]], Awaitable[T]],
        *args: Unpack[Ts],
        stop_signals: Iterable[int] = (),
        grace: float = GRACE,
    ) -> T:
        """Run an async function until it is done.

        Parameters:
            main: an async function, not its coroutine: note the absence of
                parentheses.
            args: its arguments.
            stop_signals: signals, such as `signal.SIGTERM`, that end the run. The first one
                stops `main` softly, see `CancelScope.stop`; a second one cancels it. The
                signal's name is the reason.
            grace: how many seconds after the first stop signal `main` is cancelled; 10 by
                default, and `math.inf` for never.

        Returns:
            The result of `main`; None if a stop signal has cancelled it, and it let that pass.

        Raises:
            BaseException: `main` raised it.
            KeyboardInterrupt: after Ctrl-C, when `main` has cleaned up.
            DeadlockError: every task waits for another one, and `main` let that pass.
            TaskCancelled: `main` was cancelled by something else, and let that pass.
            TypeError: `main` is a coroutine or returned nothing awaitable.
            TypeError, ValueError: `stop_signals` or `grace` is wrong.
            RuntimeError: this loop runs already, or another one in this thread.
            RunFinishedError: the loop is closed.

        Example:
            >>> import giambio
            >>> async def main(a, b):
            ...     return a + b
            >>> giambio.EventLoop().start(main, 1, 2)
            3
        """
        try:
            signals = checked_signals(stop_signals)
            check_seconds(f"{self._what}()", "grace", grace)
        except BaseException:
            discard(main)
            raise
        interrupts: Any = None
        watchdog = None
        was_idle = self._main is None
        try:
            task = self.begin(main, *args)
            interrupts = self._interrupts = Interrupts(self, task, signals, grace)
            interrupts.install()
            if self._slow_step is not None:
                watchdog = Watchdog(self, self._slow_step).start()
            if self._detect_deadlocks:
                self._idle.watch_for_deadlock(DeadlockDetector(self).look)
            problem = self._finish(task, interrupts)
        finally:
            if interrupts is not None:
                interrupts.restore()
            if was_idle:
                self._give_up()  # if it could not begin, or was interrupted, or for want of memory
                self._interrupts = None
                self._idle.watch_for_deadlock(None)
            if watchdog is not None:
                watchdog.stop()
        if interrupts.count and not isinstance(problem, KeyboardInterrupt):
            interrupt = KeyboardInterrupt()
            if not (task.cancelled() and isinstance(problem, TaskCancelled)):  # by that Ctrl-C
                interrupt.__context__ = problem
            problem = interrupt
        try:
            if problem is not None:
                raise problem
            if interrupts.stopped(task):
                return None  # type: ignore[return-value]
            result: T = task.result()
            return result
        finally:
            del problem, task, interrupts

    def begin(self, main: Callable[[Unpack[Ts]], Awaitable[T]], *args: Unpack[Ts]) -> Task[T]:
        """Set the loop up and make the main task, without running it.

        For driving a loop turn by turn: `begin`, `turn` until the task is
        done, `end`. Signals stay as they are.

        Parameters:
            main: an async function.
            args: its arguments.

        Returns:
            The main `Task`.

        Raises:
            TypeError: `main` is a coroutine or returned nothing awaitable.
            RuntimeError: this loop runs already, or another one in this thread.
            RunFinishedError: the loop is closed.

        Example:
            >>> import giambio
            >>> loop = giambio.EventLoop()
            >>> task = loop.begin(giambio.sleep, 0)
            >>> while not task.done():
            ...     loop.turn()
            >>> loop.end()
        """
        try:
            self._check_open()
            if self._main is not None:
                if self._driver is None:
                    raise self._not_begun()  # in a forked child
                raise RuntimeError("this loop runs already; it can run one main task at a time")
            check_no_loop_runs()
            check_function(self._what, main)
        except BaseException:
            discard(main)
            raise
        coro = to_coroutine(f"{self._what}()", main, args, None)
        try:
            self._open()
            open_loops.add(self)
            task = new_task(self, coro, copy_or(self._main_context), self._root, None)
            self._main = task
            self._add_task(task)
        except BaseException:
            coro.close()
            self._tear_down()
            raise
        return task

    def end(self) -> Any:
        """Tear a loop down that was begun with `begin`.

        Returns:
            The result of the main task.

        Raises:
            BaseException: the main task raised it.
            RuntimeError: it has not ended yet, or the loop was not begun, or
                this is called inside of a turn.

        Example:
            >>> import giambio
            >>> async def main():
            ...     return "done"
            >>> loop = giambio.EventLoop()
            >>> task = loop.begin(main)
            >>> loop.turn()
            >>> loop.end()
            'done'
        """
        task: Task | None = self._main
        if task is None:
            raise RuntimeError("end(): this loop has not begun; call begin(main) first")
        check_no_loop_runs()
        if not task.done():
            raise RuntimeError(
                f"end(): the main task {task.name!r} has not ended; call turn() until "
                "task.done(), after task.cancel() if it is not to go on"
            )
        problem = self._finish(task)
        if problem is not None:
            raise problem
        return task.result()

    def close(self) -> None:
        """Close the loop for good; idempotent. It may not be running.

        Raises:
            RuntimeError: it is running.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.EventLoop().close()
        """
        if self._main is not None and self._driver is not None:
            raise RuntimeError("close(): this loop is running; close it after start() has ended")
        self._closed = True
        self._drop_everything()

    # -- sockets -------------------------------------------------------------------

    def wrap_socket(self, sock: socket.socket) -> AsyncSocket:
        """Make an `AsyncSocket` of a socket, for use in this loop's tasks.

        Parameters:
            sock: a stream socket of any state. It becomes non-blocking and
                belongs to the `AsyncSocket` from now on.

        Returns:
            A new `AsyncSocket`.

        Raises:
            TypeError: it is no stream socket.
            ValueError: it is closed, or was wrapped already.
            RunFinishedError: the loop is closed.

        Works inside and outside of a running task. Not a checkpoint.

        Example:
            >>> import giambio, socket
            >>> loop = giambio.EventLoop()
            >>> with loop.wrap_socket(socket.socket()) as sock:
            ...     print(sock)
            <giambio.AsyncSocket IPv4 stream>
        """
        from giambio.net.socket import wrap

        self._check_open()
        return wrap(self, sock)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._main else "idle"
        return f"<giambio.EventLoop {state}>"

    # -- inside ----------------------------------------------------------------------

    def _roots(self) -> list[Any]:
        """See `Kernel._roots`: there are also the system tasks."""
        return [
            *self._root._children,
            *self._guests_tasks(),
            *self._system_tasks._children,
            *self._asyncgens._children,
        ]

    def _guests_tasks(self) -> list[Task]:
        return [] if self._guest is None else self._guest._roots()

    def _give_up(self) -> None:
        """End a run whose main task has not ended, and close the tasks.

        For code that drives the loop by turns and cannot go on.
        """
        if self._main is not None:
            self._abandon(self._main)
            self._tear_down()

    def _finish(self, task: Task, interrupts: Interrupts | None = None) -> BaseException | None:
        """Run to the end, and release everything.

        Parameters:
            task: the main task.
            interrupts: the signal handlers of the run, if it has any.

        Returns:
            The exception that ends the run, or None.
        """
        try:
            try:
                self._run_to_the_end(task)
                stopped = interrupts is not None and interrupts.stopped(task)
                failure = None if stopped else failure_of(task)
            except BaseException as exc:
                failure = exc
            # Exceptions of callbacks that came too late for the main task.
            problems = [failure] if failure is not None else []
            problems += [exc for exc in self._undelivered() if exc is not failure]
            problems += self._root.failures
            self._root.failures = []
            if len(problems) > 1:
                return BaseExceptionGroup(
                    "the main task failed, and so did callbacks or tasks left behind", problems
                )
            return problems[0] if problems else None
        finally:
            failure = problems = None  # type: ignore[assignment]
            if interrupts is not None:
                interrupts.release_wakeup()
            self._tear_down()
            del task, interrupts  # a failed frame holds this one by its `f_back`, from 3.12 on

    def _run_to_the_end(self, task: Task) -> None:
        """Run until the main task, and those that close async generators, have ended."""
        closers = self._asyncgens._children
        try:
            self._run_until_exit(task)
            if self._root._children:
                self._run_until_exit(task, lambda: not self._root._children)
            self._run_inbox()
            self._end_guest(task)
            self._end_system_tasks(task)
            while closers or self._asyncgens.close_alive():
                self._run_until_exit(task, lambda: not closers)
                self._run_inbox()
        except BaseException:
            self._abandon(task)
            raise
        finally:
            del task

    def _end_guest(self, task: Task) -> None:
        """Have the loop of another library end its tasks, and run until it has."""
        guest = self._guest
        if guest is not None:
            guest._shut_down()
            self._run_until_exit(task, lambda: not guest._roots())
            self._run_inbox()

    def _end_system_tasks(self, task: Task) -> None:
        """Cancel the system tasks, which have nothing left to do, and run until they have ended."""
        children = self._system_tasks._children
        while children:
            self._system_tasks.cancel()
            self._run_until_exit(task, lambda: not children)
            self._run_inbox()

    def _abandon(self, main: Task) -> None:
        """Close all remaining tasks, children first, because the loop was interrupted."""
        with closing_from_outside():
            while left := self._unfinished(main):  # again, because a clean-up may spawn tasks
                for task in reversed(left):
                    try:
                        task._abandon()
                    except BaseException as exc:
                        report_unraisable(exc, "closing an interrupted task", task)
        self._asyncgens._children.clear()
        self._system_tasks._children.clear()

    def _unfinished(self, main: Task) -> list[Task]:
        """Return the tasks that have not ended, in the opposite order of closing them."""
        others = [task for task in self._root._children if task is not main]
        others += self._guests_tasks()
        last = [*self._system_tasks._children, *self._asyncgens._children]
        return [task for task in with_descendants([main, *others, *last]) if not task.done()]

    def _after_fork(self) -> None:
        """See `Kernel._after_fork`; the signals are the child's own as well."""
        if self._interrupts is not None:
            self._interrupts.restore()
        super()._after_fork()

    def _tear_down(self) -> None:
        try:
            if current.get() is self:  # interrupted while it was leaving the thread
                current.swap(None)
            self._root._children.clear()
            open_loops.discard(self)
            self._release()
        finally:
            self._drop_everything()


final(
    EventLoop,
    "(*, driver=None, clock=None, strict=False, threads=True, seed=None, "
    "detect_deadlocks=True, slow_step=None)",
)


def failure_of(task: Task) -> BaseException | None:
    """Return the exception that a main task makes `start` raise, or None."""
    if task.cancelled():
        return TaskCancelled(f"the main task was cancelled{task._describe_reason()}")
    return task._failure() if task._failed() else None


def check_function(what: str, main: Any) -> None:
    """Raise unless `main` is a function: a coroutine, for example, was called already.

    Raises:
        TypeError: it is none.
    """
    if is_awaitable(main) or not callable(main):
        raise TypeError(
            f"{what}() needs the async function itself, not {main!r}; "
            f"write {what}(main), without the parentheses, and {what}(main, argument, ...)"
        )


def running_loops() -> list[EventLoop]:
    """Return the loops of this process that have begun and not ended, in whatever thread.

    For tools: `metrics` tells how busy one is, and a tool can hand a function to it with
    `EventLoop.call_soon_threadsafe`. Asyncio's loops of `giambio.asyncio` are among them, by the
    loop of giambio's that is beneath.

    Returns:
        A new list, in no order.

    Not a checkpoint. May be called from any thread.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.running_loops() == [giambio.current_loop()]
        >>> giambio.run(main)
        True
    """
    while True:
        try:
            return [loop for loop in open_loops if loop._is_begun()]
        except RuntimeError:  # another thread has begun one meanwhile
            pass


def is_debugging() -> bool:
    """Return whether to look for mistakes; asyncio's loops then do, too.

    asyncio reads its variable when it makes a loop, if it ever does in this program.
    """
    if "GIAMBIO_DEBUG" not in os.environ:
        return sys.flags.dev_mode
    debug = is_set("GIAMBIO_DEBUG")
    if debug:
        os.environ.setdefault("PYTHONASYNCIODEBUG", "1")
    return debug


def slow_step_or_default(seconds: float | None, debug: bool) -> float | None:
    """Return how long a step may take before it is logged; None for no limit.

    Raises:
        TypeError, ValueError: it is no number of seconds.
    """
    if seconds is None:
        return DEBUG_SLOW_STEP if debug else None
    check_number("EventLoop()", "slow_step", seconds)
    if not 0 < seconds < inf:
        raise ValueError(f"EventLoop(slow_step=) needs a number of seconds, not {seconds!r}")
    return seconds


def run(
    main: Callable[[Unpack[Ts]], Awaitable[T]],
    *args: Unpack[Ts],
    driver: str | None = None,
    clock: Any = None,
    strict: bool = False,
    threads: bool = True,
    seed: int | None = None,
    detect_deadlocks: bool = True,
    slow_step: float | None = None,
    stop_signals: Iterable[int] = (),
    grace: float = GRACE,
) -> T:
    """Make a loop, run an async function in it, and close it.

    Parameters:
        main: an async function, not its coroutine.
        args: its arguments.
        driver, clock, strict, threads, seed, detect_deadlocks, slow_step: see `EventLoop`.
        stop_signals: signals, such as `signal.SIGTERM`, that end the run. The first one stops
            `main` softly, see `CancelScope.stop`; a second one cancels it.
        grace: how many seconds after the first stop signal `main` is cancelled; 10 by default,
            and `math.inf` for never.

    Returns:
        The result of `main`; None if a stop signal has cancelled it, and it let that pass.

    Raises:
        BaseException: `main` raised it; and as `EventLoop.start` does.

    Example:
        >>> import giambio
        >>> async def main(name):
        ...     await giambio.sleep(0.01)
        ...     return f"hello, {name}"
        >>> giambio.run(main, "world")
        'hello, world'
    """
    try:
        check_function("run", main)
        loop = EventLoop(
            driver=driver,
            clock=clock,
            strict=strict,
            threads=threads,
            seed=seed,
            detect_deadlocks=detect_deadlocks,
            slow_step=slow_step,
        )
        loop._what = "run"
    except BaseException:
        discard(main)
        raise
    try:
        return loop.start(main, *args, stop_signals=stop_signals, grace=grace)
    except BaseException as exc:
        raise user_part(exc)  # noqa: B904  # it is the same exception
    finally:
        loop.close()


def current_loop() -> EventLoop:
    """Return the loop that runs the calling task or callback.

    Raises:
        RuntimeError: no loop runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.current_loop()
        >>> giambio.run(main)
        <giambio.EventLoop closed>
    """
    loop = current_kernel()
    assert isinstance(loop, EventLoop)  # there is no other kind
    return loop


open_loops: weakref.WeakSet[EventLoop] = weakref.WeakSet()


def after_fork_in_child() -> None:
    """Keep the parent's loops from touching the parent's registrations, in the child."""
    for loop in list(open_loops):
        loop._after_fork()
    open_loops.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork_in_child)
