"""Calls from a worker thread back into the loop.

A function that `to_thread` runs may need the loop it came from: to await an async function, or
to touch an object of the loop. Such a call runs in the scopes of the task that waits for the
thread, so a thread is no way around a cancellation or a deadline.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

from giambio._build.sealed import final
from giambio.kernel import current
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.threads.call import ThreadCall, calling, refuse_async, with_keywords
from giambio.threads.callback_task import CallbackTask

__all__ = ["from_thread"]

P = ParamSpec("P")
T = TypeVar("T")


@typing.final  # for type checkers
@final
class from_thread:  # a namespace, named like the module it would be elsewhere
    """Calls into the loop, for a function that `to_thread` runs in a thread.

    Example:
        >>> import giambio
        >>> def blocking():
        ...     return giambio.from_thread.run(double, 21)
        >>> async def double(n):
        ...     await giambio.sleep(0.01)
        ...     return n * 2
        >>> giambio.run(giambio.to_thread, blocking)
        42
    """

    __slots__ = ()

    @staticmethod
    def run(function: Callable[P, Awaitable[T]], /, *args: P.args, **keywords: P.kwargs) -> T:
        """Run an async function in the loop that the thread works for, and wait for it.

        Parameters:
            function: an async function. It runs as a task below the one that waits
                for the thread, in that one's scopes, and in a copy of the
                thread's context.
            args, keywords: its arguments.

        Returns:
            Its result.

        Raises:
            BaseException: the function raised it.
            CancelledError: it was cancelled, because the task that waits for the
                thread was; or that one has left the thread to itself.
            RunFinishedError: the loop has ended.
            TypeError: `function` is not an async function.
            RuntimeError: the thread is not one of `to_thread`, or runs a loop itself.

        Example:
            >>> import giambio
            >>> def blocking():
            ...     return giambio.from_thread.run(double, 21)
            >>> async def double(n):
            ...     await giambio.sleep(0.01)
            ...     return n * 2
            >>> giambio.run(giambio.to_thread, blocking)
            42
        """
        task = call_back("run", function, args, keywords)
        try:
            if task.error is not None:
                raise task.error
            returned: T = task.returned
            return returned
        finally:
            del task

    @staticmethod
    def run_sync(function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T:
        """Call an ordinary function in the loop that the thread works for, and wait for it.

        For objects that may only be touched there: most of giambio's are not
        thread-safe. It must not block.

        Parameters:
            function: an ordinary function. It is called in a task below the one
                that waits for the thread, and in a copy of the thread's context.
            args, keywords: its arguments.

        Returns:
            Its result.

        Raises:
            BaseException: the function raised it.
            CancelledError: the task that waited for the thread has left it to itself.
            RunFinishedError: the loop has ended.
            TypeError: `function` is an async function, or none.
            RuntimeError: the thread is not one of `to_thread`, or runs a loop itself.

        A cancellation of the task that waits for the thread does not keep it from
        being called.

        Example:
            >>> import giambio
            >>> def blocking(event):
            ...     giambio.from_thread.run_sync(event.set)
            >>> async def main():
            ...     event = giambio.Event()
            ...     await giambio.to_thread(blocking, event)
            ...     return event.is_set()
            >>> giambio.run(main)
            True
        """
        function = with_keywords("from_thread.run_sync", function, keywords)
        task = call_back("run_sync", call_in_loop, (function, args), {})
        try:
            if task.error is not None:
                raise task.error
            returned: T = task.returned
            return returned
        finally:
            del task

    @staticmethod
    def check_cancelled() -> None:
        """Raise if the task that waits for the thread was cancelled.

        For a long computation in a thread, which nobody can stop from outside: it
        calls this now and then, and lets the exception pass.

        Raises:
            CancelledError: the task was cancelled, or has left the thread to itself.
            RunFinishedError: the loop has ended.
            RuntimeError: the thread is not one of `to_thread`, or runs a loop itself.

        Example:
            >>> import giambio
            >>> def compute():
            ...     while True:
            ...         giambio.from_thread.check_cancelled()
            >>> async def main():
            ...     with giambio.move_on_after(0.05) as scope:
            ...         await giambio.to_thread(compute)
            ...     return scope.cancelled_caught
            >>> giambio.run(main)
            True
        """
        call = caller("check_cancelled")
        if call.loop() is not None and not call.may_be_cancelled():
            return
        task = call_back("check_cancelled", checkpoint_if_cancelled, (), {})
        try:
            if task.error is not None:
                raise task.error
        finally:
            del task


def call_back(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> CallbackTask:
    """Run an async function in the loop, for the method `name`, and wait until it has ended."""
    what = f"from_thread.{name}()"
    task = CallbackTask(what, caller(name), function, args, keywords, copy_context())
    task.wait()
    return task


def caller(name: str) -> ThreadCall:
    """Return the call of `to_thread` that this thread runs.

    Raises:
        RuntimeError: there is none, or waiting for the loop would never end.
    """
    if current.get() is not None:
        raise RuntimeError(
            f"from_thread.{name}() was called in the thread of a running loop, which would wait "
            "for itself; in a task, await what you need"
        )
    call: ThreadCall | None = getattr(calling, "call", None)
    if call is None:
        raise RuntimeError(
            f"from_thread.{name}() works in a thread that giambio.to_thread() runs a function in; "
            "let other threads come in through a giambio.BlockingPortal"
        )
    return call


async def call_in_loop(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call an ordinary function in a task of its own."""
    returned = function(*args)
    refuse_async("from_thread.run_sync()", function, returned, "use from_thread.run()")
    return returned
