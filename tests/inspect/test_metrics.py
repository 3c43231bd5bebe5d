"""The counters of a loop, and how a tool finds the loops of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


def test_turns_and_steps_are_counted(run: Run) -> None:
    """Rule 26.11: since the loop was made."""

    async def main() -> tuple[giambio.LoopMetrics, giambio.LoopMetrics]:
        before = giambio.metrics()
        for _ in range(10):
            await giambio.sleep(0)
        return before, giambio.metrics()

    before, after = run(main)
    assert after.steps - before.steps == 10
    assert after.turns - before.turns == 10
    assert before.spawned == 1


def test_the_time_is_either_spent_running_or_in_the_driver(run: Run) -> None:
    """Rule 26.11: real seconds, and nothing is left out."""
    seen: list[giambio.LoopMetrics] = []
    times: list[float] = []

    async def main() -> None:
        times.append(time.monotonic())
        before = giambio.metrics()
        await giambio.sleep(0.1)
        slept = giambio.metrics()
        time.sleep(0.1)
        blocked = giambio.metrics()
        await giambio.sleep(0)
        seen.extend([before, slept, blocked, giambio.metrics()])
        times.append(time.monotonic())

    run(main)
    before, slept, blocked, after = seen
    assert slept.seconds_in_driver - before.seconds_in_driver >= 0.09
    assert blocked.seconds_running - slept.seconds_running >= 0.1
    assert blocked.lag >= 0.1  # the step goes on
    assert after.worst_lag >= 0.1
    total = (after.seconds_running - before.seconds_running) + (
        after.seconds_in_driver - before.seconds_in_driver
    )
    assert total <= times[1] - times[0] + 0.001


def test_a_loop_that_is_driven_by_turns_counts_its_own_time_only() -> None:
    """Rule 26.11: not what the host of the loop does between two turns."""
    loop = giambio.EventLoop()
    task = loop.begin(giambio.sleep, 0.01)
    while not task.done():
        loop.driver_wait(loop.run_ready())
        loop.deliver()
        time.sleep(0.05)
    loop.end()
    counted = giambio.metrics(loop)
    assert counted.worst_lag < 0.05
    assert counted.seconds_running < 0.05
    assert counted.turns > 0


def test_tasks_that_live_and_that_are_ready_are_counted(run: Run) -> None:
    """Rule 26.11."""

    async def main() -> giambio.LoopMetrics:
        async with giambio.TaskManager() as manager:
            for _ in range(5):
                await manager.spawn(giambio.sleep_forever)
            counted = giambio.metrics()
            manager.cancel()
        return counted

    counted = run(main)
    assert (counted.tasks, counted.ready, counted.spawned) == (6, 5, 6)


def test_another_thread_may_ask_while_a_step_blocks_the_loop(run: Run) -> None:
    """Rules 26.7, 26.11."""
    found: list[giambio.LoopMetrics] = []

    def look(loop: giambio.EventLoop) -> None:
        assert giambio.running_loops() == [loop]
        found.append(giambio.metrics(loop))

    async def main() -> None:
        thread = threading.Thread(target=look, args=[giambio.current_loop()])
        time.sleep(0.05)
        thread.start()
        thread.join()

    run(main)
    assert found[0].lag >= 0.05
    assert giambio.running_loops() == []


def test_without_a_loop_or_with_something_else_the_error_says_so() -> None:
    """Rule 26.11."""
    with pytest.raises(RuntimeError, match="no giambio"):
        giambio.metrics()
    wrong: Any = "loop"
    with pytest.raises(TypeError, match=r"metrics\(\) needs an EventLoop, not 'loop'"):
        giambio.metrics(wrong)


def test_loops_are_found_in_all_threads(run: Run) -> None:
    """Rule 26.12: those that have begun and not ended."""
    inside, leave = threading.Event(), threading.Event()

    async def other() -> None:
        inside.set()
        await giambio.to_thread(leave.wait)

    async def main() -> int:
        thread = threading.Thread(target=giambio.run, args=[other])
        thread.start()
        await giambio.to_thread(inside.wait)
        count = len(giambio.running_loops())
        leave.set()
        await giambio.to_thread(thread.join)
        return count

    assert run(main) == 2
