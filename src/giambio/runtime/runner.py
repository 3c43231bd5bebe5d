"""`Runner`: several calls of async functions on one loop, as `asyncio.Runner`.

`run` makes a loop for each call. A program that goes in and out, such as an interactive one
or a test of its own kind, keeps what belongs to a loop (sockets, locks, context variables) from
call to call; tasks it cannot keep, for each call waits for its own.
"""

from __future__ import annotations

import contextvars
import typing
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from giambio._build.sealed import final
from giambio.arguments import check_seconds
from giambio.errors import RunFinishedError
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.coroutines import discard
from giambio.kernel.tracebacks import user_part
from giambio.runtime.loop import GRACE, EventLoop
from giambio.runtime.sigint import checked_signals

__all__ = ["Runner"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@typing.final  # for type checkers
@final
class Runner:
    """Runs async functions one after another, on one loop: ``with Runner() as runner: ...``

    Parameters:
        driver, clock, strict, threads, seed, detect_deadlocks, slow_step: see `EventLoop`.
        stop_signals, grace: see `EventLoop.start`; they hold for each call.

    What was made in one call, such as a socket or a lock, may be used in the next. All calls
    run in one context, a copy of the one that the runner was made in, so context variables
    keep their values, too. Tasks end with the call that they were spawned in. Leaving the
    block closes the loop.

    Raises:
        TypeError, ValueError: a parameter is wrong.

    Example:
        >>> import giambio
        >>> async def put(queue, item):
        ...     await queue.put(item)
        >>> with giambio.Runner() as runner:
        ...     queue = giambio.Queue(1)
        ...     runner.run(put, queue, "from the first call")
        ...     print(runner.run(queue.get))
        from the first call
    """

    __slots__ = ("__weakref__", "_grace", "_loop", "_stop_signals")

    def __init__(
        self,
        *,
        driver: str | None = None,
        clock: Any = None,
        strict: bool = False,
        threads: bool = True,
        seed: int | None = None,
        detect_deadlocks: bool = True,
        slow_step: float | None = None,
        stop_signals: Iterable[int] = (),
        grace: float = GRACE,
    ) -> None:
        self._stop_signals = checked_signals(stop_signals)
        check_seconds("Runner()", "grace", grace)
        self._grace = grace
        self._loop = EventLoop(
            driver=driver,
            clock=clock,
            strict=strict,
            threads=threads,
            seed=seed,
            detect_deadlocks=detect_deadlocks,
            slow_step=slow_step,
        )
        self._loop._what = "Runner.run"
        self._loop._main_context = contextvars.copy_context()

    def run(self, main: Callable[[Unpack[Ts]], Awaitable[T]], *args: Unpack[Ts]) -> T:
        """Run an async function until it is done.

        Parameters:
            main: an async function, not its coroutine.
            args: its arguments.

        Returns:
            The result of `main`.

        Raises:
            BaseException: `main` raised it; and as `EventLoop.start` does.
            RunFinishedError: the runner is closed.

        Example:
            >>> import giambio
            >>> async def main(name):
            ...     await giambio.sleep(0.01)
            ...     return f"hello, {name}"
            >>> with giambio.Runner() as runner:
            ...     runner.run(main, "world"), runner.run(main, "again")
            ('hello, world', 'hello, again')
        """
        try:
            self._check_open()
        except BaseException:
            discard(main)
            raise
        try:
            signals = self._stop_signals
            return self._loop.start(main, *args, stop_signals=signals, grace=self._grace)
        except BaseException as exc:
            raise user_part(exc)  # noqa: B904  # it is the same exception

    def get_loop(self) -> EventLoop:
        """Return the loop, to wrap a socket before the first call, for example.

        Raises:
            RunFinishedError: the runner is closed.

        Example:
            >>> import giambio
            >>> with giambio.Runner() as runner:
            ...     runner.get_loop()
            <giambio.EventLoop idle>
        """
        self._check_open()
        return self._loop

    def close(self) -> None:
        """Close the loop for good; idempotent.

        Raises:
            RuntimeError: a call is running.

        Example:
            >>> import giambio
            >>> runner = giambio.Runner()
            >>> runner.run(giambio.sleep, 0)
            >>> runner.close()
        """
        self._loop.close()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    __aenter__ = __aexit__ = refuse_async_with

    def __repr__(self) -> str:
        return f"<giambio.Runner {'closed' if self._loop._closed else 'open'}>"

    def _check_open(self) -> None:
        if self._loop._closed:
            raise RunFinishedError("this Runner is closed; make a new one")
