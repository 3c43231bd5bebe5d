"""Plain functions that the loop calls: in their turn, at a time, or when a driver reports.

Compiled methods cannot be overridden in interpreted classes. So interpreted code that waits
on a driver hands a function to `Callback`, instead of a class of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from math import inf
from typing import Any

from giambio._build.sealed import final
from giambio.drivers.source import Waiter
from giambio.kernel import introspect
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.run_queue import Runnable
from giambio.kernel.tracebacks import is_ours, user_part

__all__ = ["Callback", "Handle"]


class Handle(Runnable):
    """A plain callback that has been scheduled, and can be cancelled.

    `EventLoop.call_soon`, `call_later`, `call_at` and `call_soon_threadsafe`
    return one; it is not made by hand.

    Example:
        >>> import giambio
        >>> async def main():
        ...     handle = giambio.current_loop().call_later(60, print, "too late")
        ...     handle.cancel()
        ...     return handle.cancelled()
        >>> giambio.run(main)
        True
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_callback",
        "_cancelled",
        "_context",
        "_dropped",
        "_kernel",
    )

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
        kernel: Any = None,
        when: float = inf,
        dropped: Callable[[], object] | None = None,
    ) -> None:
        if (
            not callable(callback)
            or introspect.makes_coroutines(callback)
            or type(callback) is partial
        ):
            check_callback(callback)
        self._following = None
        self._queued = False
        self._is_task = False
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._context = context
        self._cancelled = False
        # Called if the loop ends before the callback's turn.
        self._dropped = dropped
        # With a timer: the loop that has it.
        self._kernel = kernel
        if when != inf:
            kernel._add_timer(when, self)

    def cancel(self) -> None:
        """Prevent the callback from being called; harmless if it was.

        Not a checkpoint. May be called from any thread.

        Example:
            >>> import giambio
            >>> async def main():
            ...     handle = giambio.current_loop().call_soon(print, "called")
            ...     handle.cancel()
            ...     await giambio.checkpoint()
            >>> giambio.run(main)
        """
        # Another thread does nothing else: a timer is left to fire, and calls nothing.
        self._cancelled = True
        if self._kernel is not None and self._kernel._in_own_thread():
            self._callback = None
            self._kernel._remove_timer(self)

    def cancelled(self) -> bool:
        """Return whether `cancel` was called.

        Example:
            >>> import giambio
            >>> async def main():
            ...     handle = giambio.current_loop().call_soon(print, "called")
            ...     handle.cancel()
            ...     return handle.cancelled()
            >>> giambio.run(main)
            True
        """
        return self._cancelled

    def _ready(self) -> None:
        """See `Waiter._ready`: the timer is due."""
        if self._kernel is not None:
            self._kernel._queue.append(self)

    def _drop(self) -> None:
        """Report that the loop has ended, and the callback will not be called."""
        if self._dropped is not None and not self._cancelled:
            self._dropped()

    def _is_ours(self) -> bool:
        """Return whether the callback is part of the runtime."""
        return is_ours(getattr(self._callback, "__module__", None))

    def _run(self) -> None:
        """Call the callback in its context."""
        callback = self._callback
        try:
            if callback is not None and not self._cancelled:
                self._context.run(callback, *self._args)
        finally:
            del self, callback  # a failed frame holds this one by its `f_back`, from 3.12 on


def check_callback(callback: Any) -> None:
    """Raise unless a callback is an ordinary function, as far as that can be seen.

    Raises:
        TypeError: it is not; a coroutine is closed.
    """
    if not callable(callback):
        called = introspect.is_awaitable(callback)
        discard(callback)
        raise TypeError(
            f"a callback must be callable, not {callback!r}"
            + ("; pass the function and its arguments, without calling it" if called else "")
        )
    function = callback.func if type(callback) is partial else callback
    if introspect.makes_coroutines(function):
        raise TypeError(
            f"a callback is an ordinary function, and {name_of(function)}() is async, so nobody "
            "would await it; spawn it in a TaskManager, from another thread by spawn_threadsafe()"
        )


final(Handle, "(callback, args, context, kernel=None, when=inf, dropped=None)")


class Callback(Waiter):
    """A waiter that calls a function when it is notified."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def _ready(self) -> None:
        """See `Waiter._ready`."""
        self._function()


class DoneCallback(Waiter):
    """A function of the user's that is called with a task when it has ended.

    It is called on the spot, and not put on the run queue: what is there when the main task ends
    is dropped.
    """

    __slots__ = ("_context", "_kernel", "_task", "function")

    def __init__(
        self, function: Callable[[Any], object], task: Any, kernel: Any, context: Context
    ) -> None:
        self.function = function
        self._task = task
        self._kernel = kernel
        self._context = context

    def _ready(self) -> None:
        """See `Waiter._ready`."""
        try:
            self._context.run(self.function, self._task)
        except BaseException as exc:
            self._kernel._crash(user_part(exc))
