"""The worker threads: they run jobs, rest a while, and go.

Starting a thread takes longer than most jobs, so one that is done waits for the
next job, each on a lock of its own; the one that came to rest last is taken
first, and the others grow old and end. They are daemons and never keep the
interpreter from exiting.

Jobs that were asked for (`to_thread`) run at once, each in a thread; how many
may run is their limiter's business. Jobs that nobody asked for by name share a
few threads, and wait for one if need be: those that look up hosts, and those that
use files where there is no other way. Each kind has its own, because looking up
takes half a minute when no name server answers, and files must not wait for that.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from typing import Any, Protocol, TypeVar

from giambio.kernel.operation import Operation, current_kernel
from giambio.threads.call import ThreadCall

__all__ = ["Job", "idle_workers", "run_in_worker", "submit", "submit_for_files"]

T = TypeVar("T")

#: How many threads run jobs of a kind that nobody asked for by name.
MOST_WORKERS = 32
#: How long a thread waits for a further job.
IDLE_SECONDS = 5.0


class Job(Protocol):
    """What a worker does. Neither of the two may raise."""

    @property
    def delivered(self) -> bool:
        """Whether nobody waits for the worker any more."""

    def run(self) -> None:
        """Do it."""

    def deliver(self) -> None:
        """Say that it is done."""


class UnaskedJob(Job, Protocol):
    """A job that may have to wait for a thread, and is not done if nobody waits any more."""

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for what comes of it."""


class Worker(threading.Thread):
    """A thread that does one job after another."""

    def __init__(self, idle: dict[Worker, None], name: str, job: Job) -> None:
        super().__init__(name=name, daemon=True)
        # The workers without a job; taken from the end.
        self._idle = idle
        self._next: Job | None = job
        self._given = threading.Lock()
        # What it is doing, or was doing until it came to rest.
        self._doing: Job | None = job

    def give(self, job: Job) -> None:
        """Have it do a job; it must have been taken out of the idle ones."""
        self._next = job
        self._given.release()

    def rests(self) -> bool:
        """Tell of an idle worker whether it is done also in the eyes of who waited for it."""
        job = self._doing
        return job is None or job.delivered

    def run(self) -> None:
        """Work until there was nothing to do for a while."""
        self._given.acquire()
        while True:
            job = self._doing = self._next
            self._next = None
            if job is None:
                return
            job.run()
            # Idle already: what is delivered may lead to a new job at once, and there
            # need not be a second thread for it.
            self._idle[self] = None
            job.deliver()
            del job  # an idle thread keeps nothing alive
            self._doing = None
            if not self._given.acquire(timeout=IDLE_SECONDS):
                self._retire()

    def _retire(self) -> None:
        """Stop being idle: the thread ends, unless it has been given a job just now."""
        try:
            del self._idle[self]
        except KeyError:
            self._given.acquire()  # it is on its way


class Workers:
    """The worker threads of the process."""

    def __init__(self) -> None:
        self._idle: dict[Worker, None] = {}
        self._numbers = count(1)
        self.for_names = LimitedPool(self)
        self.for_files = LimitedPool(self)

    def submit(self, job: Job) -> None:
        """Have a job run at once, by an idle thread or by a new one.

        Raises:
            RuntimeError: the system refuses to start a thread.
        """
        try:
            worker, _ = self._idle.popitem()
        except KeyError:
            Worker(self._idle, f"giambio-worker-{next(self._numbers)}", job).start()
        else:
            worker.give(job)

    def idle(self) -> int:
        """See `idle_workers`."""
        return sum(worker.rests() for worker in list(self._idle))


class LimitedPool:
    """A few of the threads, for jobs of one kind that nobody asked for by name."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        # The jobs that wait, and how many threads are at it.
        self._waiting: deque[UnaskedJob] = deque()
        self._serving = 0
        self._lock = threading.Lock()

    def submit(self, job: UnaskedJob) -> None:
        """Have a job run as soon as a thread is free.

        Raises:
            RuntimeError: the system refuses to start a thread, and there is none.
        """
        with self._lock:
            self._waiting.append(job)
            if self._serving >= MOST_WORKERS:
                return
            self._serving += 1
        try:
            self._workers.submit(Serving(self))
        except BaseException:
            with self._lock:
                self._serving -= 1
                if not self._serving:  # nobody would come to it
                    self._waiting.remove(job)
                    raise

    def next(self) -> Job | None:
        """The job whose turn it is; None if the thread is not needed any more."""
        with self._lock:
            while self._waiting:
                job = self._waiting.popleft()
                if not job.abandoned:
                    return job
            self._serving -= 1
            return None


class Serving:
    """The job of doing the jobs that wait."""

    def __init__(self, few: LimitedPool) -> None:
        self._few = few
        self._last: Job | None = None

    @property
    def delivered(self) -> bool:
        """See `Job.delivered`."""
        return self._last is None or self._last.delivered

    def run(self) -> None:
        """Do them all; the last one is delivered when the thread is idle already."""
        while (job := self._few.next()) is not None:
            if self._last is not None:
                self._last.deliver()
            self._last = job
            job.run()

    def deliver(self) -> None:
        """See `Job.deliver`."""
        if self._last is not None:
            self._last.deliver()


workers = Workers()


def submit(job: Job) -> None:
    """See `Workers.submit`."""
    workers.submit(job)


def submit_for_names(job: UnaskedJob) -> None:
    """Have a host looked up by one of a few threads; see `LimitedPool.submit`."""
    workers.for_names.submit(job)


def submit_for_files(job: UnaskedJob) -> None:
    """Have a file used by one of a few threads; see `LimitedPool.submit`."""
    workers.for_files.submit(job)


def idle_workers() -> int:
    """How many worker threads have nothing to do, and so will wake nobody."""
    return workers.idle()


def forget_workers() -> None:
    """A forked child has none of its parent's threads."""
    global workers
    workers = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_workers)


def run_in_worker(what: str, function: Callable[..., T], *args: Any) -> Operation[T]:
    """Call a function that looks up a host in a worker thread that nobody has asked for.

    Parameters:
        what: what is being done, for messages.
        function: called with `args` in the thread.
        args: its arguments.

    Returns:
        Awaited: what the function returned.

    Raises:
        RuntimeError: the loop was made with ``threads=False``; or, awaited, the
            system refuses to start a thread.
        BaseException: awaited, what the function raised.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, the thread is left to itself and its result dropped.
    """
    loop: Any = current_kernel()
    if not loop._threads:
        raise RuntimeError(
            f"{what} needs a worker thread, and this loop was made with threads=False"
        )
    return ThreadCall(what, submit_for_names, function, args, copy_context(), None, True)
