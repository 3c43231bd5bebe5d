"""Worker threads: they run jobs, wait for the next one, and end when none comes.

Starting a thread takes longer than most jobs, so a worker that is done waits for another job,
each on a lock of its own. The one that became idle last is used first, and the others grow old
and end. Workers are daemons and never keep the interpreter from exiting. Where Python allows no
daemons, in an interpreter that has a GIL of its own, the idle ones are told to end at its exit.

The jobs of `to_thread` run at once, each in a thread; their limiter bounds how many. Jobs that
nobody asked for by name share a few threads, and wait for one if need be: name look-ups, and
files where there is no other way. Each kind has a pool of its own, because a look-up takes half
a minute when no name server answers, and files must not wait for that.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from itertools import count
from typing import Any, ClassVar, TypeVar

from giambio._build.selection import in_main_interpreter
from giambio.kernel import current
from giambio.kernel.operation import current_kernel
from giambio.kernel.tracebacks import modules_of
from giambio.threads.call import ThreadCall

__all__ = [
    "INSTEAD",
    "Worker",
    "daemons_allowed",
    "end_idle_workers",
    "for_files",
    "idle_workers",
    "kinds",
    "run_in_worker",
    "start",
    "submit",
]

T = TypeVar("T")

#: The number of threads in a pool for jobs that nobody asked for by name.
MOST_WORKERS = 32
#: The name of the service of a loop that takes jobs instead of threads.
INSTEAD = "instead of threads"
#: How long a thread waits for another job.
IDLE_SECONDS = 5.0
#: How long a thread waits for memory before it tries again.
SECONDS_WITHOUT_MEMORY = 0.01


class Worker(threading.Thread):
    """A thread that runs jobs one after another."""

    #: Those of this kind without a job; the last one is used first.
    idle: ClassVar[dict[Worker, None]] = {}

    def __init__(self, jobs: Iterator[ThreadCall]) -> None:
        super().__init__(
            name=f"giambio-worker-{next(numbers)}", daemon=daemons_allowed(), **empty_context()
        )
        self._idle = self.idle
        self._is_idle = False
        self._retired = False
        self._given = threading.Lock()
        self._given.acquire()
        self._jobs = jobs
        # The job that is to be run, and the one that has run, until it is delivered.
        self._job: ThreadCall | None = None
        self._last: ThreadCall | None = None

    def start(self) -> None:
        """Start the thread; see `Thread.start`.

        If a signal handler raises just when the thread has begun, Python looks for it in vain
        among those that have not, and raises that `KeyError` instead.
        """
        try:
            super().start()
            return
        except KeyError as error:
            interruption = error.__context__
            if interruption is None or modules_of(error)[-1] != threading.__name__:
                raise
        try:
            raise interruption
        finally:
            del interruption

    def give(self, jobs: Iterator[ThreadCall]) -> None:
        """Have it run jobs; it must have been taken out of the idle workers."""
        self._jobs = jobs
        self._given.release()

    def end(self) -> None:
        """End it, and wait for that; it must have been taken out of the idle workers."""
        self._retired = True
        self._given.release()
        self.join()

    def rests(self) -> bool:
        """Whether an idle worker will wake nobody any more."""
        last = self._last
        return last is None or last.delivered

    def run(self) -> None:
        """Work until no job has come for a while."""
        while not self._retired:
            try:
                self._work()
            except MemoryError:  # tasks wait for the jobs, so it goes on where it was
                time.sleep(SECONDS_WITHOUT_MEMORY)

    def _work(self) -> None:
        """Run the jobs that there are, and wait for others."""
        if not self._is_idle:
            while (job := self._job or next(self._jobs, None)) is not None:
                self._job = job
                self._deliver_last()
                job.run()
                self._last = job
                self._job = None
            # Idle before the last one is delivered: that may lead to another job at once, which
            # does not need a second thread.
            self._idle[self] = None
            self._is_idle = True
        self._deliver_last()
        if self._given.acquire(timeout=self._patience()):
            self._is_idle = False
        else:
            self._retire()

    def _patience(self) -> float:
        """Return for how many seconds it waits for another job."""
        return 0.0 if exiting else IDLE_SECONDS

    def _deliver_last(self) -> None:
        if self._last is not None:
            self._last.deliver()
            self._last = None

    def _retire(self) -> None:
        """Stop being idle: the thread ends, unless it has been given a job just now."""
        try:
            del self._idle[self]
            self._retired = True
        except KeyError:
            self._given.acquire()  # the job is on its way
            self._is_idle = False


def empty_context() -> dict[str, Any]:
    """Return the argument of a thread that keeps nothing of the context it was started in.

    By default that is so. But with ``-X thread_inherit_context`` of Python 3.14, as without a
    GIL, a thread begins in a copy of that context, and a worker lives longer than what is in it.
    """
    return {"context": Context()} if sys.version_info >= (3, 14) else {}


class LimitedPool:
    """A bounded number of threads, for jobs of one kind that nobody asked for by name."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all jobs and threads."""
        self._waiting: deque[ThreadCall] = deque()
        self._threads = 0
        self._lock = threading.Lock()

    def submit(self, job: ThreadCall) -> None:
        """Have a job run as soon as a thread is free, unless it is abandoned before.

        Raises:
            RuntimeError: the system refuses to start a thread, and there is none.
        """
        with self._lock:
            self._waiting.append(job)
            if self._threads >= MOST_WORKERS:
                return
            self._threads += 1
        try:
            start(iter(self._next, None))
        except BaseException:
            with self._lock:
                self._threads -= 1
                if not self._threads:  # no thread would come to it
                    self._waiting.remove(job)
                    raise

    def _next(self) -> ThreadCall | None:
        """Take the next job; None if the thread is not needed any more."""
        with self._lock:
            while self._waiting:
                job = self._waiting.popleft()
                if not job.abandoned:
                    return job
            self._threads -= 1
            return None


#: The kinds of workers, each of which has its idle ones.
kinds: list[type[Worker]] = [Worker]
numbers = count(1)
#: Whether the interpreter is about to end: no worker waits for another job then.
exiting = False
for_names = LimitedPool()
for_files = LimitedPool()


def submit(job: ThreadCall) -> None:
    """Have a job run at once.

    Raises:
        RuntimeError: the system refuses to start a thread.
    """
    start(iter((job,)))


def start(jobs: Iterator[ThreadCall], kind: type[Worker] = Worker) -> None:
    """Have jobs run one after another, by an idle worker or by a new one; see `submit`.

    The service `INSTEAD` of a loop gets them if there is one: a simulation has no threads.
    """
    kernel = current.get()
    instead = None if kernel is None else kernel._services.get(INSTEAD)
    if instead is not None:
        instead(jobs)
        return
    try:
        worker, _ = kind.idle.popitem()
    except KeyError:
        kind(jobs).start()
    else:
        worker.give(jobs)


def idle_workers() -> int:
    """Return the number of worker threads that have nothing to do, and so will wake nobody."""
    return sum(worker.rests() for kind in kinds for worker in list(kind.idle))


def end_idle_workers(kind: type[Worker]) -> None:
    """End the threads of a kind that have nothing to do."""
    while kind.idle:
        kind.idle.popitem()[0].end()


def daemons_allowed() -> bool:
    """Return whether this interpreter may have threads that do not keep it from ending."""
    asked = getattr(_thread, "daemon_threads_allowed", None)  # from Python 3.12 on
    return asked is None or bool(asked())


def prepare_exit() -> None:
    """End the threads of a subinterpreter, which cannot end while it has any."""
    global exiting
    exiting = True
    for kind in kinds:
        end_idle_workers(kind)


def forget_workers() -> None:
    """A forked child has none of its parent's threads."""
    global numbers
    for kind in kinds:
        kind.idle = {}
    numbers = count(1)
    for_names.reset()
    for_files.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_workers)
if not in_main_interpreter():
    # And not by `atexit`, which comes after Python has waited for the threads.
    threading._register_atexit(prepare_exit)  # type: ignore[attr-defined]


def run_in_worker(what: str, function: Callable[..., T], *args: Any) -> Coroutine[Any, Any, T]:
    """Call a function that looks up a name in a worker thread that nobody has asked for.

    Parameters:
        what: what is being done, for messages.
        function: called with `args` in the thread.
        args: its arguments.

    Returns:
        Awaited: the result of the function.

    Raises:
        RuntimeError: the loop was made with ``threads=False``; or, awaited, the
            system refuses to start a thread.
        BaseException: awaited, the function raised it.
        CancelledError: the task is in a cancelled scope.

    A checkpoint. Cancelled, the thread is left to itself and its result dropped.
    """
    loop: Any = current_kernel()
    if not loop._threads:
        raise RuntimeError(
            f"{what} needs a worker thread, and this loop was made with threads=False"
        )
    return ThreadCall(what, for_names.submit, function, args, copy_context(), None, True)
