"""`Task`: its methods and properties."""

from __future__ import annotations

import pickle
import sys
import weakref
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


async def value(result: object = None) -> object:
    await giambio.checkpoint()
    return result


async def fail(error: BaseException) -> None:
    raise error


def test_a_task_that_returned(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value, 5, name="five")
            assert repr(task) == "<giambio.Task 'five' running>"
            assert (task.done(), task.cancelled()) == (False, False)
        assert repr(task) == "<giambio.Task 'five' returned>"
        assert (task.done(), task.cancelled()) == (True, False)
        assert task.result() == 5
        assert task.exception() is None
        assert task.cancel() is False

    run(main)


def test_a_task_that_failed(run: Run) -> None:
    error = ValueError("x")

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(fail, error, name="bad")
        assert repr(task) == "<giambio.Task 'bad' failed>"
        assert (task.done(), task.cancelled()) == (True, False)
        assert task.exception() is error
        with pytest.raises(ValueError, match="x"):
            task.result()
        assert task.cancel() is False

    run(main)


def test_a_task_that_was_cancelled(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever, name="gone")
            assert task.cancel() is True
        assert repr(task) == "<giambio.Task 'gone' cancelled>"
        assert (task.done(), task.cancelled()) == (True, True)
        assert task.cancel() is False

    run(main)


def test_cancelling_a_task_cancels_none_of_the_scopes_that_it_is_in(run: Run) -> None:
    """Its own scope is made when it is cancelled, around those that it has entered."""

    async def main() -> None:
        scopes = [giambio.CancelScope() for _ in range(3)]
        reasons: list[object] = []

        async def child() -> None:
            with scopes[0], scopes[1]:
                try:
                    await giambio.sleep_forever()
                except giambio.CancelledError as exc:
                    reasons.append(exc.reason)
                    with scopes[2]:
                        await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            other = await manager.spawn(giambio.sleep, 0.01)
            await giambio.checkpoint()
            assert task.cancel("enough")
        assert task.cancelled()
        assert not other.cancelled()
        assert reasons == ["enough"]
        assert not any(scope.cancel_called or scope.cancelled_caught for scope in scopes)
        assert not manager.cancel_scope.cancel_called

    run(main)


def test_a_shield_that_a_task_has_entered_keeps_its_cancellation_out(run: Run) -> None:
    async def main() -> None:
        passed: list[str] = []

        async def child() -> None:
            with giambio.CancelScope() as outer:
                with giambio.CancelScope(shield=True):
                    await giambio.sleep(0.01)
                    passed.append("shielded")
                assert giambio.current_task().has_pending_cancellation()
                assert giambio.current_effective_deadline() == -inf
                outer.shield = True
                await giambio.checkpoint()
                passed.append("shielded again")
            await giambio.checkpoint()
            passed.append("never")

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            task.cancel()
        assert task.cancelled()
        assert passed == ["shielded", "shielded again"]

    run(main)


def test_cancelling_a_task_from_another_thread_is_refused_and_changes_nothing(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            event = giambio.Event()
            task = await manager.spawn(event.wait)
            with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
                await giambio.to_thread(task.cancel)
            event.set()
        assert not task.cancelled()

    run(main)


def test_tasks_are_hashable_and_equal_only_to_themselves(run: Run) -> None:
    """Rule 3.18: `Task` and `EventLoop` are hashable and can be weakly referenced."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            first, second = await manager.spawn(value), await manager.spawn(value)
            assert first == first
            assert first != second
            assert {first: 1, second: 2}[second] == 2
            assert weakref.ref(first)() is first

    run(main)


def test_loops_are_hashable_and_can_be_weakly_referenced() -> None:
    """Rule 3.18: `Task` and `EventLoop` are hashable and can be weakly referenced."""
    loop = giambio.EventLoop()
    assert {loop: 1}[loop] == 1
    assert weakref.ref(loop)() is loop


def test_a_task_is_final_and_sealed(run: Run) -> None:
    """Rule 20.4: final, not picklable, and take no new attributes."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value)
            with pytest.raises(AttributeError):
                task.colour = "red"  # type: ignore[attr-defined]
            with pytest.raises(AttributeError):
                task.name = "other"  # type: ignore[misc]
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(task)

    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (giambio.Task,), {})
    run(main)


def test_a_task_is_generic() -> None:
    assert giambio.Task[int].__args__ == (int,)


def test_the_current_task(run: Run) -> None:
    async def main() -> None:
        seen: list[giambio.Task[Any]] = []

        async def child() -> None:
            seen.append(giambio.current_task())
            await giambio.checkpoint()
            seen.append(giambio.current_task())

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
        assert seen == [task, task]
        assert giambio.current_task() is not task

    run(main)


def test_there_is_no_current_task_outside_of_one(run: Run) -> None:
    with pytest.raises(RuntimeError, match="no giambio task runs in this thread"):
        giambio.current_task()

    async def main() -> None:
        problems: list[str] = []

        def callback() -> None:
            with pytest.raises(RuntimeError, match="no giambio task runs in this thread"):
                giambio.current_task()
            problems.append("none")

        giambio.current_loop().call_soon(callback)
        await giambio.checkpoint()
        assert problems == ["none"]

    run(main)


def test_a_task_outlives_its_loop(run: Run) -> None:
    async def main() -> giambio.Task[object]:
        async with giambio.TaskManager() as manager:
            return await manager.spawn(value, 5)

    task = run(main)
    assert task.result() == 5
    assert task.done()
    assert task.name == f"{__name__}.value"
    assert task.cancel() is False


def test_a_join_is_awaited_once(run: Run) -> None:
    """Rule 3.12: awaiting it twice is an error."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            join = (await manager.spawn(value, 5)).join()
            assert await join == 5
            with pytest.raises(RuntimeError, match=r"Task.join\(\) was awaited already"):
                await join

    run(main)


def test_a_forgotten_join_warns(run: Run) -> None:
    """Rule 3.13: an operation object that was never awaited warns."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value, 5)
            with pytest.warns(RuntimeWarning, match=r"Task.join\(\) was never awaited"):
                task.join()

    run(main)


def test_a_forgotten_await_is_reported_at_its_line(run: Run) -> None:
    """Rule 3.13: and not at that of a caller, in either build."""

    async def forget() -> int:
        giambio.sleep(1)
        return sys._getframe().f_lineno - 1

    async def main() -> None:
        with pytest.warns(RuntimeWarning, match=r"sleep\(\) was never awaited") as caught:
            line = await forget()
        assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line)]

    run(main)


def test_joining_in_a_cancelled_scope_raises_although_the_task_is_done(run: Run) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value, 5)
        with giambio.CancelScope() as scope:
            scope.cancel()
            await task
        assert scope.cancelled_caught
        assert await task == 5

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_joining_a_task_that_is_done_does_not_give_way(run: Run) -> None:
    """Rule 4.5: a ready operation costs no trip through the scheduler."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value, 5)
        order: list[str] = []
        giambio.current_loop().call_soon(order.append, "other")
        await task
        order.append("joined")
        assert order == ["joined"]

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_joiners_are_served_in_order(run: Run) -> None:
    """Rule 2.2: waiters keep the order in which they came."""

    async def main() -> None:
        order: list[int] = []

        async def join(number: int) -> None:
            await task
            order.append(number)

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep, 0.001)
            for number in range(20):
                await manager.spawn(join, number)
        assert order == list(range(20))

    run(main)


def test_tasks_that_join_each_other_can_be_cancelled(run: Run) -> None:
    async def main() -> None:
        tasks: list[giambio.Task[Any]] = []

        async def join(number: int) -> None:
            await giambio.checkpoint()
            await tasks[number]

        async with giambio.TaskManager() as manager:
            tasks.append(manager.start_soon(join, 1))
            tasks.append(manager.start_soon(join, 0))
            for _ in range(5):
                await giambio.checkpoint()
            manager.cancel()
        assert [task.cancelled() for task in tasks] == [True, True]

    run(main)


@pytest.mark.parametrize("word", ["name", "done", "result", "exception", "cancelled", "cancel"])
def test_the_vocabulary_is_asyncios(word: str) -> None:
    """Rule 7.28: a `Task` speaks asyncio's vocabulary."""
    assert getattr(giambio.Task, word).__doc__
