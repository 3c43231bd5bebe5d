"""A loop that stands still between the fixtures and the test that run in it.

pytest is not async: it sets fixtures up, calls the test and tears down again, one call after the
other. So the loop is driven by turns until each of these is done, and paused in between. One
task does all of it, so that a scope or a manager that a fixture keeps open surrounds what comes
after it. The test itself is a child of that task: when it is cancelled, the fixtures are not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from math import inf
from time import monotonic
from typing import Any

from giambio.errors import CancelledError, TaskCancelled
from giambio.inspect.deadlocks import DeadlockDetector
from giambio.inspect.task_tree import format_task_tree, tree_of
from giambio.kernel.kernel import check_no_loop_runs
from giambio.kernel.operation import Wait
from giambio.kernel.task import Task
from giambio.kernel.tracebacks import user_part
from giambio.runtime.loop import EventLoop, current_loop
from giambio.runtime.sigint import Interrupts
from giambio.tasks.cancel import CancelScope
from giambio.tasks.manager import TaskManager

__all__ = ["Runner", "close_by_force"]


class Job:
    """A function to run, and its outcome."""

    def __init__(
        self, what: str, function: Callable[[], Awaitable[Any]], task: Task, is_test: bool
    ) -> None:
        self.what = what
        self.function = function
        # The task that runs it, to be told when it takes too long.
        self.task = task
        self.is_test = is_test
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    async def do(self) -> None:
        """Run the function: a test in a new task, anything else in this one."""
        __tracebackhide__ = True
        if not self.is_test:
            self.result = await self.function()
            return
        async with TaskManager(strict=False) as manager:
            self.task = task = manager.start_soon(self.function(), name=self.what)
            current_loop()._main = task
        self.result = task.result()


class Runner:
    """Runs async functions one after the other, in one loop.

    Parameters:
        failure: makes the exception for a job that took too long or was cancelled: of a
            text, and whether the place where it is raised tells something.
        options: for the loop, see `giambio.EventLoop`.
    """

    def __init__(self, failure: Callable[[str, bool], BaseException], **options: Any) -> None:
        self._failure = failure
        self._loop = EventLoop(**options)
        # The next job; None to end.
        self._jobs: deque[Job | None] = deque()
        self._wait: Wait | None = None
        # Exceptions that were raised into the main task when it had nothing to do.
        self._late: list[BaseException] = []
        #: The job that runs.
        self.job: Job | None = None
        #: Whether a job did not end in time, and the loop is closed therefore.
        self.given_up = False
        self._main: Task[None] = self._loop.begin(run_jobs, self)

    def run(
        self,
        what: str,
        function: Callable[[], Awaitable[Any]],
        limit: float | None,
        is_test: bool = False,
    ) -> Any:
        """Run an async function.

        Parameters:
            what: its name in messages.
            function: the function.
            limit: how many real seconds it may take; None for as long as it likes.
            is_test: True runs it in a task of its own, not in the one that runs the fixtures.

        Returns:
            Its result.

        Raises:
            BaseException: the function raised it.
            KeyboardInterrupt: after Ctrl-C.
        """
        __tracebackhide__ = True
        check_no_loop_runs()
        if self.given_up:
            raise self._failure(f"{what} cannot run, because the loop was given up", False)
        interrupts = Interrupts(self._loop, self._main)
        self.job = job = Job(what, function, self._main, is_test)
        try:
            interrupts.install()
            self._loop._idle.watch_for_deadlock(DeadlockDetector(self._loop).look)
            self._give(job)
            self._drive(job, limit)
        except BaseException:
            self.given_up = True
            self._loop._give_up()
            self._loop.close()
            raise
        finally:
            self.job = None
            self._loop._idle.watch_for_deadlock(None)
            interrupts.restore()
        errors = [*([] if job.error is None else [job.error]), *self._late]
        job.error = None
        self._late = []
        if interrupts.count:
            raise KeyboardInterrupt
        raise_all(errors)
        return job.result

    def close(self) -> None:
        """End the loop. Whatever fixtures have left open there is closed by force.

        Raises:
            BaseException: it was raised too late to be reported otherwise.
        """
        __tracebackhide__ = True
        if self.given_up:
            return
        self._give(None)
        try:
            while not self._main.done():
                self._loop.turn()
            self._loop.end()
            raise_all(self._late)
        finally:
            self._loop.close()

    async def next_job(self) -> Job | None:
        """Wait for the next job; whatever the scopes that fixtures have left open say."""
        while not self._jobs:
            self._wait = Wait(name="the next fixture or test")
            try:
                with CancelScope(shield=True):
                    await self._wait
            except GeneratorExit:
                raise
            except BaseException as exc:
                self._late.append(user_part(exc))
        return self._jobs.popleft()

    def _give(self, job: Job | None) -> None:
        self._jobs.append(job)
        if self._wait is not None:
            self._wait.wake()

    def _drive(self, job: Job, limit: float | None) -> None:
        """Turn the loop until a job is done.

        Raises:
            BaseException: the loop itself raised it; or the job has not even ended
                when it was told that its time is over.
        """
        __tracebackhide__ = has_traceback
        end = inf if limit is None else monotonic() + limit
        told = False
        while not job.done:
            left = end - monotonic()
            if limit is None or left > 0:
                wait = self._loop.run_ready()
                if not job.done:
                    self._loop.driver_wait(min(wait, left))
                    self._loop.deliver()
                continue
            tree = format_task_tree(tree_of(self._loop))
            if told:
                raise self._failure(
                    f"{job.what} did not end within {limit} s after it was told that its time "
                    f"is over; its tasks were closed by force:\n{tree}",
                    False,
                )
            told = True
            end = monotonic() + limit
            text = f"{job.what} took longer than {limit} s. Where its tasks were:\n{tree}"
            self._loop._inject(job.task, self._failure(text, True))

    async def do(self, job: Job) -> None:
        """Do a job, and note its outcome."""
        __tracebackhide__ = True
        try:
            await job.do()
        except GeneratorExit:
            raise
        except TaskCancelled:
            job.error = self._failure(f"{job.what} was cancelled, by cancel() of its task", False)
        except CancelledError as exc:
            job.error = self._failure(
                f"{job.what} was {exc} (the scope of a fixture that surrounds it was; the fixture "
                "tells more when it is torn down)",
                False,
            )
        except BaseException as exc:
            job.error = user_part(exc)
        if job.task is not self._main:  # errors of callbacks belong to the test
            self._late += self._loop._undelivered()
            self._loop._main = self._main
        job.done = True


async def run_jobs(runner: Runner) -> None:
    """The main task of a runner's loop."""
    __tracebackhide__ = True
    while (job := await runner.next_job()) is not None:
        await runner.do(job)


def raise_all(errors: list[BaseException]) -> None:
    """Raise the errors, if there are any."""
    __tracebackhide__ = has_traceback
    if len(errors) == 1:
        try:
            raise errors[0]
        finally:
            del errors
    if errors:
        raise BaseExceptionGroup("the test and callbacks failed", errors)


def has_traceback(raised: Any) -> bool:
    """Hide our frame from pytest, unless it is all there is: then it would remark on that."""
    return getattr(raised.value, "pytrace", True)


def close_by_force(generator: AsyncGenerator[Any, Any]) -> None:
    """Close an async generator whose loop is gone: it may clean up, but not wait."""
    closing = generator.aclose()
    try:
        closing.send(None)
    except (StopIteration, StopAsyncIteration):
        return
    closing.close()
