"""What `call_soon` and `call_at` return: asyncio's handle, and an item of the kernel's run queue.

The functions here are methods of the loop, which is a class of Python: compiled, they cost it
neither a frame nor a second object.
"""

from __future__ import annotations

import sys
from asyncio import events, format_helpers
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from giambio.asyncio.host import Host
from giambio.asyncio.links import FutureWait
from giambio.kernel.run_queue import Runnable

__all__ = ["CallbackHandle", "TimedHandle", "call_at", "call_soon", "call_soon_threadsafe"]

#: To find the method on each context would take longer than its call.
RUN = Context.run


class CallbackHandle(Runnable):
    """See `asyncio.Handle`, whose methods it has; made by `set_up`."""

    __slots__ = (
        "__weakref__",
        "_args",
        "_callback",
        "_cancelled",
        "_context",
        "_host",
        "_repr",
        "_source_traceback",
    )

    _host: Host
    _callback: Any
    _args: Any
    _context: Context
    _cancelled: bool
    #: How it looked when it was cancelled, in debug mode.
    _repr: str | None
    #: Where it was made, in debug mode.
    _source_traceback: Any

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return events.Handle

    @property
    def _loop(self) -> Any:
        return self._host.loop

    def __repr__(self) -> str:
        return self._repr or f"<{' '.join(self._repr_info())}>"

    def _repr_info(self) -> list[str]:
        return events.Handle._repr_info(self)  # type: ignore[attr-defined, no-any-return]

    def cancel(self) -> None:
        """See `asyncio.Handle.cancel`."""
        if not self._cancelled:
            self._cancelled = True
            if self._host.watches_steps:
                self._repr = repr(self)
            self._callback = None
            self._args = None

    def cancelled(self) -> bool:
        """See `asyncio.Handle.cancelled`."""
        return self._cancelled

    def get_context(self) -> Context:
        """See `asyncio.Handle.get_context`."""
        return self._context

    def _run(self) -> None:
        """Call the callback in its context."""
        if self._cancelled:
            return
        host = self._host
        host.name_asyncio()
        try:
            if host.watches_steps:
                host.loop._watch(self, self._call)
            elif self._args:
                RUN(self._context, self._callback, *self._args)
            else:
                RUN(self._context, self._callback)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._report(exc)
        finally:
            del self  # a failed frame holds this one by its `f_back`, from 3.12 on

    def _call(self) -> None:
        self._context.run(self._callback, *self._args)

    def _report(self, exc: BaseException) -> None:
        source = format_helpers._format_callback_source(self._callback, self._args or ())
        details = {"message": f"Exception in callback {source}", "exception": exc, "handle": self}
        if self._source_traceback:
            details["source_traceback"] = self._source_traceback
        self._host.loop.call_exception_handler(details)

    def _is_ours(self) -> bool:
        """See `kernel.callbacks.Handle._is_ours`."""
        return False

    def _drop(self) -> None:
        """See `kernel.callbacks.Handle._drop`."""


class TimedHandle(CallbackHandle):
    """See `asyncio.TimerHandle`."""

    __slots__ = ("_when",)

    _when: float

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return events.TimerHandle

    def _repr_info(self) -> list[str]:
        info = super()._repr_info()
        info.insert(2 if self._cancelled else 1, f"when={self._when}")
        return info

    def when(self) -> float:
        """See `asyncio.TimerHandle.when`."""
        return self._when

    def cancel(self) -> None:
        """See `asyncio.Handle.cancel`."""
        CallbackHandle.cancel(self)
        if self._host._kernel._in_own_thread():  # else it is left to fire, and calls nothing
            self._host._kernel._remove_timer(self)

    def _ready(self) -> None:
        """See `Waiter._ready`: the timer is due."""
        self._host._kernel._queue.append(self)


def call_soon(loop: Any, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
    """See `asyncio.AbstractEventLoop.call_soon`."""
    if type(callback) is FutureWait:
        callback(*args)  # a task's turn: it goes to the run queue without a detour
        return None
    return schedule_soon(loop._host, callback, args, context)


def schedule_soon(host: Host, callback: Any, args: tuple[Any, ...], context: Any) -> Any:
    """Do the work of `call_soon`, with a compiled host."""
    if host.makes_a_facade:
        return None  # the first step, which is the kernel's
    check(host, callback, "call_soon")
    handle = set_up(CallbackHandle.__new__(CallbackHandle), host, callback, args, context)
    host.schedule(handle)
    return handle


def call_at(
    loop: Any, when: float, callback: Callable[..., object], *args: Any, context: Any = None
) -> Any:
    """See `asyncio.AbstractEventLoop.call_at`."""
    if when is None:
        raise TypeError("when cannot be None")
    return schedule_at(loop._host, when, callback, args, context)


def schedule_at(
    host: Host, when: float, callback: Any, args: tuple[Any, ...], context: Any
) -> TimedHandle:
    """Do the work of `call_at`, with a compiled host."""
    check(host, callback, "call_at")
    timer = TimedHandle.__new__(TimedHandle)
    set_up(timer, host, callback, args, context)
    timer._when = when
    host._kernel._add_timer(when, timer)
    return timer


def call_soon_threadsafe(
    loop: Any, callback: Callable[..., object], *args: Any, context: Any = None
) -> Any:
    """See `asyncio.AbstractEventLoop.call_soon_threadsafe`."""
    host = loop._host
    if host.is_closed:
        loop._check_closed()
    if host.watches_steps:
        loop._check_callback(callback, "call_soon_threadsafe")
    handle = set_up(CallbackHandle.__new__(CallbackHandle), host, callback, args, context)
    host._kernel._hand_in(handle)
    return handle


def check(host: Host, callback: Any, method: str) -> None:
    """Raise where a callback cannot be scheduled."""
    if host.is_closed:
        raise RuntimeError("Event loop is closed")
    if host.watches_steps:
        host.loop._check_thread()
        host.loop._check_callback(callback, method)


def set_up(
    handle: CallbackHandle, host: Host, callback: Any, args: tuple[Any, ...], context: Any
) -> CallbackHandle:
    """Set the fields of a new handle, which is cheaper than the call of a constructor.

    Parameters:
        handle: the handle.
        host: knows the loop.
        callback: the function.
        args: its arguments.
        context: the context to call it in; None for a copy of the current one.
    """
    handle._following = None
    handle._queued = False
    handle._is_task = False
    handle._host = host
    handle._callback = callback
    handle._args = args
    handle._context = copy_context() if context is None else context
    handle._cancelled = False
    handle._repr = None
    handle._source_traceback = stack_of_caller() if host.watches_steps else None
    return handle


def stack_of_caller() -> Any:
    """Return the stack of the code that has called a function here."""
    frame: Any = sys._getframe()
    while frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return format_helpers.extract_stack(frame)
