"""Threads: a function in a worker thread, and calls from any thread into a loop.

A worker thread of AnyIO's is one of `giambio.to_thread`, and without a token it calls back as
`giambio.from_thread` does. With a token any thread may call; an async function then runs as
an attendant of the loop, in nobody's scopes, and ends with the loop. So it does without a token
where the task may leave the thread to itself: it may not even wait for the thread any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any
from weakref import ref

import anyio
from anyio._core._eventloop import claim_worker_thread, set_current_async_library

from giambio.anyio.synchronization import CapacityLimiter
from giambio.kernel.coroutines import to_coroutine
from giambio.kernel.runnable import Handle
from giambio.loop import EventLoop, current_loop
from giambio.sync.limiter import CapacityLimiter as OwnLimiter

__all__ = ["Token", "call_async", "call_soon", "call_sync", "current_token", "here", "in_worker", "own"]


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
        if loop is None or loop.driver is None:
            raise anyio.RunFinishedError
        return loop

    def loop_ended(self, forked: bool) -> None:
        """Called by the kernel: the next run has another token."""
        loop = None if self._loop is None else self._loop()
        self._loop = None
        if loop is not None:
            loop.services.pop(SERVICE, None)


SERVICE = "AnyIO's token"


def current_token() -> Token:
    """The token of the running loop's run."""
    loop = current_loop()
    token: Token = loop.services.setdefault(SERVICE, Token(loop))
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
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as exc:
            future.set_exception(exc)

    return outcome(token, call, future)


def call_async(token: Token, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Run an async function in a loop, from any other thread, and wait for what it returns.

    Raises:
        anyio.RunFinishedError: the loop has ended.
        BaseException: what the function raised; the cancellation if the loop ended before it.
    """
    future: Future[Any] = Future()

    async def attend() -> None:
        try:
            result = await to_coroutine("from_thread.run()", function, args)
        except GeneratorExit:  # the loop has broken down
            future.set_exception(anyio.RunFinishedError())
            raise
        except BaseException as exc:
            future.set_exception(exc)
        else:
            future.set_result(result)

    def launch() -> None:
        current_loop().attendants.spawn(attend(), copy_context())

    return outcome(token, launch, future)


def outcome(token: Token, launch: Callable[[], None], future: Future[Any]) -> Any:
    """Have a callback settle a future in the loop, and wait for that."""
    loop = token.loop()

    def dropped() -> None:
        if not future.done():
            future.set_exception(anyio.RunFinishedError())

    handle = loop.hand_in(Handle(launch, (), copy_context(), dropped=dropped))
    if loop.driver is None:  # looked at only now: it may end at any moment
        handle.cancel()
        dropped()
    try:
        return future.result()
    finally:
        del future  # the failure would keep this frame, and that the failure


def call_soon(token: Token, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Have a function called in a loop, from any thread, without waiting for it.

    Raises:
        anyio.RunFinishedError: the loop has ended.
    """
    token.loop().hand_in(Handle(function, args, copy_context()))
