"""Threads: a function in a worker thread, and calls from any thread into a loop.

A worker thread of AnyIO's is one of `giambio.to_thread`, and without a token it calls back as
`giambio.from_thread` does. With a token any thread may call; an async function then runs as
an attendant of the loop, in nobody's scopes, and ends with the loop. So it does without a token
where the task may leave the thread to itself: it may not even wait for the thread any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any
from weakref import ref

from anyio._core._eventloop import claim_worker_thread, set_current_async_library

import anyio
from giambio.anyio.synchronization import CapacityLimiter
from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import to_coroutine
from giambio.runtime.loop import EventLoop, current_loop
from giambio.sync.limiter import CapacityLimiter as OwnLimiter

__all__ = [
    "Token",
    "call_async",
    "call_soon",
    "call_sync",
    "current_token",
    "here",
    "in_worker",
    "own",
]


class Token:
    """One run of a loop, for other threads. A service of the kernel."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop: ref[EventLoop] | None = ref(loop)

    def loop(self) -> EventLoop:
        """The loop, which may end at any moment.

        Raises:
            anyio.RunFinishedError: it has ended.
        """
        loop = None if self._loop is None else self._loop()
        if loop is None or loop._driver is None:
            raise anyio.RunFinishedError
        return loop

    def loop_ended(self, forked: bool) -> None:
        """Called by the kernel: the next run has another token."""
        loop = None if self._loop is None else self._loop()
        self._loop = None
        if loop is not None:
            loop._services.pop(SERVICE, None)


SERVICE = "AnyIO's token"


def current_token() -> Token:
    """The token of the running loop's run."""
    loop = current_loop()
    token: Token = loop._services.setdefault(SERVICE, Token(loop))
    return token


class Here(threading.local):
    """What this thread works for, if nobody may wait for it any more."""

    token: Token | None = None


here = Here()


def in_worker(
    backend: Any, function: Callable[..., Any], args: tuple[Any, ...], abandonable: bool
) -> Callable[[], Any]:
    """What a worker thread is to call, so that AnyIO knows it for one."""
    token = current_token()

    def call() -> Any:
        set_current_async_library(None)  # in the thread's context no loop runs
        here.token = token if abandonable else None
        try:
            with claim_worker_thread(backend, token):
                return function(*args)
        except StopIteration as exc:
            raise RuntimeError("coroutine raised StopIteration") from exc
        finally:
            here.token = None

    return call


def own(limiter: anyio.CapacityLimiter | None) -> OwnLimiter | None:
    """The limiter of giambio's behind one of AnyIO's."""
    if limiter is None or isinstance(limiter, CapacityLimiter):
        return None if limiter is None else limiter.own
    made_outside: Any = limiter  # of a loop; it makes ours when it is first needed
    return own(made_outside._limiter)


def call_sync(token: Token, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call a function in a loop, from any other thread, and wait for what it returns.

    Raises:
        anyio.RunFinishedError: the loop has ended.
        BaseException: what the function raised.
    """

    def call(future: Future[Any]) -> None:
        try:
            future.set_result(function(*args))
        except BaseException as exc:
            future.set_exception(exc)
        finally:
            del future  # a failure keeps this frame, which is not to keep the failure

    return outcome(token, call)


def call_async(token: Token, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Run an async function in a loop, from any other thread, and wait for what it returns.

    Raises:
        anyio.RunFinishedError: the loop has ended.
        BaseException: what the function raised; the cancellation if the loop ended before it.
    """

    async def attend(future: Future[Any]) -> None:
        try:
            future.set_result(await to_coroutine("from_thread.run()", function, args))
        except GeneratorExit:  # the loop has broken down
            drop(future)
            raise
        except BaseException as exc:
            future.set_exception(exc)
        finally:
            del future  # a failure keeps this frame, which is not to keep the failure

    def launch(future: Future[Any]) -> None:
        current_loop()._system_tasks.spawn(attend(future), copy_context())

    return outcome(token, launch)


def outcome(token: Token, launch: Callable[[Future[Any]], None]) -> Any:
    """Have a callback settle a future in the loop, and wait for that."""
    loop = token.loop()
    future: Future[Any] = Future()
    dropped = partial(drop, future)
    handle = loop._hand_in(Handle(launch, (future,), copy_context(), dropped=dropped))
    if loop._driver is None:  # looked at only now: it may end at any moment
        handle.cancel()
        dropped()
    try:
        return future.result()
    finally:
        del future, dropped, handle  # a failure keeps this frame, which is not to keep it


def drop(future: Future[Any]) -> None:
    """The loop has ended; it may be told so twice."""
    with suppress(InvalidStateError):
        future.set_exception(anyio.RunFinishedError())


def call_soon(token: Token, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Have a function called in a loop, from any thread, without waiting for it.

    Raises:
        anyio.RunFinishedError: the loop has ended.
    """
    token.loop()._hand_in(Handle(function, args, copy_context()))
