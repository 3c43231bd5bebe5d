"""`as_completed`: results as they come, and every way to leave the block."""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giambio
from support.combinators import Work, fail_when_cancelled, never, one_by_one
from support.kernel import ManualClock, turns

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait: no test depends on how fast it is."""
    return functools.partial(run, clock=ManualClock())


@pytest.fixture
def work() -> Iterator[Work]:
    """Tasks that are counted: none of them is left over at the end."""
    work = Work()
    yield work
    assert work.running == 0


async def after(seconds: float) -> float:
    await giambio.sleep(seconds)
    return seconds


def naturals() -> Iterator[int]:
    """Without an end."""
    n = 0
    while True:
        yield n
        n += 1


async def async_naturals() -> AsyncIterator[int]:
    """Without an end."""
    for n in naturals():
        await giambio.checkpoint()
        yield n


def test_results_come_in_the_order_in_which_they_are_ready(run: Run) -> None:
    """Rule 9.2: results come in the order in which they are ready."""

    async def main() -> list[float]:
        async with giambio.as_completed(after, [3, 1, 2]) as results:
            return [seconds async for seconds in results]

    assert run(main) == [1, 2, 3]


@pytest.mark.parametrize("limit", [None, 1, 3, 100])
def test_each_item_has_one_result(run: Run, work: Work, limit: int | None) -> None:
    async def main() -> list[int]:
        async with giambio.as_completed(work.steps, range(200), limit=limit) as results:
            return [n async for n in results]

    assert sorted(run(main)) == list(range(200))
    assert limit is None or work.most <= limit


def test_ten_thousand_items(run: Run, work: Work) -> None:
    async def main() -> int:
        total = 0
        steps = functools.partial(work.steps, together=20)
        async with giambio.as_completed(steps, range(10_000), limit=20) as results:
            async for n in results:
                total += n
        return total

    assert run(main) == sum(range(10_000))
    assert work.most == 20


def test_of_nothing_it_ends_at_once(run: Run) -> None:
    async def main() -> list[float]:
        async with giambio.as_completed(after, []) as results:
            return [n async for n in results]

    assert run(main) == []


def test_results_of_none_and_exceptions_as_values(run: Run) -> None:
    async def nothing(item: int) -> None:
        pass

    async def main() -> Any:
        async with giambio.as_completed(nothing, range(3)) as results:
            return [n async for n in results]

    assert run(main) == [None, None, None]


def test_it_has_begun_when_the_block_is_entered(run: Run, work: Work) -> None:
    async def main() -> None:
        async with giambio.as_completed(work.steps, range(5)) as results:
            while len(work.ended) < 5:
                await giambio.checkpoint()
            assert sorted([n async for n in results]) == list(range(5))

    run(main)


# -- back-pressure ----------------------------------------------------------------------------


def test_results_that_were_not_taken_count_against_the_limit(run: Run, work: Work) -> None:
    """Rule 9.4: consumed no faster than `limit`."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in naturals():
            taken.append(n)
            yield n

    async def main() -> None:
        async with giambio.as_completed(work.steps, items(), limit=3) as results:
            await turns(50)
            assert taken == [0, 1, 2]
            assert work.running == 0
            async for _ in results:
                await turns(50)
                assert len(taken) == 4
                break

    run(main)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_items_are_taken_no_faster_than_the_limit(run: Run, work: Work, kind: str) -> None:
    """Rule 9.4: consumed no faster than `limit`."""
    out = 0

    def items() -> Iterator[int]:
        for n in range(30):
            assert n - out <= 4  # one may be on its way to the loop below
            yield n

    async def main() -> None:
        nonlocal out
        source: Any = items() if kind == "sync" else one_by_one(items())
        async with giambio.as_completed(work.steps, source, limit=4) as results:
            async for _ in results:
                out += 1
                await giambio.checkpoint()
        assert out == 30

    run(main)


# -- leaving early ---------------------------------------------------------------------------


@pytest.mark.parametrize("source", [naturals, async_naturals])
def test_breaking_out_of_an_endless_one(run: Run, work: Work, source: Any) -> None:
    """Rule 9.6: leaving it early cancels and joins what it started."""

    async def main() -> list[int]:
        found = []
        async with giambio.as_completed(work.steps, source(), limit=5) as results:
            async for n in results:
                found.append(n)
                if len(found) == 10:
                    break
        assert work.running == 0
        return found

    assert len(run(main)) == 10
    gc.collect()


def test_leaving_without_having_iterated(run: Run, work: Work) -> None:
    async def main() -> None:
        async with giambio.as_completed(work.forever, range(5)):
            while work.running < 5:
                await giambio.checkpoint()
        assert work.running == 0

    run(main)


def test_returning_from_inside(run: Run, work: Work) -> None:
    async def first() -> Any:
        async with giambio.as_completed(work.steps, naturals(), limit=2) as results:
            async for n in results:
                return n

    async def main() -> Any:
        return await first()

    assert run(main) in (0, 1)


def test_an_exception_in_the_body(run: Run, work: Work) -> None:
    """Rule 9.6: by an exception."""

    async def main() -> None:
        error = ValueError("body")
        with pytest.raises(ValueError, match="body") as caught:
            async with giambio.as_completed(work.forever, range(5)):
                await turns(5)
                raise error
        assert caught.value is error
        assert work.running == 0

    run(main)


def test_a_deadline_around_it(run: Run, work: Work) -> None:
    """Rule 9.6: by a deadline."""

    async def main() -> None:
        with giambio.move_on_after(0.01) as scope:
            async with giambio.as_completed(work.forever, naturals(), limit=5) as results:
                async for _ in results:
                    pass
        assert scope.cancelled_caught
        assert work.running == 0

    run(main)


def test_a_deadline_inside_of_it(run: Run, work: Work) -> None:
    """A wait for a result that was cancelled has taken none."""
    ready = giambio.Event()

    async def wait(item: int) -> int:
        await ready.wait()
        return item

    async def main() -> list[int]:
        async with giambio.as_completed(wait, range(3)) as results:
            with giambio.move_on_after(0.01):
                async for _ in results:
                    pytest.fail("none is ready")
            ready.set()
            return sorted([n async for n in results])

    assert run(main) == [0, 1, 2]


def test_closing_the_generator_that_has_it_open(run: Run, work: Work) -> None:
    """Rule 9.6: by closing the generator around it."""

    async def numbers() -> AsyncIterator[int]:
        async with giambio.as_completed(work.steps, naturals(), limit=2) as results:
            async for n in results:
                yield n

    async def main() -> None:
        generator: Any = numbers()
        await anext(generator)
        await generator.aclose()
        assert work.running == 0

    run(main)


def test_a_slow_clean_up_is_waited_for(run: Run) -> None:
    """Rule 9.6: what it started is cancelled and joined."""
    done: list[int] = []

    async def slow(item: int) -> None:
        try:
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.01)
            done.append(item)

    async def main() -> None:
        async with giambio.as_completed(slow, range(3)):
            await turns(5)
        assert sorted(done) == [0, 1, 2]

    run(main)


def test_a_failure_in_a_clean_up_comes_out_of_the_block(run: Run) -> None:
    """Rule 8.10: nothing is lost."""

    async def main() -> None:
        with pytest.raises(ValueError, match="clean-up"):
            async with giambio.as_completed(
                fail_when_cancelled, [ValueError("clean-up")], return_exceptions=True
            ):
                await turns(5)

    run(main)


def test_leaving_gives_way_once(run: Run) -> None:
    """Rule 4.12: leaving a block of tasks always yields once."""

    async def main() -> list[str]:
        ran: list[str] = []
        async with giambio.as_completed(after, []) as results:
            async for _ in results:
                pass
            giambio.current_loop().call_soon(ran.append, "others")
        return ran

    assert run(main) == ["others"]


# -- failures ---------------------------------------------------------------------------


def test_a_failure_cancels_the_body_too(run: Run, work: Work) -> None:
    """Rule 8.2: the body of the block counts as a child."""

    async def fetch(n: int) -> int:
        if n == 3:
            raise ValueError(n)
        return await work.steps(n)

    async def main() -> None:
        seen: list[int] = []
        with pytest.raises(ValueError, match="3"):
            async with giambio.as_completed(fetch, range(10), limit=4) as results:
                async for n in results:
                    seen.append(n)
                    await giambio.sleep_forever()
        assert work.running == 0

    run(main)


def test_exceptions_are_handed_out_like_results(run: Run) -> None:
    """Rule 9.8: one bad page need not end a scrape."""

    async def fetch(n: int) -> int:
        await giambio.checkpoint()
        if n % 2:
            raise ValueError(n)
        return n

    async def main() -> list[str]:
        async with giambio.as_completed(
            fetch, range(6), limit=2, return_exceptions=True
        ) as results:
            return sorted([repr(result) async for result in results])

    assert run(main) == ["0", "2", "4", "ValueError(1)", "ValueError(3)", "ValueError(5)"]


def test_a_base_exception_is_never_handed_out(run: Run) -> None:
    """Rule 9.9: ordinary exceptions only."""

    async def fetch(n: int) -> None:
        raise SystemExit(n)

    async def main() -> None:
        with pytest.raises(SystemExit):
            async with giambio.as_completed(fetch, [1], return_exceptions=True) as results:
                async for _ in results:
                    pytest.fail("nothing to hand out")

    run(main)


def test_items_that_fail_midway_fail_it(run: Run, work: Work) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("items")

    async def main() -> None:
        with pytest.raises(ValueError, match="items"):
            async with giambio.as_completed(
                work.forever, items(), return_exceptions=True
            ) as results:
                async for _ in results:
                    pytest.fail("nothing to hand out")
        assert sorted(work.cancelled) == [1, 2]

    run(main)


def test_one_that_was_cancelled_alone_has_no_result(run: Run) -> None:
    async def fetch(n: int) -> None:
        giambio.current_task().cancel()
        await giambio.checkpoint()

    async def main() -> None:
        with pytest.raises(giambio.TaskCancelled):
            async with giambio.as_completed(fetch, [1]) as results:
                async for _ in results:
                    pytest.fail("nothing to hand out")
        async with giambio.as_completed(fetch, [1], return_exceptions=True) as results:
            (error,) = [error async for error in results]
        assert isinstance(error, giambio.TaskCancelled)

    run(main)


# -- several who iterate -----------------------------------------------------------------------


def test_several_tasks_may_iterate_and_each_result_goes_to_one(run: Run, work: Work) -> None:
    async def main() -> list[list[int]]:
        taken: list[list[int]] = [[], [], []]

        async def take(results: Any, mine: list[int]) -> None:
            async for n in results:
                mine.append(n)
                await giambio.checkpoint()

        async with giambio.as_completed(work.steps, range(60), limit=6) as results:
            await giambio.gather(*(take(results, mine) for mine in taken))
        return taken

    taken = run(main)
    assert sorted(n for mine in taken for n in mine) == list(range(60))
    assert all(taken)


def test_who_waits_when_the_block_is_left_is_told(run: Run, work: Work) -> None:
    """Rule 19.1: no hang."""

    async def main() -> None:
        async def wait(results: Any) -> None:
            with pytest.raises(giambio.ClosedResourceError, match="was left"):
                await anext(results)
            told.append("told")

        async with (
            giambio.TaskManager() as manager,
            giambio.as_completed(work.forever, range(3)) as results,
        ):
            manager.start_soon(wait, results)
            await turns(5)

    told: list[str] = []
    run(main)
    assert told == ["told"]


def test_after_the_block_iterating_is_an_error(run: Run) -> None:
    """Rule 19.1: iterating after the block is an error that says so."""

    async def main() -> None:
        async with giambio.as_completed(after, [0]) as results:
            pass
        with pytest.raises(giambio.ClosedResourceError, match="iterate inside of the block"):
            async for _ in results:
                pass

    run(main)


# -- misuse -----------------------------------------------------------------------------


def test_asyncios_form_is_refused_and_shown_ours(run: Run) -> None:
    """Rule 9.11: asyncio's form raises a `TypeError` that shows ours."""

    async def main() -> None:
        match = r"write `async with giambio.as_completed\(fetch, urls, limit=20\) as pages:`"
        with pytest.raises(TypeError, match=match):
            giambio.as_completed([never(), never()])  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=match):
            giambio.as_completed({never(), never()})  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=match):
            giambio.as_completed(never())  # type: ignore[call-overload]
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep, 0)
            with pytest.raises(TypeError, match=match):
                giambio.as_completed([task])  # type: ignore[call-overload]
        gc.collect()

    run(main)


def test_without_items_it_says_so() -> None:
    with pytest.raises(TypeError, match="needs an iterable or an async iterable of items"):
        giambio.as_completed(after)  # type: ignore[call-overload]


def test_iterating_without_the_block_is_refused_with_advice(run: Run) -> None:
    """Rule 19.1: the error names the mistake and the fix."""

    async def main() -> None:
        with pytest.raises(TypeError, match="is a block; write `async with"):
            async for _ in giambio.as_completed(after, [0]):
                pass
        with pytest.raises(TypeError, match="is a block; write `async with"):
            await anext(giambio.as_completed(after, [0]))
        wrong: Any = giambio.as_completed(after, [0])
        with pytest.raises(TypeError, match="entered with `async with`"), wrong:
            pass

    run(main)


def test_a_block_is_used_once(run: Run) -> None:
    async def main() -> None:
        block = giambio.as_completed(after, [0])
        async with block:
            pass
        with pytest.raises(RuntimeError, match=r"this as_completed\(\) was used already"):
            async with block:
                pass

    run(main)


def test_a_block_that_was_never_entered_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        giambio.as_completed(after, async_naturals())
        gc.collect()


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_wrong_limit_is_an_error(limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"as_completed\(\) needs a .* for limit, not"):
        giambio.as_completed(after, [0], limit=limit)


def test_a_forgotten_wait_for_the_next_result_warns(run: Run) -> None:
    async def main() -> None:
        async with giambio.as_completed(after, [0]) as results:
            with pytest.warns(RuntimeWarning, match="the next result was never awaited"):
                results.__anext__()
                gc.collect()

    run(main)


# -- against a model -------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12),
    st.one_of(st.none(), st.integers(1, 5)),
    st.one_of(st.none(), st.integers(0, 12)),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_it_agrees_with_doing_one_after_the_other(
    outcomes: list[tuple[int, bool]],
    limit: int | None,
    leave_after: int | None,
    from_async: bool,
    seed: int | None,
) -> None:
    """Each result once, as many as were asked for; nothing runs afterwards."""
    work = Work()

    async def fetch(n: int) -> int:
        steps, fails = outcomes[n]
        await work.steps(n, steps)
        if fails:
            raise ValueError(n)
        return n

    async def main() -> list[int]:
        got: list[int] = []
        items: Any = range(len(outcomes))
        async with giambio.as_completed(
            fetch, one_by_one(items) if from_async else items, limit=limit, return_exceptions=True
        ) as results:
            while leave_after is None or len(got) < leave_after:
                try:
                    result = await anext(results)
                except StopAsyncIteration:
                    break
                failed = isinstance(result, ValueError)
                got.append(result.args[0] if failed else result)  # type: ignore[union-attr,arg-type]
                assert outcomes[got[-1]][1] == failed
        assert work.running == 0
        return got

    got = giambio.run(main, seed=seed)
    assert len(got) == len(set(got))
    expected = len(outcomes) if leave_after is None else min(leave_after, len(outcomes))
    assert len(got) == expected
    assert limit is None or work.most <= limit


def test_anext_takes_a_default(run: Run) -> None:
    async def main() -> list[Any]:
        async with giambio.as_completed(giambio.sleep, [0.001, 0]) as results:
            found = [await anext(results, "none") for _ in range(3)]
            with giambio.CancelScope() as scope:
                scope.cancel()
                await anext(results, "none")
            assert scope.cancelled_caught
        return found

    assert run(main) == [None, None, "none"]
