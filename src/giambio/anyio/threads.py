"""Threads: functions in worker threads, and calls from any thread into a loop.

A worker thread of AnyIO's is one of `giambio.to_thread`, and without a token it calls back as
`giambio.from_thread` does. With a token any thread may call; an async function then runs as a
system task of the loop, in no scope, and ends with the loop. The same holds without a token
where the task may leave the thread to itself: it may not even wait for the thread any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar
from weakref import ref

from anyio._core._eventloop import claim_worker_thread, set_current_async_library

import anyio
import giambio
from giambio.anyio.synchronization import CapacityLimiter
from giambio.errors import RunFinishedError
from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import to_coroutine
from giambio.runtime.loop import EventLoop, current_loop
from giambio.sync.limiter import CapacityLimiter as OwnLimiter

__all__ = [
    "Token",
    "call_soon",
    "current_token",
    "in_worker",
    "own_limiter",
    "run_async",
    "run_sync",
]

T = TypeVar("T")


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
        if loop is None or not loop._is_begun():
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


#: Its attribute `token` is the one of the loop that this worker thread works for, if the task
#: need not wait for the thread.
here = threading.local()


def in_worker(
    backend: Any, function: Callable[..., T], args: tuple[Any, ...], abandonable: bool
) -> Callable[[], T]:
    """Return the function that a worker thread calls, so that AnyIO knows it as one."""
    token = current_token()

    def call() -> T:
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


def own_limiter(limiter: Any) -> OwnLimiter | None:
    """Return giambio's limiter behind one of AnyIO's."""
    if isinstance(limiter, CapacityLimiter):
        return limiter._own
    # One that was made outside of a loop makes ours when it is needed.
    return None if limiter is None else own_limiter(limiter._limiter)


def run_sync(func: Callable[..., Any], args: tuple[Any, ...], token: Any) -> Any:
    """See `anyio.from_thread.run_sync`."""

    def call(future: Future[Any]) -> None:
        try:
            future.set_result(func(*args))
        except BaseException as exc:
            future.set_exception(exc)
        finally:
            del future  # a failure keeps this frame, which is not to keep the failure

    return run(partial(giambio.from_thread.run_sync, func, *args), call, token)


def run_async(func: Callable[..., Any], args: tuple[Any, ...], token: Any) -> Any:
    """See `anyio.from_thread.run`; it is cancelled if the loop ends before it."""

    async def attend(future: Future[Any]) -> None:
        try:
            future.set_result(await to_coroutine("from_thread.run()", func, args, None))
        except GeneratorExit:  # the loop has broken down
            drop(future)
            raise
        except BaseException as exc:
            future.set_exception(exc)
        finally:
            del future  # a failure keeps this frame, which is not to keep the failure

    def launch(future: Future[Any]) -> None:
        current_loop()._system_tasks.spawn(attend(future), copy_context())

    return run(partial(giambio.from_thread.run, func, *args), launch, token)


def run(
    without: Callable[[], Any], launch: Callable[[Future[Any]], None], token: Token | None
) -> Any:
    """Run a function in a loop, from any other thread, and wait for its result.

    Parameters:
        without: does it without a token.
        launch: called in the loop of the token, has a future settled.
        token: says which loop; by default that of the task that waits for this thread.

    Raises:
        anyio.RunFinishedError: the loop has ended.
        BaseException: the function raised it.
    """
    token = token or getattr(here, "token", None)
    try:
        return without() if token is None else outcome(token, launch)
    except RunFinishedError:
        raise anyio.RunFinishedError from None


def outcome(token: Token, launch: Callable[[Future[Any]], None]) -> Any:
    """Have a callback settle a future in the loop, and wait for that."""
    loop = token.loop()
    future: Future[Any] = Future()
    dropped = partial(drop, future)
    if not loop._hand_over(Handle(launch, (future,), copy_context(), dropped=dropped)):
        dropped()
    try:
        return future.result()
    finally:
        del future, dropped  # a failure keeps this frame, which is not to keep it


def drop(future: Future[Any]) -> None:
    """The loop has ended; it may be told so twice."""
    with suppress(InvalidStateError):
        future.set_exception(anyio.RunFinishedError())


def call_soon(func: Callable[..., Any], args: tuple[Any, ...], token: Any) -> None:
    """Have a function called in a loop, from any thread, without waiting for it.

    Raises:
        anyio.RunFinishedError: the loop has ended.
    """
    token.loop()._hand_in(Handle(func, args, copy_context()))
