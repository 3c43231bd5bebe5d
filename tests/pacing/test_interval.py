"""`interval`: ticks without drift, and what becomes of those that nobody waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import giambio
from giambio.testing import VirtualClock

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait."""
    return partial(run, clock=VirtualClock())


async def ticks(bodies: Iterable[float], **options: Any) -> list[tuple[float, float]]:
    """For each tick, when it was due and when it came; then the body takes so many seconds."""
    seen = []
    todo = iter(bodies)
    async for due in giambio.interval(10, **options):
        seen.append((due, giambio.current_time()))
        body = next(todo, None)
        if body is None:
            break
        await giambio.sleep(body)
    return seen


def test_ticks_do_not_drift(run: Run) -> None:
    """Rule 22.1."""
    assert run(ticks, [0, 4, 9.5, 1]) == [(t, t) for t in (0, 10, 20, 30, 40)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(0, 0), (10, 35), (40, 40), (50, 50)]),
        ({"missed": "skip"}, [(0, 0), (10, 35), (40, 40), (50, 50)]),
        ({"missed": "delay"}, [(0, 0), (10, 35), (45, 45), (55, 55)]),
        ({"missed": "burst"}, [(0, 0), (10, 35), (20, 35), (30, 35), (40, 40)]),
    ],
    ids=["default", "skip", "delay", "burst"],
)
def test_ticks_that_were_missed(
    run: Run, options: dict[str, str], expected: list[tuple[float, float]]
) -> None:
    """Rule 22.2."""
    bodies = [35.0, *[0.0] * (len(expected) - 2)]
    assert run(partial(ticks, bodies, **options)) == expected


def test_a_tick_whose_wait_is_cancelled_stays_due(run: Run) -> None:
    """Rule 22.3."""

    async def main() -> list[float]:
        clock = giambio.interval(10)
        seen = [await anext(clock)]
        with giambio.move_on_after(3) as scope:
            await anext(clock)
        assert scope.cancelled_caught
        with giambio.CancelScope() as scope:
            scope.cancel()
            await anext(clock)
        seen += [await anext(clock), giambio.current_time(), await anext(clock)]
        return seen

    assert run(main) == [0, 10, 10, 20]


def test_others_get_their_turn_while_ticks_are_owed(run: Run) -> None:
    async def main() -> None:
        turns = []

        async def other() -> None:
            while True:
                turns.append("other")
                await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            clock = giambio.interval(1, missed="burst")
            await anext(clock)
            await giambio.sleep(5)
            task = manager.start_soon(other)
            for _ in range(5):
                await anext(clock)
                turns.append("tick")
            task.cancel()
        assert turns.count("tick") == 5
        assert turns[:2] == ["other", "tick"]

    run(main)


@given(
    seconds=st.floats(1e-6, 1e6),
    bodies=st.lists(st.floats(0, 5), min_size=1, max_size=20),
    missed=st.sampled_from(["skip", "burst"]),
)
def test_the_phase_is_kept_and_no_tick_comes_twice(
    seconds: float, bodies: list[float], missed: Any
) -> None:
    """Rule 22.1: whatever the body takes."""

    async def main() -> None:
        await giambio.sleep(0.3)
        seen = []
        clock = giambio.interval(seconds, missed=missed)
        for body in bodies:
            due = await anext(clock)
            assert giambio.current_time() >= due
            seen.append((due - 0.3) / seconds)
            await giambio.sleep(body * seconds)
        assert [round(number) for number in seen] == pytest.approx(seen, abs=1e-6)
        numbers = list(map(round, seen))
        assert numbers == sorted(set(numbers))

    giambio.run(main, clock=VirtualClock())


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((0,), {}, ValueError, r"interval\(\) needs a number of seconds above 0, not 0"),
        ((-1,), {}, ValueError, "above 0, not -1"),
        ((float("inf"),), {}, ValueError, "above 0, not inf"),
        ((float("nan"),), {}, ValueError, "not NaN"),
        (("1",), {}, TypeError, r"interval\(\) needs a number for seconds, not '1'"),
        ((1,), {"missed": "drop"}, ValueError, "is one of skip, delay, burst, not 'drop'"),
    ],
)
def test_bad_arguments(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        giambio.interval(*arguments, **options)
