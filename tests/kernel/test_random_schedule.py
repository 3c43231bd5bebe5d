"""Random schedules: the same seed gives the same run, and another seed another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


class Trace(giambio.Hook):
    """The steps of a run, in their order."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def before_step(self, task: giambio.Task[Any]) -> None:
        self.steps.append(task.id)


async def work(lock: giambio.Lock) -> None:
    for _ in range(3):
        async with lock:
            await giambio.checkpoint()


def trace(run: Run, seed: int | None) -> list[int]:
    """The steps of a run with this seed."""

    async def main() -> list[int]:
        hook = Trace()
        giambio.current_loop().add_hook(hook)
        lock = giambio.Lock()
        async with giambio.TaskManager() as manager:
            for _ in range(8):
                await manager.spawn(work, lock)
        return hook.steps

    steps: list[int] = run(main, seed=seed)
    return steps


def test_the_same_seed_gives_the_same_run(run: Run) -> None:
    """Rule 2.3: the same seed gives the same run."""
    assert trace(run, 7) == trace(run, 7)


def test_different_seeds_give_different_runs(run: Run) -> None:
    """Rule 2.3: another seed gives another run."""
    assert len({tuple(trace(run, seed)) for seed in range(20)}) > 15


@pytest.mark.usefixtures("in_turn")
def test_without_a_seed_tasks_run_in_turn(run: Run) -> None:
    """Rule 2.2: no decision depends on chance."""
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await giambio.checkpoint()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for number in range(4):
                manager.start_soon(note, number)

    run(main)
    assert order == [0, 1, 2, 3] * 3


def test_the_environment_sets_the_seed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`GIAMBIO_SEED`: any program under a random schedule, without a change to it."""
    monkeypatch.setenv("GIAMBIO_SEED", "7")
    assert trace(run, None) == trace(run, 7)
    monkeypatch.setenv("GIAMBIO_SEED", "8")
    assert trace(run, None) == trace(run, 8)
    assert trace(run, 7) != trace(run, None)


def test_callbacks_keep_their_order_under_any_seed(run: Run) -> None:
    """asyncio promises that callbacks run in the order they were scheduled."""
    called: list[int] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for number in range(20):
                giambio.current_loop().call_soon(called.append, number)
                manager.start_soon(giambio.checkpoint)

    for seed in range(10):
        called.clear()
        run(main, seed=seed)
        assert called == list(range(20))


def test_operations_that_could_go_on_sometimes_give_way(run: Run) -> None:
    """Rule 2.4: it also takes the budget away, or it would find few interleavings."""

    async def main() -> int:
        ended = giambio.Event()
        ended.set()
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            await manager.spawn(other)
            for _ in range(30):
                await ended.wait()
            manager.cancel()
        return others

    assert any(run(main, seed=seed) > 5 for seed in range(10))


@pytest.mark.parametrize("seed", ["7", 7.0, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any) -> None:
    """Rule 19.6: a seed is a whole number."""
    with pytest.raises(TypeError, match="seed= needs a whole number or None"):
        giambio.EventLoop(seed=seed)


def test_a_seed_of_the_environment_that_is_no_number_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 19.6: the error names the variable."""
    monkeypatch.setenv("GIAMBIO_SEED", "seven")
    with pytest.raises(ValueError, match="GIAMBIO_SEED needs a whole number, not 'seven'"):
        giambio.EventLoop()
