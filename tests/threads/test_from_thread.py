"""`from_thread`: calls of a worker thread into the loop, in the scopes of the task that waits."""

from __future__ import annotations

import contextvars
import gc
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

import giambio
from giambio import from_thread
from giambio.testing import VirtualClock
from support.threads import LONG, Gate, until, wait_until

Run = Callable[..., Any]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A blocking function, which is let go at the end whatever happens."""
    gate = Gate()
    yield gate
    gate.open.set()


async def add(a: int, b: int) -> int:
    await giambio.checkpoint()
    return a + b


# -- run -----------------------------------------------------------------------------------


def test_an_async_function_runs_in_the_loop(run: Run) -> None:
    async def visit() -> tuple[bool, object]:
        await giambio.checkpoint()
        return threading.current_thread() is threading.main_thread(), giambio.current_loop()

    async def main() -> None:
        in_main, loop = await giambio.to_thread(from_thread.run, visit)
        assert in_main
        assert loop is giambio.current_loop()

    run(main)


def test_many_visits_of_one_thread(run: Run) -> None:
    def blocking() -> int:
        return sum(from_thread.run(add, number, 1) for number in range(100))

    assert run(giambio.to_thread, blocking) == sum(range(1, 101))


def test_visits_of_many_threads_at_once(run: Run) -> None:
    def blocking(number: int) -> int:
        return from_thread.run(add, number, from_thread.run_sync(abs, -1))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(giambio.to_thread, blocking, n) for n in range(200)]
        assert [task.result() for task in tasks] == list(range(1, 201))

    run(main)


def test_a_visit_may_use_threads_itself(run: Run) -> None:
    def blocking(depth: int) -> int:
        return depth if depth == 0 else 1 + from_thread.run(deeper, depth - 1)

    async def deeper(depth: int) -> int:
        return await giambio.to_thread(blocking, depth)

    assert run(deeper, 10) == 10


def test_a_visit_is_a_child_of_the_task_that_waits(run: Run) -> None:
    async def visit() -> giambio.Task[Any] | None:
        return giambio.current_task().parent

    async def main() -> None:
        task = giambio.current_task()
        assert await giambio.to_thread(from_thread.run, visit) is task
        assert await giambio.to_thread(from_thread.run_sync, giambio.current_task) is not task

    run(main)


def test_what_it_raises_is_raised_in_the_thread(run: Run) -> None:
    error = ValueError("in the loop")

    async def visit() -> None:
        await giambio.checkpoint()
        raise error

    def blocking() -> str:
        with pytest.raises(ValueError, match="in the loop") as caught:
            from_thread.run(visit)
        assert caught.value is error
        return "handled"

    assert run(giambio.to_thread, blocking) == "handled"


def test_what_it_raises_goes_on_to_the_task_with_one_frame_of_ours(run: Run) -> None:
    """Rule 8.17: no frame of ours between the user's, but for the call they wrote."""

    async def visit() -> None:
        raise ValueError("in the loop")

    def blocking() -> None:
        from_thread.run(visit)

    async def main() -> list[str]:
        with pytest.raises(ValueError) as caught:
            await giambio.to_thread(blocking)
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    assert run(main) == ["main", "blocking", "run", "visit"]


def test_a_failing_visit_does_not_cancel_the_task_that_waits(run: Run) -> None:
    async def visit() -> None:
        raise ValueError

    def blocking() -> str:
        with pytest.raises(ValueError):
            from_thread.run(visit)
        return from_thread.run(add, 1, 2)

    async def main() -> None:
        assert await giambio.to_thread(blocking) == 3
        await giambio.checkpoint()

    run(main)


def test_an_ordinary_function_is_refused(run: Run) -> None:
    def blocking() -> None:
        with pytest.raises(TypeError, match=r"from_thread.run\(\) needs an async function"):
            from_thread.run(abs, -1)  # type: ignore[arg-type]

    run(giambio.to_thread, blocking)


def test_an_async_function_is_refused_by_run_sync(run: Run) -> None:
    def blocking() -> None:
        with pytest.raises(TypeError, match=r"is async: use from_thread.run\(\)"):
            from_thread.run_sync(add, 1, 2)

    run(giambio.to_thread, blocking)
    gc.collect()


def test_a_coroutine_is_refused_by_run_sync_and_closed(run: Run) -> None:
    """Rules 19.2, 19.4: `run_sync(work())`."""
    coro = add(1, 2)

    def blocking() -> None:
        with pytest.raises(TypeError, match=r"write from_thread\.run_sync\(function, argument"):
            from_thread.run_sync(coro)  # type: ignore[arg-type]

    run(giambio.to_thread, blocking)
    assert coro.cr_frame is None


# -- run_sync ------------------------------------------------------------------------------


def test_an_ordinary_function_is_called_in_the_loop(run: Run) -> None:
    def blocking() -> tuple[object, int]:
        return (
            from_thread.run_sync(threading.current_thread),
            from_thread.run_sync(partial(int, "11", base=2)),
        )

    assert run(giambio.to_thread, blocking) == (threading.main_thread(), 3)


def test_keywords_are_passed_on(run: Run) -> None:
    """Rule 13.13: back into the loop as well."""

    def blocking() -> tuple[int, int]:
        return from_thread.run(add, 1, b=2), from_thread.run_sync(int, "11", base=2)

    assert run(giambio.to_thread, blocking) == (3, 3)


def test_what_it_raises_is_raised_in_the_thread_too(run: Run) -> None:
    def blocking() -> None:
        with pytest.raises(KeyError):
            from_thread.run_sync({}.__getitem__, 1)

    run(giambio.to_thread, blocking)


def test_it_is_called_although_the_task_was_cancelled(run: Run, gate: Gate) -> None:
    """The docstring: a cancellation does not keep it from being called."""
    called: list[str] = []

    def blocking() -> None:
        gate()
        from_thread.run_sync(called.append, "called")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.to_thread, blocking)
            await until(gate.entered.is_set)
            manager.cancel()
            gate.open.set()

    run(main)
    assert called == ["called"]


# -- in the scopes of the task that waits ----------------------------------------------------


def test_it_runs_in_the_scopes_of_the_task(run: Run) -> None:
    """Rule 13.9: in the scope of the task that called `to_thread`."""

    async def main() -> None:
        with giambio.fail_after(1000):
            expected = giambio.current_effective_deadline()
            found = await giambio.to_thread(
                from_thread.run_sync, giambio.current_effective_deadline
            )
            assert found == expected

    run(main)


@pytest.mark.parametrize("abandon", [False, True])
def test_cancelling_the_task_cancels_the_visit(run: Run, abandon: bool) -> None:
    events: list[str] = []

    async def visit() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.01)
            events.append("visit cleaned up")

    def blocking() -> str:
        try:
            from_thread.run(visit)
        except giambio.CancelledError as exc:
            events.append(f"thread: {exc.reason}")
            raise
        return "not reached"

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:

                async def cancel() -> None:
                    await until(lambda: giambio.current_task().parent is not None and visiting())
                    scope.cancel("enough")

                def visiting() -> bool:
                    return any(task.name.endswith("visit") for task in tasks_of(host))

                host = giambio.current_task()
                await manager.spawn(cancel)
                try:
                    await giambio.to_thread(blocking, abandon_on_cancel=abandon)
                finally:
                    # Also an abandoning task waits until the callback task, its child, has ended.
                    assert "visit cleaned up" in events
        assert scope.cancelled_caught
        limiter = giambio.current_default_thread_limiter()
        await until(lambda: limiter.borrowed_tokens == 0)

    run(main)
    assert events == ["visit cleaned up", "thread: enough"]


def test_cancelling_by_the_task_that_waits_cancels_the_visit(run: Run) -> None:
    """The callback task is older than the scope of its host, which is made by its cancellation."""
    told: list[object] = []

    async def visit() -> None:
        told.append("began")
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError as exc:
            told.append(exc.reason)
            raise

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.to_thread, from_thread.run, visit)
            await until(lambda: told == ["began"])
            task.cancel("enough")
        assert task.cancelled()

    run(main)
    assert told == ["began", "enough"]


def tasks_of(task: giambio.Task[Any]) -> list[giambio.Task[Any]]:
    """The children of a task."""
    return [child for supervisor in task._supervisors or () for child in supervisor._children]


def test_a_shield_around_the_call_protects_the_visit(run: Run) -> None:
    async def main() -> int:
        with giambio.CancelScope() as scope:
            scope.cancel()
            with giambio.CancelScope(shield=True):
                return await giambio.to_thread(from_thread.run, add, 1, 2)
        return 0

    assert run(main) == 3


def test_a_visit_begun_in_a_cancelled_task_runs_to_its_first_checkpoint(
    run: Run, gate: Gate
) -> None:
    events: list[str] = []

    async def visit() -> None:
        events.append("begun")
        await giambio.checkpoint()
        events.append("not reached")

    def blocking() -> str:
        gate()
        with pytest.raises(giambio.CancelledError):
            from_thread.run(visit)
        return "result"

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def child() -> None:
                events.append(str(await giambio.to_thread(blocking)))

            await manager.spawn(child)
            await until(gate.entered.is_set)
            manager.cancel()
            gate.open.set()

    run(main)
    assert events == ["begun", "result"]


def test_a_visit_that_is_cancelled_alone_is_an_ordinary_exception(run: Run) -> None:
    """Rule 8.13: not `CancelledError`, as if the joiner were cancelled."""

    async def visit() -> None:
        giambio.current_task().cancel()
        await giambio.checkpoint()

    def blocking() -> str:
        with pytest.raises(giambio.TaskCancelled):
            from_thread.run(visit)
        return "went on"

    assert run(giambio.to_thread, blocking) == "went on"


def test_virtual_time_goes_on_during_a_visit(run: Run) -> None:
    """It stands still while a thread works, but not while the thread waits for the loop."""

    def blocking() -> str:
        from_thread.run(giambio.sleep, 1000)
        time.sleep(0.05)
        return "done"

    async def main() -> None:
        with giambio.fail_after(1500):
            assert await giambio.to_thread(blocking) == "done"
        assert giambio.current_time() == 1000

    run(main, clock=VirtualClock())


# -- check_cancelled -----------------------------------------------------------------------


def test_check_cancelled_does_nothing_as_long_as_nothing_is_cancelled(run: Run) -> None:
    run(giambio.to_thread, from_thread.check_cancelled)


def test_check_cancelled_ends_a_computation(run: Run) -> None:
    def compute() -> None:
        while True:
            from_thread.check_cancelled()

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                await manager.spawn(giambio.to_thread, compute)
                await giambio.sleep(0.02)
                scope.cancel("enough")
        assert scope.cancelled_caught

    run(main)


def test_check_cancelled_knows_the_reason_and_the_shield(run: Run, gate: Gate) -> None:
    def compute() -> object:
        gate()
        with pytest.raises(giambio.CancelledError) as caught:
            from_thread.check_cancelled()
        return caught.value.reason

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            reasons: list[object] = []

            async def child() -> None:
                reasons.append(await giambio.to_thread(compute))

            async def shielded() -> None:
                with giambio.CancelScope(shield=True):
                    await giambio.to_thread(protected)

            def protected() -> None:
                assert gate.open.wait(LONG)
                from_thread.check_cancelled()
                reasons.append("protected")

            await manager.spawn(child)
            await manager.spawn(shielded)
            await until(gate.entered.is_set)
            manager.cancel("shutting down")
            gate.open.set()
        assert sorted(map(str, reasons)) == ["protected", "shutting down"]

    run(main)


# -- an abandoned thread -------------------------------------------------------------------


def test_an_abandoned_thread_is_told_also_while_the_loop_is_busy(run: Run, gate: Gate) -> None:
    """Nobody in the loop has anything to say about it any more, so it asks nobody there."""
    outcome: Future[None] = Future()

    def blocking() -> None:
        gate()
        try:
            outcome.set_result(from_thread.check_cancelled())
        except giambio.CancelledError as exc:
            outcome.set_exception(exc)

    async def main() -> object:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                await manager.spawn(partial(giambio.to_thread, blocking, abandon_on_cancel=True))
                await until(gate.entered.is_set)
                scope.cancel("enough")
        gate.open.set()
        with pytest.raises(giambio.CancelledError) as caught:
            outcome.result(LONG)  # meanwhile the loop does nothing else
        return caught.value.reason

    assert run(main) == "enough"


def test_an_abandoned_thread_gets_no_further(run: Run, gate: Gate) -> None:
    """What it asks for raises `CancelledError`: nobody waits for it any more."""
    outcomes: list[object] = []

    def blocking() -> None:
        gate()
        for ask in (
            from_thread.check_cancelled,
            partial(from_thread.run, add, 1, 2),
            partial(from_thread.run_sync, abs, 1),
        ):
            try:
                outcomes.append(ask())
            except giambio.CancelledError as exc:
                outcomes.append(exc.reason)

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:

                async def cancel() -> None:
                    await until(gate.entered.is_set)
                    scope.cancel("bored")

                await manager.spawn(cancel)
                await giambio.to_thread(blocking, abandon_on_cancel=True)
        gate.open.set()
        await until(lambda: len(outcomes) == 3)

    run(main)
    assert outcomes == ["bored"] * 3


# -- the loop ends -------------------------------------------------------------------------


class Boom(BaseException):
    """Ends a loop from outside."""


def interrupted_while(
    loop: giambio.EventLoop, blocking: Callable[[], object], ready: Callable[[], object]
) -> None:
    """Run a function in a thread, and end the loop in the middle of it."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def interrupt() -> None:
                await until(ready)
                loop._stop_between_steps(Boom())

            await manager.spawn(interrupt)
            await giambio.to_thread(blocking)

    with pytest.raises(Boom):
        loop.start(main)


def test_a_loop_that_ends_during_a_visit_says_so(loop: giambio.EventLoop) -> None:
    """Rule 19.1: if the loop ends meanwhile, `RunFinishedError`, never a hang."""
    begun: list[bool] = []
    outcomes: list[object] = []

    async def visit() -> None:
        begun.append(True)
        await giambio.sleep_forever()

    def blocking() -> None:
        try:
            from_thread.run(visit)
        except BaseException as exc:
            outcomes.append(exc)

    interrupted_while(loop, blocking, lambda: begun)
    wait_until(lambda: outcomes)
    assert [type(one) for one in outcomes] == [giambio.RunFinishedError]


@pytest.mark.parametrize("closed", [False, True])
def test_a_visit_to_a_loop_that_has_ended_says_so(
    loop: giambio.EventLoop, gate: Gate, closed: bool
) -> None:
    outcomes: list[object] = []

    def blocking() -> None:
        gate()
        for ask in (
            partial(from_thread.run, add, 1, 2),
            partial(from_thread.run_sync, abs, 1),
            from_thread.check_cancelled,
        ):
            try:
                outcomes.append(ask())
            except BaseException as exc:
                outcomes.append(type(exc))

    interrupted_while(loop, blocking, gate.entered.is_set)
    if closed:
        loop.close()
    gate.open.set()
    wait_until(lambda: len(outcomes) == 3)
    assert outcomes == [giambio.RunFinishedError] * 3


# -- where it does not work ----------------------------------------------------------------

ASKING = [
    pytest.param(lambda: from_thread.run(add, 1, 2), id="run"),
    pytest.param(lambda: from_thread.run_sync(abs, 1), id="run_sync"),
    pytest.param(from_thread.check_cancelled, id="check_cancelled"),
]


@pytest.mark.parametrize("ask", ASKING)
def test_outside_of_a_worker_thread_it_says_what_to_use(ask: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match=r"through a giambio.BlockingPortal"):
        ask()


@pytest.mark.parametrize("ask", ASKING)
def test_in_the_loops_own_thread_it_would_wait_for_itself(
    run: Run, ask: Callable[[], object]
) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="would wait for itself; in a task, await"):
            ask()
        await giambio.to_thread(ask)

    run(main)


def test_a_loop_in_a_worker_thread_is_a_loop_of_its_own(run: Run, driver: str) -> None:
    async def inner() -> None:
        with pytest.raises(RuntimeError, match="would wait for itself"):
            from_thread.run(add, 1, 2)

    async def main() -> None:
        await giambio.to_thread(partial(giambio.run, inner, driver=driver))

    run(main)


# -- context and references ------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


def test_the_context_goes_along_and_does_not_come_back(run: Run) -> None:
    async def visit() -> str:
        seen = variable.get()
        variable.set("visit")
        return seen

    def blocking() -> list[str]:
        variable.set("thread")
        seen = [from_thread.run(visit), from_thread.run_sync(variable.get)]
        return [*seen, variable.get()]

    async def main() -> None:
        variable.set("task")
        assert await giambio.to_thread(blocking) == ["thread", "thread", "thread"]
        assert variable.get() == "task"

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_a_visit_keeps_nothing_alive(run: Run) -> None:
    class Thing:
        pass

    refs: list[weakref.ref[Thing]] = []

    async def visit() -> None:
        thing = Thing()
        refs.append(weakref.ref(thing))
        raise ValueError(f"with {thing!r}")

    def blocking() -> None:
        try:
            from_thread.run(visit)
        except ValueError:
            pass

    async def main() -> None:
        await giambio.to_thread(blocking)
        await until(lambda: refs[0]() is None)

    run(main)
