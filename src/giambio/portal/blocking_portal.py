"""Portals: calls into a loop from threads that giambio knows nothing of.

A portal belongs to a running loop, and other threads call async functions through it. Each call
is a task of the portal's `TaskManager`, so no call outlives the portal. An exception in a call
is raised in its caller, and does not disturb the other calls.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from giambio._build.sealed import final
from giambio.errors import RunFinishedError, is_cancellation
from giambio.kernel import current
from giambio.kernel.blocks import refuse_async_with, refuse_with
from giambio.kernel.coroutines import discard
from giambio.kernel.external_wakeups import external_wakeups
from giambio.kernel.introspect import is_awaitable
from giambio.kernel.operation import Wait
from giambio.kernel.task import current_task
from giambio.kernel.tracebacks import user_part
from giambio.portal.latch import Latch
from giambio.runtime.loop import EventLoop
from giambio.sync.event import Event
from giambio.tasks.manager import TaskManager
from giambio.tasks.task_status import refuse_task_status

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["BlockingPortal"]

P = ParamSpec("P")
T = TypeVar("T")


@typing.final  # for type checkers
@final
class BlockingPortal:
    """A way into the running loop for other threads: ``async with BlockingPortal() as portal:``

    The threads use `call` and its like. Leaving the block waits for the calls
    that are under way, as a `TaskManager` does; an exception that leaves it
    cancels them. Later calls are refused.

    Raises:
        RuntimeError: on entering: no task runs here, or the portal was used before.

    Entering is no checkpoint; leaving is one.

    Example:
        >>> import giambio
        >>> async def double(n):
        ...     return n * 2
        >>> def thread(portal):  # any thread, also one that is not giambio's
        ...     return portal.call(double, 21)
        >>> async def main():
        ...     async with giambio.BlockingPortal() as portal:
        ...         return await giambio.to_thread(thread, portal)
        >>> giambio.run(main)
        42
    """

    __slots__ = ("__weakref__", "_external", "_loop", "_manager", "_open", "_stopped")

    def __init__(self) -> None:
        self._manager = TaskManager()
        # It is open to threads of which the loop knows nothing.
        self._external = external_wakeups()
        self._loop: EventLoop | None = None
        self._open = False
        self._stopped = Event()

    # -- the block -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self._manager.__aenter__()
        self._loop = self._manager.loop
        self._external.__enter__()
        self._open = True
        return self

    def __aexit__(self, *exc_info: Any) -> Awaitable[bool]:
        self._close()
        leaving: Awaitable[bool] = self._manager.__aexit__(*exc_info)
        return leaving

    __enter__ = __exit__ = refuse_with

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._external.__exit__(None, None, None)
        self._stopped.set()

    # -- in the loop -------------------------------------------------------------------

    def sleep_until_stopped(self) -> Coroutine[Any, Any, None]:
        """Wait until `stop` was called. For a task that has nothing else to do.

        Raises:
            CancelledError: the task is in a cancelled scope.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.BlockingPortal() as portal:
            ...         await portal.stop()
            ...         await portal.sleep_until_stopped()
            >>> giambio.run(main)
        """
        return self._stopped.wait()

    async def stop(self, cancel_remaining: bool = False) -> None:
        """Refuse calls from now on. From a thread: ``portal.call(portal.stop)``.

        Parameters:
            cancel_remaining: True also cancels the calls that are under way.

        Not a checkpoint. Calling it again is harmless.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.BlockingPortal() as portal:
            ...         await giambio.to_thread(portal.call, portal.stop)
            >>> giambio.run(main)
        """
        self._stop_now(cancel_remaining)

    def _stop_now(self, cancel_remaining: bool) -> None:
        """See `stop`."""
        self._close()
        if cancel_remaining:
            self._manager.cancel("the portal was stopped")

    # -- from other threads ----------------------------------------------------------------

    def call(self, function: Callable[P, Any], /, *args: P.args, **keywords: P.kwargs) -> Any:
        """Run an async function in the loop, and wait for its result.

        Parameters:
            function: an async function, or an ordinary one that does not block. It
                runs as a task of the portal, in a copy of the caller's context.
            args, keywords: its arguments.

        Returns:
            Its result.

        Raises:
            BaseException: the function raised it.
            TaskCancelled: it was cancelled, for instance because the portal was left
                by an exception.
            RunFinishedError: the portal was left or stopped.
            TypeError: `function` is none, such as a coroutine.
            RuntimeError: it was not entered yet; or this is the loop's own thread,
                which would wait for itself.

        Interrupted by Ctrl-C, it cancels the task.

        Example:
            >>> import giambio
            >>> with giambio.start_blocking_portal() as portal:
            ...     portal.call(giambio.sleep, 0.01)
        """
        check_function("call", function)
        self._check_thread("call")
        future, settled = new_future()
        try:
            self._start(future, function, args, keywords)
            settled.wait()
            return future.result()
        except BaseException:
            future.cancel()  # for when it was the waiting that ended; else it does nothing
            raise
        finally:
            del future

    def start_task_soon(
        self, function: Callable[P, Any], /, *args: P.args, **keywords: P.kwargs
    ) -> Future[Any]:
        """Run an async function in the loop, without waiting for it.

        Parameters:
            function: see `call`.
            args, keywords: its arguments.

        Returns:
            A `concurrent.futures.Future` of the outcome, an error too.
            Cancelling it cancels the task.

        Raises:
            RunFinishedError: the portal was left or stopped.
            TypeError: `function` is none, such as a coroutine.
            RuntimeError: it was not entered yet.

        Works in the loop's own thread as well.

        Example:
            >>> import giambio
            >>> async def double(n):
            ...     return n * 2
            >>> with giambio.start_blocking_portal() as portal:
            ...     futures = [portal.start_task_soon(double, n) for n in range(3)]
            ...     print([future.result() for future in futures])
            [0, 2, 4]
        """
        check_function("start_task_soon", function)
        future, _ = new_future()
        self._start(future, function, args, keywords)
        return future

    def start_task(
        self, function: Callable[..., Any], /, *args: Any, **keywords: Any
    ) -> tuple[Future[Any], Any]:
        """Run an async function in the loop, and wait until it says that it is ready.

        Parameters:
            function: an async function. It is called with the keyword ``task_status``
                too, and reports with ``task_status.started(value)``, as for
                `TaskManager.start`.
            args, keywords: its other arguments.

        Returns:
            A `concurrent.futures.Future` of the outcome, and the argument of
            ``started``.

        Raises:
            BaseException: the function raised it before it called ``started``.
            RuntimeError: it ended without calling ``started``; or see `call`.
            TaskCancelled, RunFinishedError, TypeError: see `call`.

        Example:
            >>> import giambio
            >>> async def server(task_status):
            ...     task_status.started("port 8080")
            ...     await giambio.sleep_forever()
            >>> with giambio.start_blocking_portal() as portal:
            ...     future, value = portal.start_task(server)
            ...     future.cancel(), value
            (True, 'port 8080')
        """
        check_function("start_task", function)
        refuse_task_status("BlockingPortal.start_task()", function, keywords)
        self._check_thread("start_task")
        status = Status()
        future, _ = new_future()
        future.add_done_callback(status.ended)
        try:
            self._start(future, function, args, {**keywords, "task_status": status})
            status.settled.wait()
            return future, status.ready.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            del future, status

    def wrap_async_context_manager(
        self, manager: AbstractAsyncContextManager[T, bool | None]
    ) -> AbstractContextManager[T, bool | None]:
        """Make of an ``async with`` block a ``with`` block, for other threads.

        Parameters:
            manager: an asynchronous context manager. It is entered and left in the
                loop, by one task.

        Returns:
            A synchronous context manager, which waits for both.

        Raises:
            TypeError: `manager` is none.
            BaseException: entering or leaving `manager` in the loop raised it.
            TaskCancelled, RunFinishedError, RuntimeError: on entering, see `call`.

        Example:
            >>> import contextlib, giambio
            >>> @contextlib.asynccontextmanager
            ... async def connection():
            ...     yield "connected"
            ...     print("closed")
            >>> with giambio.start_blocking_portal() as portal:
            ...     with portal.wrap_async_context_manager(connection()) as state:
            ...         print(state)
            connected
            closed
        """
        if getattr(type(manager), "__aenter__", refuse_async_with) is refuse_async_with:
            discard(manager)
            raise TypeError(
                "BlockingPortal.wrap_async_context_manager() needs an object for `async with`, "
                f"not {manager!r}"
            )
        return Wrapped(self, manager)

    def __repr__(self) -> str:
        if self._loop is None:
            return "<giambio.BlockingPortal not entered>"
        return f"<giambio.BlockingPortal {'open' if self._open else 'stopped'}>"

    # -- inside ----------------------------------------------------------------------------

    def _check_thread(self, name: str) -> None:
        if self._loop is not None and current.get() is self._loop:
            raise RuntimeError(
                f"BlockingPortal.{name}() was called in the thread of the loop itself, which "
                "would wait for itself for ever; in a task, await what you need"
            )

    def _start(
        self,
        future: Future[Any],
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> None:
        """Run a call as a task; a new future gets the outcome."""
        from giambio.tasks.threadsafe import spawn_for_thread

        if self._loop is None:
            raise RuntimeError(
                "this BlockingPortal was not entered yet; call through it inside of "
                "`async with BlockingPortal() as portal:`"
            )
        if not self._open:
            raise RunFinishedError("this BlockingPortal takes no calls any more: it was stopped")
        running = [new_future()[0]]

        def ended(task: Future[Any]) -> None:
            running.clear()  # or the two futures would hold each other
            if not future.set_running_or_notify_cancel():
                return
            returned, problem = (None, task.exception()) if task.exception() else task.result()
            if problem is None:
                future.set_result(returned)
            else:
                future.set_exception(problem)

        def settled(future: Future[Any]) -> None:
            # Once it has ended, whoever waited may hold the future's lock, and be interrupted.
            if running and future.cancelled():
                for task in running:
                    task.cancel()

        # All is prepared before the loop knows of it: see `Latch`.
        future.add_done_callback(settled)
        running[0].add_done_callback(ended)
        try:
            spawn_for_thread(self._manager, call, (function, args, keywords), {}, running[0])
        except BaseException:
            running.clear()
            raise


def check_function(name: str, function: Any) -> None:
    """Raise unless a method of a portal was given a function.

    Raises:
        TypeError: it is none; a coroutine is closed.
    """
    if not callable(function):
        discard(function)
        raise TypeError(
            f"BlockingPortal.{name}() needs a function, not {function!r}; "
            f"write portal.{name}(function, argument, ...), without the parentheses"
        )


def new_future() -> tuple[Future[Any], Latch]:
    """Make a future, and something that waits until it is settled."""
    from concurrent.futures import Future

    future: Future[Any] = Future()
    settled = Latch()
    future.add_done_callback(settled.set)
    return future, settled


async def call(
    function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, BaseException | None]:
    """Run a call; an exception is a result, for it is its caller's and not the portal's."""
    try:
        returned = function(*args, **keywords)
        return await returned if is_awaitable(returned) else returned, None
    except GeneratorExit:
        raise
    except BaseException as exc:
        if is_cancellation(exc) and current_task().has_pending_cancellation():
            raise
        return None, user_part(exc)


class Status:
    """The `task_status` of a function that `BlockingPortal.start_task` runs."""

    def __init__(self) -> None:
        self.ready, self.settled = new_future()

    def started(self, value: Any = None) -> None:
        """See `TaskStatus.started`."""
        if self.ready.done():
            raise RuntimeError("task_status.started() was called a second time")
        self.ready.set_result(value)

    def ended(self, future: Future[Any]) -> None:
        """The task has ended; if it was not ready before, it never will be."""
        if self.ready.done():
            return
        if future.cancelled():
            self.ready.cancel()
        else:
            self.ready.set_exception(
                future.exception()
                or RuntimeError("the task ended without calling task_status.started()")
            )


class Wrapped(AbstractContextManager[T, bool | None]):
    """See `BlockingPortal.wrap_async_context_manager`."""

    def __init__(
        self, portal: BlockingPortal, manager: AbstractAsyncContextManager[T, bool | None]
    ) -> None:
        self._portal = portal
        self._manager = manager
        self._leave: Any = None
        self._held: Any = None

    def __enter__(self) -> T:
        self._held, value = self._portal.start_task(self._hold)
        return value  # type: ignore[no-any-return]

    def __exit__(self, *exc_info: Any) -> bool | None:
        if self._held is None:
            raise RuntimeError("this context manager is left, but was not entered")
        if not self._held.done():
            loop: Any = self._portal._loop
            loop.call_soon_threadsafe(self._leave.wake, exc_info)
        left: bool | None = self._held.result()
        return left

    async def _hold(self, *, task_status: Status) -> bool | None:
        """Enter, wait in the block, and leave, all in one task."""
        value = await self._manager.__aenter__()
        leave = self._leave = Wait(name="the end of a `with` block in another thread")
        task_status.started(value)
        try:
            how = await leave
        except BaseException as exc:
            if not await self._manager.__aexit__(type(exc), exc, exc.__traceback__):
                raise
            return True
        return await self._manager.__aexit__(*how)
