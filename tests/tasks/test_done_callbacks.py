"""`Task.add_done_callback`: functions that are called when a task has ended."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.sync import stop_the_loop

Run = Callable[..., Any]


async def succeed() -> str:
    await giambio.checkpoint()
    return "value"


async def fail() -> None:
    await giambio.checkpoint()
    raise ValueError("x")


def test_it_is_called_however_the_task_ends(run: Run) -> None:
    """Rule 7.31: with the task, whose outcome is there."""
    seen: list[object] = []

    def done(task: giambio.Task[Any]) -> None:
        assert task.done()
        seen.append("cancelled" if task.cancelled() else task.exception() or task.result())

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(succeed).add_done_callback(done)
        with pytest.raises(ValueError) as caught:
            async with giambio.TaskManager() as manager:
                manager.start_soon(fail).add_done_callback(done)
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep_forever).add_done_callback(done)
            manager.cancel()
        assert seen == ["value", caught.value, "cancelled"]

    run(main)


def test_it_is_called_before_those_who_wait_go_on(run: Run) -> None:
    """Rule 7.31: so it may still spawn in the task's manager."""
    seen: list[str] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def follow_up() -> None:
                seen.append("follow-up")

            def done(task: giambio.Task[Any]) -> None:
                seen.append("done")
                manager.start_soon(follow_up)

            task = manager.start_soon(succeed)
            task.add_done_callback(done)
            await task
            seen.append("joined")
        seen.append("left")

    run(main)
    assert seen[0] == "done"
    assert seen[-1] == "left"
    assert sorted(seen[1:-1]) == ["follow-up", "joined"]


def test_no_task_runs_in_it(run: Run) -> None:
    """Rule 7.31: it is called by the loop, in its own context."""
    variable = contextvars.ContextVar("variable", default=0)
    context = contextvars.copy_context()
    context.run(variable.set, 2)
    seen: list[int] = []

    def done(task: giambio.Task[Any]) -> None:
        assert giambio.current_loop()
        with pytest.raises(RuntimeError, match="there is no current task"):
            giambio.current_task()
        seen.append(variable.get())

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(succeed)
            variable.set(1)
            task.add_done_callback(done)
            variable.set(3)
            task.add_done_callback(done, context=context)

    run(main)
    assert seen == [1, 2]


def test_a_task_that_has_ended_calls_it_in_the_next_turn(run: Run) -> None:
    """Rule 7.31: and not at once, so the caller is never called back while it calls."""
    seen: list[object] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(succeed)
        task.add_done_callback(seen.append)
        assert not seen
        await wait_all_tasks_blocked()
        assert seen == [task]

    run(main)


def test_the_main_task_calls_it_too(run: Run) -> None:
    """Rule 7.31: the last of all."""
    seen: list[object] = []

    async def main() -> str:
        giambio.current_task().add_done_callback(lambda task: seen.append(task.result()))
        return "value"

    assert run(main) == "value"
    assert seen == ["value"]


def test_its_error_is_the_main_tasks(run: Run) -> None:
    """Rules 7.31, 1.12: the other callbacks are called, and who waits goes on."""
    error = KeyError("x")
    seen: list[object] = []

    def broken(task: giambio.Task[Any]) -> None:
        raise error

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(succeed)
            task.add_done_callback(broken)
            task.add_done_callback(seen.append)
            with pytest.raises(KeyError) as caught:
                await giambio.sleep_forever()
            assert caught.value is error
            assert seen == [task]
            assert await task == "value"

    run(main)


def test_an_error_that_comes_too_late_leaves_the_run(run: Run) -> None:
    """Rules 1.13, 7.31, 8.10: the main task has ended when its callback fails."""

    def broken(task: giambio.Task[Any]) -> None:
        raise KeyError("x")

    async def main() -> None:
        giambio.current_task().add_done_callback(broken)

    with pytest.raises(KeyError):
        run(main)


def test_a_task_that_is_closed_with_the_loop_calls_it(run: Run) -> None:
    """Rule 7.31: it may hold something that has to be released."""
    seen: list[bool] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(giambio.sleep_forever)
            task.add_done_callback(lambda task: seen.append(task.cancelled()))
            await wait_all_tasks_blocked()
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert seen == [True]


def test_it_can_be_removed(run: Run) -> None:
    """Rule 7.28: as in asyncio, each time that it was added; those who join stay."""
    seen: list[object] = []

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(event.wait)
            joiner = manager.start_soon(task.join)
            await wait_all_tasks_blocked()
            for callback in (seen.append, print, seen.append):
                task.add_done_callback(callback)
            assert task.remove_done_callback(seen.append) == 2
            assert task.remove_done_callback(seen.append) == 0
            assert task.remove_done_callback(print) == 1
            event.set()
        assert joiner.done()
        assert task.remove_done_callback(print) == 0

    run(main)
    assert not seen


@pytest.mark.parametrize("wrong", [None, 3, succeed])
def test_what_is_no_callback_is_refused(run: Run, wrong: Any) -> None:
    """Rules 19.1, 19.4: at the call, whether the task has ended or not."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(succeed)
            for _ in range(2):
                with pytest.raises(TypeError, match="a callback "):
                    task.add_done_callback(wrong)
                with pytest.raises(TypeError, match="context="):
                    task.add_done_callback(print, context=3)  # type: ignore[arg-type]
                await task

    run(main)


def test_a_task_whose_loop_is_closed_says_so(run: Run) -> None:
    """Rule 19.1: nobody would call it."""

    async def main() -> giambio.Task[None]:
        return giambio.current_task()

    task = run(main)
    with pytest.raises(giambio.RunFinishedError, match="this loop is closed"):
        task.add_done_callback(print)
