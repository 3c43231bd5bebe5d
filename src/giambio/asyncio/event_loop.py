"""The drop-in loop: asyncio's programs on giambio's kernel, as people use uvloop today."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from giambio.asyncio.kernel_loop import KernelLoop
from giambio.kernel.kernel import check_no_loop_runs
from giambio.runtime import loop as runtime

__all__ = ["EventLoop", "new_event_loop", "run"]

T = TypeVar("T")


class EventLoop(KernelLoop):
    """An asyncio event loop on which all of giambio works.

    Parameters:
        driver, clock, threads, seed: see `giambio.EventLoop`.

    Raises:
        TypeError, ValueError: as `giambio.EventLoop`.

    Example:
        >>> import asyncio, giambio, giambio.asyncio
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         await manager.spawn(asyncio.sleep, 0.01)
        ...     return "done"
        >>> loop = giambio.asyncio.EventLoop()
        >>> loop.run_until_complete(main())
        'done'
        >>> loop.close()
    """

    def __init__(
        self,
        *,
        driver: str | None = None,
        clock: Any = None,
        threads: bool = True,
        seed: int | None = None,
    ) -> None:
        kernel = runtime.EventLoop(driver=driver, clock=clock, threads=threads, seed=seed)
        super().__init__(kernel)
        kernel._asyncgen_hooks = (self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)
        kernel._services["asyncio"] = self
        kernel._open(self._host)
        runtime.open_loops.add(kernel)
        # Whether the first turn of a run is still to come: there is one, also after `stop()`.
        self._turns_at_least = 0
        # Whether signals are to wake the kernel.
        self._listens = False

    def run_forever(self) -> None:
        """See `asyncio.AbstractEventLoop.run_forever`."""
        self._check_closed()
        self._check_running()
        self._turns_at_least = 1
        self._kernel.driver_wait(0.0)
        self._kernel.deliver()
        self._host.fire_timers()
        previous = self._begin_listening()
        try:
            self._kernel._run_until_exit(None, self._is_to_stop)
        finally:
            self._stopping = False
            self._listens = False
            if previous is not None:
                signal.set_wakeup_fd(previous)

    def _begin_listening(self) -> int | None:
        """Have Python wake the kernel when a signal comes; only the main thread can.

        Returns:
            The descriptor that it has written to so far; None if nothing was changed.
        """
        if threading.current_thread() is not threading.main_thread():
            return None
        self._listens = True
        return self._listen_to_signals()

    def _listen_to_signals(self) -> int | None:
        """See `KernelLoop._listen_to_signals`."""
        if not self._listens:
            return None
        return signal.set_wakeup_fd(self._kernel._wakeup.fileno(), warn_on_full_buffer=False)

    def _is_to_stop(self) -> bool:
        if self._turns_at_least:
            self._turns_at_least -= 1
            return False
        return self._stopping

    def close(self) -> None:
        """See `asyncio.AbstractEventLoop.close`."""
        if self.is_closed():
            return
        super().close()
        runtime.open_loops.discard(self._kernel)
        self._kernel._release()
        self._host.forget_tasks()
        self._host.let_go()
        self._kernel._services.clear()
        self._kernel._asyncgen_hooks = None
        self._kernel.close()

    def loop_ended(self, forked: bool) -> None:
        """See `Kernel._end_services`."""
        if forked:
            self._thread_id = None


def new_event_loop() -> EventLoop:
    """Make an `EventLoop`: a ``loop_factory`` for those who ask for a function.

    Returns:
        The loop.

    Example:
        >>> import giambio.asyncio
        >>> loop = giambio.asyncio.new_event_loop()
        >>> loop.is_running()
        False
        >>> loop.close()
    """
    return EventLoop()


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine in a new `EventLoop`, as `asyncio.run` does in one of asyncio's.

    Parameters:
        main: the coroutine.
        debug: whether asyncio's debug mode is on; by default as `PYTHONASYNCIODEBUG` says.

    Returns:
        Its result.

    Raises:
        BaseException: `main` raised it.
        RuntimeError: a loop runs in this thread already.
        ValueError: `main` is no coroutine.

    Example:
        >>> import asyncio, giambio.asyncio
        >>> giambio.asyncio.run(asyncio.sleep(0.01, "done"))
        'done'
    """
    check_no_loop_runs()  # asyncio's Runner would ask only once it has a loop to leave behind
    with asyncio.Runner(loop_factory=EventLoop, debug=debug) as runner:
        return runner.run(main)
