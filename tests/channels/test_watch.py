"""Watches: watchers see the latest value, and may skip those in between."""

from __future__ import annotations

import gc
import random
import traceback
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

import giambio
from support.sync import in_thread, outcome_of, settled

Run = Callable[..., Any]


def test_the_value_can_be_read_at_any_time() -> None:
    watch = giambio.Watch("low")
    watcher = watch.subscribe()
    assert (watch.value, watcher.value) == ("low", "low")
    watch.set("high")
    assert (watch.value, watcher.value) == ("high", "high")
    watch.close()
    assert (watch.value, watcher.value) == ("high", "high")
    assert giambio.Watch(None).value is None


def test_a_watcher_waits_for_a_change(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch("low")
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(watch.subscribe().changed) for _ in range(3)]
            await settled()
            assert not any(task.done() for task in tasks)
            watch.set("high")
        assert [task.result() for task in tasks] == ["high"] * 3

    run(main)


def test_the_value_at_the_time_of_subscribing_is_no_change(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(1)
        watch.set(2)
        watcher = watch.subscribe()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(watcher.changed)
            await settled()
            assert not task.done()
            watch.set(3)
            assert await task == 3

    run(main)


def test_values_in_between_are_skipped(run: Run) -> None:
    """Rule 10.8: values in between are skipped."""

    async def main() -> None:
        watch = giambio.Watch(0)
        watcher = watch.subscribe()
        for number in range(1, 10):
            watch.set(number)
        assert await watcher.changed() == 9
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(watcher.changed)
            await settled()
            watch.set(10)
            watch.set(11)  # before the task has had its turn
            assert await task == 11
            task = await manager.spawn(watcher.changed)
            await settled()
            assert not task.done()
            task.cancel()

    run(main)


def test_setting_an_equal_value_is_a_change(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(None)
        watcher = watch.subscribe()
        watch.set(None)
        assert await watcher.changed() is None
        assert watch.statistics().changes == 1

    run(main)


def test_reading_the_value_does_not_count_as_having_seen_it(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(1)
        watcher = watch.subscribe()
        watch.set(2)
        assert watcher.value == 2
        assert await watcher.changed() == 2

    run(main)


def test_a_loop_begins_with_the_present_value_and_ends_with_the_last(run: Run) -> None:
    async def follow(watcher: giambio.Watcher[int], seen: list[int]) -> None:
        async for value in watcher:
            seen.append(value)

    async def main() -> None:
        seen: list[int] = []
        async with giambio.TaskManager() as manager:
            with giambio.Watch(1) as watch:
                watch.set(2)
                await manager.spawn(follow, watch.subscribe(), seen)
                await settled()
                assert seen == [2]
                watch.set(3)
                watch.set(4)
                await settled()
                assert seen == [2, 4]
                watch.set(5)
        assert seen == [2, 4, 5]
        assert [value async for value in watch.subscribe()] == [5]
        watcher = watch.subscribe()
        for _ in range(2):  # each loop begins anew
            assert [value async for value in watcher] == [5]

    run(main)


def test_anext_takes_a_default(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(1)
        watcher = aiter(watch.subscribe())
        assert await anext(watcher, "default") == 1
        async with giambio.TaskManager() as manager:

            async def ask() -> object:
                return await anext(watcher, "default")

            task = await manager.spawn(ask)
            await settled()
            watch.close()
            assert await task == "default"

    run(main)


def test_tasks_that_share_a_watcher_see_each_change_once(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(0)
        watcher = watch.subscribe()
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(watcher.changed) for _ in range(2)]
            await settled()
            watch.set(1)
            await settled()
            assert [task.done() for task in tasks].count(True) == 1
            watch.set(2)
        assert sorted(task.result() for task in tasks) == [1, 2]

    run(main)


def test_a_cancelled_wait_has_seen_nothing(run: Run) -> None:
    """Rule 5.4: one that transferred nothing raises."""

    async def main() -> None:
        watch = giambio.Watch(0)
        watcher = watch.subscribe()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(watcher.changed)
            await settled()
            watch.set(1)
            task.cancel()
        assert task.cancelled()
        assert watch.statistics().tasks_waiting == 0
        with giambio.CancelScope() as scope:
            scope.cancel()
            await watcher.changed()
        assert scope.cancelled_caught
        assert await watcher.changed() == 1

    run(main)


def test_closing_ends_those_who_wait(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(0)
        watcher = watch.subscribe()
        late = watch.subscribe()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome_of, watcher.changed())
            await settled()
            await watch.close()
            watch.close()
        assert isinstance(task.result(), giambio.EndOfStream)
        with pytest.raises(giambio.EndOfStream, match="the watch is closed, and its last value"):
            await late.changed()
        with pytest.raises(giambio.ClosedResourceError, match="this Watch is closed"):
            watch.set(1)
        assert watch.subscribe().value == 0

    run(main)


def test_the_last_value_is_seen_before_the_end(run: Run) -> None:
    """Rule 10.8: the last value is seen."""

    async def main() -> None:
        watch = giambio.Watch(0)
        watcher = watch.subscribe()
        async with watch:
            watch.set(1)
        assert await watcher.changed() == 1
        with pytest.raises(giambio.EndOfStream):
            await watcher.changed()

    run(main)


def test_dropping_the_watch_ends_those_who_wait(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(0)
        watcher = watch.subscribe()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome_of, watcher.changed())
            await settled()
            with pytest.warns(ResourceWarning, match=f"Watch 1 waiting> made at {__file__}"):
                del watch
                gc.collect()
        assert isinstance(task.result(), giambio.EndOfStream)

    run(main)


def test_dropping_a_watch_that_nobody_waits_for_is_quiet(run: Run) -> None:
    async def main() -> None:
        watcher = giambio.Watch(5).subscribe()
        gc.collect()
        assert watcher.value == 5
        with pytest.raises(giambio.EndOfStream):
            await watcher.changed()

    run(main)


def test_waking_tasks_from_another_thread_is_refused(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(0)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(watch.subscribe().changed)
            await settled()
            for misuse, name in (lambda: watch.set(1), "set"), (watch.close, "close"):
                refusal = in_thread(misuse)
                assert isinstance(refusal, RuntimeError)
                assert str(refusal).startswith(f"Watch.{name}() was called from another thread")
            assert watch.value == 0
            loop = giambio.current_loop()
            in_thread(lambda: loop.call_soon_threadsafe(watch.set, 2))
            assert await task == 2

    run(main)


def test_two_loops_cannot_wait_at_one_watch(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch(0)
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(watch.subscribe().changed)
            await settled()
            refusal = in_thread(lambda: giambio.run(watch.subscribe().changed))
            assert "tasks of another loop wait for this object already" in str(refusal)
            watch.set(1)
            assert await task == 1

    run(main)


def test_a_watcher_is_not_made_by_hand() -> None:
    with pytest.raises(TypeError, match=r"made by the subscribe\(\) of a giambio.Watch"):
        giambio.Watcher()
    with pytest.raises(TypeError):
        giambio.Watch()  # type: ignore[call-arg]


def test_a_wait_that_was_never_awaited_warns(run: Run) -> None:
    """Rule 3.13: an operation object that was never awaited warns."""

    async def main() -> None:
        with pytest.warns(RuntimeWarning, match=r"Watcher.changed\(\) was never awaited"):
            giambio.Watch(0).subscribe().changed()
            gc.collect()

    run(main)


def test_errors_come_without_frames_of_ours(run: Run) -> None:
    """Rule 8.17: tracebacks contain no frame of ours between the user's."""

    async def main() -> None:
        watch = giambio.Watch(0)
        watch.close()
        try:
            await watch.subscribe().changed()
        except giambio.EndOfStream as exc:
            frames = traceback.extract_tb(exc.__traceback__)
            assert [frame.name for frame in frames] == ["main"]

    run(main)


def test_a_watch_and_a_watcher_describe_themselves(run: Run) -> None:
    async def main() -> None:
        watch = giambio.Watch("secret")
        watcher = watch.subscribe()
        assert repr(watch) == "<giambio.Watch 0 waiting>"
        assert repr(watcher) == "<giambio.Watcher no news, watching>"
        async with giambio.TaskManager() as manager:
            await manager.spawn(watch.subscribe().changed)
            await settled()
            assert watch.statistics() == (0, 1)
            assert repr(watch) == "<giambio.Watch 1 waiting>"
            watch.set("new")
        assert watch.statistics()._asdict() == {"changes": 1, "tasks_waiting": 0}
        watch.close()
        assert repr(watcher) == "<giambio.Watcher news, closed>"
        assert repr(watch) == "<giambio.Watch closed, 0 waiting>"

    run(main)


def test_a_deadlock_names_the_watcher(run: Run) -> None:
    """Rule 11.2: `DeadlockError` with the tree of who waits on what."""

    async def main() -> None:
        with giambio.Watch(0) as watch:
            await watch.subscribe().changed()

    with pytest.raises(giambio.DeadlockError, match=r"Watcher.changed\(\) on <giambio.Watcher no"):
        run(main)


def test_the_kind_of_values_can_be_told_to_type_checkers() -> None:
    watch = giambio.Watch[int](1)
    assert type(watch) is giambio.Watch
    assert giambio.Watcher[int].__args__ == (int,)


@pytest.mark.parametrize("seed", range(8))
def test_in_a_crowd_everybody_goes_forward_and_sees_the_last_value(run: Run, seed: int) -> None:
    dice = random.Random(seed)
    seen: list[list[int]] = []

    async def follow(watcher: giambio.Watcher[int]) -> None:
        mine: list[int] = []
        seen.append(mine)
        while True:
            with giambio.CancelScope() as scope:
                if dice.random() < 0.3:
                    giambio.current_loop().call_soon(scope.cancel)
                try:
                    mine.append(await watcher.changed())
                except giambio.EndOfStream:
                    return

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with giambio.Watch(0) as watch:
                for _ in range(5):
                    manager.start_soon(follow, watch.subscribe())
                for number in range(1, 100):
                    watch.set(number)
                    if dice.random() < 0.5:
                        await giambio.checkpoint()

    run(main, seed=seed)
    for mine in seen:
        assert mine[-1] == 99
        assert all(one < other for one, other in pairwise(mine))
