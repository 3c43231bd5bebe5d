"""`RateLimiter`: never more than the rate, in turn, and nothing lost by a cancellation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import giambio
from giambio.testing import VirtualClock, wait_all_tasks_blocked

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait."""
    return partial(run, clock=VirtualClock())


def test_a_burst_passes_and_then_the_rate_holds(run: Run) -> None:
    """Rule 22.4."""

    async def main() -> list[float]:
        limiter = giambio.RateLimiter(3, 6)
        passed = []
        for _ in range(6):
            async with limiter:
                passed.append(giambio.current_time())
        await giambio.sleep(100)  # the bucket is empty again, and no emptier than that
        for _ in range(4):
            await limiter.acquire()
            passed.append(giambio.current_time())
        return passed

    assert run(main) == pytest.approx([0, 0, 0, 2, 4, 6, 106, 106, 106, 108])


def test_tasks_pass_in_the_order_in_which_they_came(run: Run) -> None:
    """Rule 22.4: also those that need little pass nobody who needs much."""

    async def main() -> list[tuple[str, float]]:
        limiter = giambio.RateLimiter(10, 10)
        await limiter.acquire(10)
        passed = []

        async def take(name: str, amount: float) -> None:
            await limiter.acquire(amount)
            passed.append((name, giambio.current_time()))

        async with giambio.TaskManager() as manager:
            for name, amount in (("large", 8), ("small", 1), ("other", 3)):
                manager.start_soon(take, name, amount)
        return passed

    names, times = zip(*run(main), strict=True)
    assert names == ("large", "small", "other")
    assert times == pytest.approx((8, 9, 12))


def test_who_is_cancelled_has_taken_nothing_and_holds_up_nobody(run: Run) -> None:
    """Rule 22.5: whether first in the line, or behind."""

    async def main() -> float:
        limiter = giambio.RateLimiter(1, 10)
        await limiter.acquire()
        async with giambio.TaskManager() as manager:
            first = manager.start_soon(limiter.acquire)
            behind = manager.start_soon(limiter.acquire)
            manager.start_soon(limiter.acquire)
            await wait_all_tasks_blocked()
            first.cancel()
            behind.cancel()
        assert (first.cancelled(), behind.cancelled()) == (True, True)
        return giambio.current_time()

    assert run(main) == pytest.approx(10)


def test_acquiring_in_a_cancelled_scope_takes_nothing(run: Run) -> None:
    """Rule 22.5."""

    async def main() -> None:
        limiter = giambio.RateLimiter(1)
        with giambio.CancelScope() as scope:
            scope.cancel()
            await limiter.acquire()
        assert scope.cancelled_caught
        assert limiter.has_capacity()

    run(main)


def test_has_capacity(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.RateLimiter(2, 4)
        assert limiter.has_capacity(2)
        await limiter.acquire()
        assert limiter.has_capacity()
        assert not limiter.has_capacity(2)
        await giambio.sleep(2)
        assert limiter.has_capacity(2)
        assert (limiter.max_rate, limiter.time_period) == (2, 4)
        assert repr(limiter) == "<giambio.RateLimiter 2 per 4 s>"

    run(main)


def test_one_limiter_in_several_runs_whose_clocks_begin_anew(run: Run) -> None:
    limiter = giambio.RateLimiter(1, 10)

    async def main() -> float:
        await limiter.acquire()
        return giambio.current_time()

    assert [giambio.run(main, clock=VirtualClock()) for _ in range(3)] == [0, 10, 10]


@given(
    rate=st.floats(0.01, 1000),
    period=st.floats(0.01, 1000),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
    share=st.floats(0.01, 1),
)
def test_no_window_of_time_sees_more_than_is_allowed(
    rate: float, period: float, pauses: list[float], share: float
) -> None:
    """Rule 22.4: at most `max_rate` at once, and the rate from then on."""

    async def main() -> None:
        limiter = giambio.RateLimiter(rate, period)
        passed = []
        for pause in pauses:
            await giambio.sleep(pause * period * share)
            await limiter.acquire(rate * share)
            passed.append(giambio.current_time())
        for begin in range(len(passed)):
            for end in range(begin, len(passed)):
                amount = (end - begin + 1) * rate * share
                allowed = rate + (passed[end] - passed[begin]) * rate / period
                assert amount <= allowed * (1 + 1e-6)

    giambio.run(main, clock=VirtualClock())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, r"RateLimiter\(\) needs a number above 0 for max_rate, not 0"),
        ((1, 0), ValueError, "above 0 for time_period, not 0"),
        ((1, float("inf")), ValueError, "above 0 for time_period, not inf"),
        (("1",), TypeError, "needs a number for max_rate, not '1'"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        giambio.RateLimiter(*arguments)


@pytest.mark.parametrize("amount", [0, -1, 2.5, float("nan")])
def test_an_amount_that_could_never_pass_is_an_error(run: Run, amount: float) -> None:
    async def main() -> None:
        limiter = giambio.RateLimiter(2)
        with pytest.raises(ValueError, match="amount"):
            limiter.has_capacity(amount)
        with pytest.raises(ValueError, match="amount"):
            await limiter.acquire(amount)
        assert limiter.has_capacity(2)

    run(main)
