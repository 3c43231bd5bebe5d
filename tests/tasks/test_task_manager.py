"""`TaskManager`: joining, limits, and the end of its block."""

from __future__ import annotations

import inspect
import pydoc
import re
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.sync import settled

Run = Callable[..., Any]


async def double(number: int) -> int:
    await giambio.checkpoint()
    return number * 2


async def fail(error: BaseException) -> None:
    await giambio.checkpoint()
    raise error


def test_the_block_joins_every_child(run: Run) -> None:
    """Rule 7.2: leaving the block joins every child."""

    gate = giambio.Event()

    async def double_later(number: int) -> int:
        await gate.wait()
        return await double(number)

    async def main() -> list[int]:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(double_later, n) for n in range(100)]
            assert not any(task.done() for task in tasks)
            gate.set()
        assert all(task.done() for task in tasks)
        return [task.result() for task in tasks]

    assert run(main) == [n * 2 for n in range(100)]


def test_the_block_joins_children_spawned_while_it_joins(run: Run) -> None:
    """Rule 7.2: including those spawned while joining."""
    ended: list[int] = []

    async def generation(manager: giambio.TaskManager, left: int) -> None:
        for _ in range(3):
            await giambio.checkpoint()
        if left:
            await manager.spawn(generation, manager, left - 1)
        ended.append(left)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(generation, manager, 20)
        assert ended == list(range(20, -1, -1))

    run(main)


def test_a_child_of_a_child_that_spawns_in_its_last_step_is_joined(run: Run) -> None:
    """Rule 7.2: a task spawned in the last step of the last child is joined too."""

    async def main() -> int:
        async with giambio.TaskManager() as manager:
            tasks: list[giambio.Task[int]] = []

            async def last() -> None:
                await giambio.checkpoint()
                tasks.append(manager.start_soon(double, 4))

            await manager.spawn(last)
        return tasks[0].result()

    assert run(main) == 8


def test_any_task_may_spawn_while_the_block_is_open(run: Run) -> None:
    """Rule 7.3: spawn works from any task as long as the block has not been left."""

    async def main() -> list[int]:
        results: list[giambio.Task[int]] = []

        async def stranger(manager: giambio.TaskManager) -> None:
            results.append(await manager.spawn(double, 1))

        async with giambio.TaskManager() as outer:
            async with giambio.TaskManager() as inner:
                held = await inner.spawn(giambio.sleep, 0.01)
                await outer.spawn(stranger, inner)
            assert held.done()
            assert [task.done() for task in results] == [True]
        return [task.result() for task in results]

    assert run(main) == [2]


def test_a_block_that_only_joins_is_still_open(run: Run) -> None:
    """Rule 7.3: "Left" means that `__aexit__` has returned."""

    async def main() -> int:
        body_ended = []
        tasks: list[giambio.Task[int]] = []

        async def late() -> None:
            while not body_ended:
                await giambio.checkpoint()
            tasks.append(await manager.spawn(double, 5))

        async with giambio.TaskManager() as manager:
            await manager.spawn(late)
            body_ended.append(True)
        with pytest.raises(giambio.RunFinishedError):
            manager.start_soon(double, 5)
        return tasks[0].result()

    assert run(main) == 10


def test_spawn_gives_the_task_at_once(run: Run) -> None:
    """Rule 7.4: returns the Task without waiting for it."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            steps = []

            async def child() -> None:
                steps.append("ran")

            task = await manager.spawn(child)
            assert isinstance(task, giambio.Task)
            assert steps == []
            assert not task.done()
        assert steps == ["ran"]

    run(main)


def test_three_ways_to_the_return_value(run: Run) -> None:
    """Rule 8.11: `task.result()`, `await task`, `await task.join()`."""

    async def main() -> tuple[int, int, int, int]:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(double, 21)
            first, second = await task, await task.join()
        return first, second, task.result(), await task

    assert run(main) == (42, 42, 42, 42)


def test_none_and_false_are_results_too(run: Run) -> None:
    async def give(value: object) -> object:
        return value

    async def main() -> list[object]:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(give, value) for value in (None, False, 0, "", ())]
            return [await task for task in tasks]

    assert run(main) == [None, False, 0, "", ()]


def test_a_return_value_that_is_an_exception_is_returned(run: Run) -> None:
    async def give(value: object) -> object:
        return value

    async def main() -> None:
        for value in (StopIteration(5), ValueError("x"), giambio.CancelledError()):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(give, value)
                assert await task is value
            assert task.result() is value

    run(main)


def test_the_first_failure_cancels_the_siblings(run: Run) -> None:
    """Rule 8.1: the first failure cancels the siblings, and is raised from the block."""

    async def main() -> None:
        with pytest.raises(ValueError, match=r"^the one$"):
            async with giambio.TaskManager() as manager:
                siblings = [await manager.spawn(giambio.sleep_forever) for _ in range(5)]
                await manager.spawn(fail, ValueError("the one"))
        assert [task.cancelled() for task in siblings] == [True] * 5

    run(main)


def test_a_failure_cancels_the_body(run: Run) -> None:
    async def main() -> None:
        seen: list[object] = []
        with pytest.raises(ValueError, match=r"^the one$"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(fail, ValueError("the one"))
                try:
                    await giambio.sleep_forever()
                except giambio.CancelledError as exc:
                    seen.append(exc.reason)
                    raise
        assert seen == ["another task of the manager has failed"]

    run(main)


def test_a_failure_of_the_body_cancels_the_children(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"^body$"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.sleep_forever)
                raise ValueError("body")
        assert task.cancelled()

    run(main)


def test_the_failure_is_raised_only_when_the_siblings_have_ended(run: Run) -> None:
    """Rule 8.1: cancels the siblings, waits for them."""

    async def main() -> None:
        cleaned = []

        async def careful() -> None:
            try:
                await giambio.sleep_forever()
            finally:
                for _ in range(10):
                    await giambio.cancel_shielded_checkpoint()
                cleaned.append(True)

        with pytest.raises(ValueError, match="x"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(careful)
                await manager.spawn(fail, ValueError("x"))
        assert cleaned == [True]

    run(main)


def test_leaving_yields_once_although_nothing_was_spawned(run: Run) -> None:
    """Rule 4.12: leaving a `TaskManager` always yields once."""

    async def main() -> None:
        order: list[str] = []
        giambio.current_loop().call_soon(order.append, "other")
        async with giambio.TaskManager():
            order.append("body")
        order.append("after")
        assert order == ["body", "other", "after"]

    run(main)


def test_leaving_yields_once_although_all_have_ended(run: Run) -> None:
    """Rule 4.12: leaving a `TaskManager` always yields once."""

    async def main() -> None:
        order: list[str] = []
        async with giambio.TaskManager() as manager:
            await (await manager.spawn(double, 1))
            giambio.current_loop().call_soon(order.append, "other")
        order.append("after")
        assert order == ["other", "after"]

    run(main)


def test_leaving_yields_once_when_the_body_failed(run: Run) -> None:
    """Rule 4.12: leaving a `TaskManager` always yields once."""

    async def main() -> None:
        order: list[str] = []
        with pytest.raises(KeyError):
            async with giambio.TaskManager():
                giambio.current_loop().call_soon(order.append, "other")
                raise KeyError
        order.append("after")
        assert order == ["other", "after"]

    run(main)


def test_leaving_in_a_cancelled_scope_yields_and_raises_nothing_by_itself(run: Run) -> None:
    """Rule 4.12: also in a cancelled scope, and it raises nothing by itself."""

    async def main() -> None:
        order: list[str] = []
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager():
                scope.cancel()
                giambio.current_loop().call_soon(order.append, "other")
            order.append("after")
        assert order == ["other", "after"]
        assert not scope.cancelled_caught

    run(main)


def test_entering_is_no_checkpoint(run: Run) -> None:
    """Rule 4.13: entering a manager is no checkpoint."""

    async def main() -> None:
        order: list[str] = []
        with giambio.CancelScope() as scope:
            scope.cancel()
            giambio.current_loop().call_soon(order.append, "other")
            async with giambio.TaskManager():
                order.append("body")
        assert order == ["body", "other"]

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_nothing_is_kept_of_finished_tasks(run: Run) -> None:
    """Rule 7.24: a manager keeps no reference to finished tasks."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            refs = []
            for number in range(10):
                task = await manager.spawn(double, number)
                refs.append(weakref.ref(task))
                await task
                del task
            assert len(manager._children) == 0
            assert [ref() for ref in refs] == [None] * 10

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_nothing_is_kept_of_a_cancelled_task(run: Run) -> None:
    """Rule 7.24: a manager keeps no reference to finished tasks."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            await giambio.checkpoint()
            task.cancel()
            with pytest.raises(giambio.TaskCancelled):
                await task
            ref = weakref.ref(task)
            del task
            assert ref() is None

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_children_are_kept_in_the_order_they_were_spawned(run: Run) -> None:
    """Rule 2.2: children keep the order in which they were spawned."""

    async def main() -> None:
        order: list[int] = []

        async def child(number: int) -> None:
            try:
                await giambio.sleep_forever()
            finally:
                order.append(number)

        async with giambio.TaskManager() as manager:
            for number in range(20):
                await manager.spawn(child, number)
            await giambio.checkpoint()
            manager.cancel()
        assert order == list(range(20))

    run(main)


def test_cancel_ends_the_block_without_an_error(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            assert manager.cancel("enough") is True
            assert manager.cancel("again") is False
            await giambio.sleep_forever()
        assert task.cancelled()
        assert manager.cancel_scope.cancelled_caught
        assert manager.cancel_scope.reason == "enough"

    run(main)


def test_cancelling_a_manager_does_not_reach_outside(run: Run) -> None:
    async def main() -> str:
        async with giambio.TaskManager() as outer:
            outside = await outer.spawn(double, 1)
            async with giambio.TaskManager() as inner:
                await inner.spawn(giambio.sleep_forever)
                inner.cancel()
            assert await outside == 2
            await giambio.checkpoint()
        return "went on"

    assert run(main) == "went on"


def test_cancelling_reaches_managers_within(run: Run) -> None:
    """Rule 6.1: managers nest like scopes."""

    async def main() -> None:
        tasks: list[giambio.Task[Any]] = []

        async def nested(depth: int) -> None:
            async with giambio.TaskManager() as manager:
                tasks.append(await manager.spawn(giambio.sleep_forever))
                if depth:
                    tasks.append(await manager.spawn(nested, depth - 1))

        async with giambio.TaskManager() as manager:
            tasks.append(await manager.spawn(nested, 5))
            await settled()
            manager.cancel()
        assert len(tasks) == 12
        assert all(task.cancelled() for task in tasks)

    run(main)


def test_a_spawned_task_runs_to_its_first_checkpoint_in_a_cancelled_manager(run: Run) -> None:
    """Rule 7.8: a spawned task always runs to its first checkpoint."""

    async def main() -> None:
        steps: list[str] = []

        async def child() -> None:
            steps.append("began")
            await giambio.checkpoint_if_cancelled()
            steps.append("went on")

        async with giambio.TaskManager() as manager:
            manager.cancel()
            task = manager.start_soon(child)
        assert steps == ["began"]
        assert task.cancelled()

    run(main)


def test_a_task_cancelled_before_its_first_step_runs_to_its_first_checkpoint(run: Run) -> None:
    """Rule 7.8: a spawned task always runs to its first checkpoint."""

    async def main() -> None:
        steps: list[str] = []

        async def child() -> str:
            steps.append("began")
            return "no checkpoint"

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            assert task.cancel()
        assert steps == ["began"]
        assert task.result() == "no checkpoint"

    run(main)


def test_a_manager_is_used_once(run: Run) -> None:
    async def main() -> None:
        manager = giambio.TaskManager()
        async with manager:
            with pytest.raises(RuntimeError, match="used already; make a new one"):
                async with manager:
                    pass
        with pytest.raises(RuntimeError, match="used already; make a new one"):
            async with manager:
                pass

    run(main)


def test_a_plain_with_says_async_with(run: Run) -> None:
    async def main() -> None:
        with (
            pytest.raises(TypeError, match="entered with `async with`, not `with`"),
            giambio.TaskManager(),  # type: ignore[attr-defined]
        ):
            pass

    run(main)


@pytest.mark.parametrize("value", ["3", 2.0, True])
def test_a_limit_is_a_whole_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"TaskManager\(\) needs a whole number for limit, not"):
        giambio.TaskManager(limit=value)


@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_positive(value: int) -> None:
    with pytest.raises(ValueError, match=r"TaskManager\(\) needs a number from 1 up for limit"):
        giambio.TaskManager(limit=value)


def test_a_manager_takes_only_a_loop() -> None:
    with pytest.raises(TypeError, match="needs an EventLoop, not 5"):
        giambio.TaskManager(5)  # type: ignore[arg-type]


def test_a_manager_of_another_loop_refuses(run: Run) -> None:
    other = giambio.EventLoop()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="another loop than the one that runs this task"):
            async with giambio.TaskManager(other):
                pass

    run(main)


def test_a_manager_given_its_loop_works(loop: giambio.EventLoop) -> None:
    """Rule 7.1: `TaskManager(loop)`."""

    async def main() -> int:
        async with giambio.TaskManager(loop) as manager:
            assert manager.loop is loop
            task = await manager.spawn(double(3))
        return task.result()

    assert loop.start(main) == 6


def test_entering_outside_of_a_task_is_an_error() -> None:
    async def main() -> None:
        async with giambio.TaskManager():
            pass

    coro = main()
    with pytest.raises(RuntimeError, match="must be awaited in a giambio task"):
        coro.send(None)


def test_repr_tells_the_state(run: Run) -> None:
    async def main() -> None:
        manager = giambio.TaskManager()
        assert repr(manager) == "<giambio.TaskManager not entered, 0 running>"
        async with manager:
            await manager.spawn(double, 1)
            assert repr(manager) == "<giambio.TaskManager open, 1 running>"
        assert repr(manager) == "<giambio.TaskManager left, 0 running>"

    run(main)


def test_an_async_generator_with_a_manager_joins_its_tasks_when_it_is_closed(run: Run) -> None:
    """Rule 7.27: leaving the block joins every child; so also when `aclose` ends the block."""

    async def main() -> None:
        tasks = []

        async def numbers() -> Any:
            async with giambio.TaskManager() as manager:
                tasks.append(await manager.spawn(giambio.sleep_forever))
                yield 1

        generator = numbers()
        assert await anext(generator) == 1
        await generator.aclose()
        assert [task.cancelled() for task in tasks] == [True]

    run(main)


def test_two_managers_side_by_side_in_one_task(run: Run) -> None:
    """A failure in the outer one cancels the inner block, which ends first."""

    async def main() -> None:
        with pytest.raises(ValueError, match="outer"):
            async with giambio.TaskManager() as outer:
                async with giambio.TaskManager() as inner:
                    inner_task = await inner.spawn(giambio.sleep_forever)
                    await outer.spawn(fail, ValueError("outer"))
                pytest.fail("not reached: the cancellation goes on through the inner block")
        assert inner_task.cancelled()

    run(main)


def test_leaving_the_outer_block_before_the_inner_one_is_an_error(run: Run) -> None:
    """Rule 6.9: leaving them out of order is an error."""

    async def main() -> None:
        outer, inner = giambio.TaskManager(), giambio.TaskManager()
        await outer.__aenter__()
        await inner.__aenter__()
        with pytest.raises(RuntimeError, match="opposite order"):
            await outer.__aexit__(None, None, None)
        await inner.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="was left already"):
            await outer.__aexit__(None, None, None)

    run(main)


def test_leaving_in_another_task_is_an_error(run: Run) -> None:
    """Rule 6.11: leaving in another task is an error."""

    async def leave(manager: giambio.TaskManager) -> None:
        with pytest.raises(RuntimeError, match=r"entered in task .* and is left in another"):
            await manager.__aexit__(None, None, None)

    async def main() -> None:
        async with giambio.TaskManager() as outer, giambio.TaskManager() as inner:
            await (await outer.spawn(leave, inner))

    run(main)


def test_leaving_without_entering_is_an_error(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="is left, but was not entered"):
            await giambio.TaskManager().__aexit__(None, None, None)

    run(main)


def test_a_manager_takes_no_new_attributes_and_no_pickling() -> None:
    """Rule 20.4: public classes take no new attributes."""
    import pickle

    manager = giambio.TaskManager()
    with pytest.raises(AttributeError):
        manager.colour = "red"  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(manager)
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (giambio.TaskManager,), {})


def test_a_scope_left_open_inside_is_an_error_and_the_tasks_are_joined(run: Run) -> None:
    """Rule 6.9: leaving scopes out of order is an error."""

    async def main() -> tuple[bool, bool]:
        scope = giambio.CancelScope()
        with pytest.raises(RuntimeError, match="entered after it is still open"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(giambio.sleep_forever)
                scope.__enter__()
        joined = task.cancelled()
        scope.cancel()
        with pytest.raises(giambio.CancelledError):
            await giambio.checkpoint()
        scope.__exit__(None, None, None)
        await giambio.checkpoint()
        return joined, scope.cancel_called

    assert run(main) == (True, True)


def test_a_shield_that_goes_up_behind_a_cancellation_makes_it_no_error(run: Run) -> None:
    """Rule 5.19: a scope was cancelled, and the task was told, so it is no stray one."""

    async def main() -> bool:
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:

            async def shield_up() -> None:
                try:
                    await giambio.sleep_forever()
                finally:
                    inner.shield = True

            async with giambio.TaskManager() as manager:
                task = await manager.spawn(shield_up)
                giambio.current_loop().call_soon(outer.cancel)
                with giambio.CancelScope(shield=True):
                    await giambio.sleep(0.01)
        return task.cancelled()

    assert run(main)


def test_help_begins_with_the_signature_and_the_text_of_the_class() -> None:
    """Rule 20.1: in both builds, although a compiled class has no signature by itself."""
    signature = inspect.signature(giambio.TaskManager)
    assert [*signature.parameters] == ["loop", "limit", "strict"]
    assert signature.parameters["limit"].kind is inspect.Parameter.KEYWORD_ONLY
    shown = pydoc.plain(pydoc.render_doc(giambio.TaskManager)).split(" |  ", 1)[1]
    assert re.match(r"TaskManager\([ |\n]*loop", shown)  # Python 3.13 breaks long lines
    assert "\n |  A group of tasks that a block waits for" in shown[:400]
