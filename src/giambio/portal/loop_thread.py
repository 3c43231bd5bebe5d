"""A loop in a thread of its own, for programs that run none."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from contextvars import copy_context
from types import TracebackType

from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.callbacks import Handle
from giambio.kernel.tracebacks import user_part
from giambio.portal.blocking_portal import BlockingPortal
from giambio.portal.latch import Latch
from giambio.runtime.loop import EventLoop, run
from giambio.threads.workers import daemons_allowed

__all__ = ["start_blocking_portal"]


def start_blocking_portal(
    loop: EventLoop | None = None,
) -> AbstractContextManager[BlockingPortal, None]:
    """Run a loop in a thread, for a program that runs none: ``with start_blocking_portal() ...``

    Parameters:
        loop: the loop to run; a new one by default.

    Returns:
        A context manager, which gives a `BlockingPortal`. Leaving it waits for the calls that
        are under way, or cancels them if an exception leaves it, and ends the loop.

    Raises:
        TypeError: `loop` is not an `EventLoop`.
        BaseException: on entering, the failure that kept the loop from starting; on
            leaving, the failure that ended it.

    The thread never keeps the interpreter from exiting. Ctrl-C while the block is
    being left cancels the calls that it waits for.

    Example:
        >>> import giambio
        >>> async def double(n):
        ...     return n * 2
        >>> with giambio.start_blocking_portal() as portal:
        ...     portal.call(double, 21)
        42
    """
    if loop is not None and not isinstance(loop, EventLoop):
        raise TypeError(f"start_blocking_portal() needs a giambio.EventLoop, not {loop!r}")
    return LoopThread(loop)


class LoopThread(threading.Thread):
    """A thread that runs a loop with a portal in it, as a context manager.

    It is no generator: that would be closed when the interpreter exits, and wait for a thread
    that runs no more.
    """

    #: What it is called in messages, see `blocks`.
    _a_label = "start_blocking_portal()"

    def __init__(self, loop: EventLoop | None) -> None:
        super().__init__(name="giambio-portal", daemon=daemons_allowed())
        self._loop = loop
        self._wanted = True
        self._portal = BlockingPortal()
        self._opened = Latch()
        # Not `join`: before Python 3.13, one that Ctrl-C interrupts takes the thread for ended.
        self._ended = Latch()
        # The failure that ended the loop.
        self._failure: BaseException | None = None

    def __enter__(self) -> BlockingPortal:
        self.start()
        try:
            self._opened.wait()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            self._end(cancel_remaining=True)
            raise
        return self._portal

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(cancel_remaining=exc is not None)
        # The failure of the loop comes before its consequences, but not before Ctrl-C.
        if self._failure is not None and (exc is None or isinstance(exc, Exception)):
            raise self._failure

    __aenter__ = __aexit__ = refuse_async_with

    def run(self) -> None:
        """See `threading.Thread.run`."""
        try:
            if self._loop is None:
                run(self._serve)
            else:
                self._loop.start(self._serve)
        except BaseException as exc:
            self._failure = user_part(exc)
        finally:
            self._opened.set()
            self._ended.set()

    async def _serve(self) -> None:
        async with self._portal:
            self._opened.set()
            if self._wanted:
                await self._portal.sleep_until_stopped()

    def _end(self, cancel_remaining: bool) -> None:
        """Have the loop end, and wait for that; an interruption cancels the calls."""
        try:
            self._ask_to_stop(cancel_remaining)
            self._ended.wait()
        except BaseException:
            self._ask_to_stop(True)
            self._ended.wait()
            raise

    def _ask_to_stop(self, cancel_remaining: bool) -> None:
        self._wanted = False
        loop = self._portal._loop
        if loop is not None:
            loop._hand_over(Handle(self._portal._stop_now, (cancel_remaining,), copy_context()))
