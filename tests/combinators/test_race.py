"""`race`: the first task to end decides; the others are cancelled and joined."""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giambio
from support.combinators import Work, fail, fail_when_cancelled, never
from support.kernel import ManualClock

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait: no test depends on how fast it is."""
    return functools.partial(run, clock=ManualClock())


async def after(steps: int, value: Any) -> Any:
    """Return a value after so many turns of the loop."""
    for _ in range(steps):
        await giambio.checkpoint()
    return value


def test_the_first_result_is_returned_and_the_others_are_joined(run: Run) -> None:
    """Rule 9.3: losers are cancelled."""
    work = Work()

    async def main() -> Any:
        result = await giambio.race(work.forever, after(3, "first"), work.forever)
        assert work.running == 0
        assert len(work.cancelled) == 2
        return result

    assert run(main) == "first"


def test_the_losers_are_told_why(run: Run) -> None:
    reasons = []

    async def loser() -> None:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError as exc:
            reasons.append(exc.reason)
            raise

    async def main() -> None:
        await giambio.race(loser, after(3, None))

    run(main)
    assert reasons == ["another one has won the race"]


def test_a_result_of_none_wins_too(run: Run) -> None:
    async def main() -> Any:
        return await giambio.race(giambio.sleep(0), after(5, "late"))

    assert run(main) is None


def test_the_first_failure_is_raised(run: Run) -> None:
    """Rule 9.3: the first to end decides."""
    error = ValueError("x")

    async def main() -> None:
        with pytest.raises(ValueError, match="x") as caught:
            await giambio.race(after(9, "late"), fail(error, 2))
        assert caught.value is error

    run(main)


def test_a_result_after_a_failure_does_not_win(run: Run) -> None:
    async def stubborn() -> str:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError:
            return "swallowed"
        return ""

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            await giambio.race(stubborn, fail(ValueError("x"), 2))

    run(main)


def test_a_losers_result_is_dropped(run: Run) -> None:
    async def stubborn() -> str:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError:
            return "swallowed"
        return ""

    async def main() -> Any:
        return await giambio.race(stubborn, after(2, "first"))

    assert run(main) == "first"


def test_a_loser_that_fails_in_its_clean_up_is_not_lost(run: Run) -> None:
    """Rules 8.10, 9.3: a failing clean-up of a loser is not lost."""
    error = ValueError("clean-up")

    async def main() -> None:
        with pytest.raises(ValueError, match="clean-up") as caught:
            await giambio.race(fail_when_cancelled(error), after(2, "first"))
        assert caught.value is error

    run(main)


def test_a_failing_winner_and_a_failing_loser_are_a_group(run: Run) -> None:
    """Rule 8.4: several as an `ExceptionGroup`."""
    first, second = ValueError("first"), KeyError("clean-up")

    async def main() -> None:
        with pytest.raises(ExceptionGroup, match=r"several tasks of race\(\) failed") as caught:
            await giambio.race(fail_when_cancelled(second), fail(first, 2))
        assert caught.value.exceptions == (first, second)

    run(main)


def test_of_nothing_is_an_error() -> None:
    """Rule 9.3: nobody could ever win."""
    with pytest.raises(ValueError, match="at least one"):
        giambio.race()


def test_of_one_is_that_one(run: Run) -> None:
    async def main() -> Any:
        return await giambio.race(after(1, "only"))

    assert run(main) == "only"


def test_all_of_them_start_even_if_the_first_never_waits(run: Run) -> None:
    """Rule 7.8: a spawned task always runs to its first checkpoint."""
    work = Work()

    async def main() -> Any:
        result = await giambio.race(after(0, "at once"), lambda: work.forever(1))
        assert work.started == work.cancelled == [1]
        return result

    assert run(main) == "at once"


def test_a_task_that_loses_goes_on(run: Run) -> None:
    """Rule 9.10: a Task passed in is joined, never cancelled by them."""

    async def main() -> Any:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(after, 20, "the task")
            first = await giambio.race(task, after(2, "first"))
            assert not task.done()
            return first, await task, await giambio.race(task, giambio.sleep_forever)

    assert run(main) == ("first", "the task", "the task")


def test_a_cancelled_task_that_ends_first_raises(run: Run) -> None:
    """Rule 8.13: `TaskCancelled`, never `CancelledError`."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            task.cancel()
            with pytest.raises(giambio.TaskCancelled):
                await giambio.race(task, giambio.sleep_forever)

    run(main)


def test_one_that_was_cancelled_alone_decides(run: Run) -> None:
    async def cancels_itself() -> None:
        giambio.current_task().cancel()
        await giambio.checkpoint()

    async def main() -> None:
        with pytest.raises(giambio.TaskCancelled, match="was cancelled, so it has no result"):
            await giambio.race(cancels_itself, giambio.sleep_forever)

    run(main)


def test_a_result_is_kept_when_the_caller_is_cancelled_meanwhile(run: Run) -> None:
    """Rule 5.3: the result may be a connection, which nobody else would close."""

    async def slow_loser() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.01)

    async def main() -> Any:
        with giambio.CancelScope() as scope:

            async def winner() -> str:
                await giambio.checkpoint()
                giambio.current_loop().call_soon(scope.cancel)
                return "kept"

            result = await giambio.race(winner, slow_loser)
            await giambio.checkpoint()
            pytest.fail("not reached")
        return result, scope.cancelled_caught

    assert run(main) == ("kept", True)


def test_cancelled_before_anybody_has_ended_it_raises(run: Run) -> None:
    work = Work()

    async def main() -> None:
        with giambio.move_on_after(0.01) as scope:
            await giambio.race(work.forever, work.forever)
            pytest.fail("not reached")
        assert scope.cancelled_caught
        assert work.running == 0

    run(main)


def test_forgotten_it_warns_once_and_closes_what_it_was_given(run: Run) -> None:
    """Rules 9.7, 7.5: it warns once, and closes its coroutines."""

    async def main() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            giambio.race(never(), giambio.race(never()))
            gc.collect()
        assert [str(warning.message) for warning in caught] == ["race() was never awaited"]

    run(main)


def test_cancelled_before_it_began_nothing_runs_and_all_is_closed(run: Run) -> None:
    """Rules 9.7, 4.2: a pending cancellation raises, and nothing was done."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.race(never(), never())
        assert scope.cancelled_caught

    run(main)


def test_a_list_is_refused_with_advice_and_closed(run: Run) -> None:
    """Rules 9.11, 19.1: the error names the mistake and the fix."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"one by one, not \[.*; write race\(\*them\)"):
            await giambio.race([never(), never()])  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="cannot be awaited"):
            await giambio.race(never(), lambda: 5)  # type: ignore[arg-type,return-value]

    run(main)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=8),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_it_agrees_with_a_model(outcomes: list[tuple[int, bool]], seed: int | None) -> None:
    """One with the fewest turns wins, or fails; and each of them has ended."""
    ended: list[int] = []

    async def work(n: int) -> int:
        steps, fails = outcomes[n]
        try:
            for _ in range(steps):
                await giambio.checkpoint()
            if fails:
                raise ValueError(n)
            return n
        finally:
            ended.append(n)

    async def main() -> set[int]:
        try:
            return {await giambio.race(*(work(n) for n in range(len(outcomes))))}
        except* ValueError as group:
            failed = {exc.args[0] for exc in group.exceptions}
        return failed

    fewest = min(steps for steps, _ in outcomes)
    assert {outcomes[n][0] for n in giambio.run(main, seed=seed)} == {fewest}
    assert sorted(ended) == list(range(len(outcomes)))
