"""Worker threads for what the system cannot do without blocking.

giambio starts a thread unasked only where there is no other way: to resolve a
name. The threads are few, are named, are gone when idle, and never keep the
interpreter from exiting.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from giambio.errors import RunFinishedError
from giambio.kernel.operation import Wait, current_kernel
from giambio.kernel.tracebacks import user_part

__all__ = ["run_in_worker"]

T = TypeVar("T")

MOST_WORKERS = 32
IDLE_SECONDS = 5.0


class Workers:
    """The worker threads of the process. They take jobs, first come first served."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._running = 0
        self._numbers = count(1)

    def submit(self, job: Callable[[], None]) -> None:
        """Have a job run by an idle thread, a new one, or the next that is free."""
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
                return
            if self._running >= MOST_WORKERS:
                return
            self._running += 1
        name = f"giambio-worker-{next(self._numbers)}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except BaseException:
            with self._changed:
                self._running -= 1
                if not self._running and job in self._jobs:
                    self._jobs.remove(job)
                    raise

    def withdraw(self, job: Callable[[], None]) -> None:
        """Forget a job that no thread has begun yet."""
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)

    def _work(self) -> None:
        while True:
            job = self._next_job()
            if job is None:
                return
            job()
            del job  # an idle thread keeps nothing alive

    def _next_job(self) -> Callable[[], None] | None:
        with self._changed:
            self._idle += 1
            got = self._changed.wait_for(lambda: self._jobs, IDLE_SECONDS)
            self._idle -= 1
            if got:
                return self._jobs.popleft()
            self._running -= 1
            return None


workers = Workers()


def forget_workers() -> None:
    """A forked child has none of its parent's threads."""
    global workers
    workers = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_workers)


async def run_in_worker(what: str, function: Callable[..., T], *args: Any) -> T:
    """Call a blocking function in a worker thread, and wait for it.

    Parameters:
        what: what is being done, for messages.
        function: called with `args` in the thread.
        args: its arguments.

    Returns:
        What the function returned.

    Raises:
        RuntimeError: the loop was made with ``threads=False``.
        BaseException: what the function raised.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, the thread is left to itself and its result dropped.
    """
    loop: Any = current_kernel()
    if not loop.threads:
        raise RuntimeError(
            f"{what} needs a worker thread, and this loop was made with threads=False"
        )
    wait = Wait(name=what)

    def report(wake: Callable[[Any], object], outcome: Any) -> None:
        try:
            loop.call_soon_threadsafe(wake, outcome)
        except RunFinishedError:
            pass  # the loop was closed meanwhile: nobody waits

    def job() -> None:
        try:
            result = function(*args)
        except BaseException as exc:
            report(wait.wake_error, user_part(exc))
        else:
            report(wait.wake, result)

    workers.submit(job)
    try:
        result: T = await wait
    except BaseException:
        workers.withdraw(job)
        raise
    return result
