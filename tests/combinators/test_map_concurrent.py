"""`map_concurrent`: results in the items' order, and the limit of tasks at once."""

from __future__ import annotations

import contextvars
import functools
import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giambio
from support.combinators import Work, never, one_by_one
from support.kernel import ManualClock

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


async def double(n: int) -> int:
    for _ in range(n % 5):
        await giambio.checkpoint()
    return n * 2


@pytest.mark.parametrize("limit", [None, 1, 2, 20, 100, 2**100])
def test_the_results_keep_the_order_of_the_items(run: Run, limit: int | None) -> None:
    """Rule 9.2: results in order."""

    async def main() -> Any:
        return await giambio.map_concurrent(double, range(50), limit=limit)

    assert run(main) == [2 * n for n in range(50)]


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_no_more_than_the_limit_run_at_once(run: Run, work: Work, limit: int) -> None:
    """Rule 9.4: no more than the limit run at once."""

    async def main() -> None:
        steps = functools.partial(work.steps, together=limit)
        await giambio.map_concurrent(steps, range(30), limit=limit)

    run(main)
    assert work.most == limit
    assert sorted(work.started) == list(range(30))


def test_without_a_limit_all_run_at_once(run: Run, work: Work) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:

            async def last(n: int) -> None:
                while n == 299 and not scope.cancel_called:
                    await giambio.checkpoint()
                    if work.running == 299:
                        scope.cancel()
                await work.forever(n)

            await giambio.map_concurrent(last, range(300))

    run(main)
    assert work.most == 300


def test_ten_thousand_items(run: Run) -> None:
    async def main() -> Any:
        return await giambio.map_concurrent(double, range(10_000), limit=20)

    assert run(main) == [2 * n for n in range(10_000)]


def test_of_nothing_is_an_empty_list_and_gives_way(run: Run) -> None:
    """Rule 9.12: with nothing to do it is a checkpoint all the same."""

    async def main() -> Any:
        ran: list[str] = []
        giambio.current_loop().call_soon(ran.append, "others")
        results = await giambio.map_concurrent(double, [])
        return ran, results

    assert run(main) == (["others"], [])


# -- where the items come from -------------------------------------------------------------


class Countdown:
    """An old-fashioned sequence."""

    def __getitem__(self, index: int) -> int:
        if index == 3:
            raise IndexError
        return index


class AsyncRange:
    """An async iterable whose iterators count how they end."""

    def __init__(self) -> None:
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            for n in range(1000):
                await giambio.checkpoint()
                yield n
        finally:
            self.closed += 1


@pytest.mark.parametrize(
    "items",
    [
        [0, 1, 2],
        (0, 1, 2),
        {0: "a", 1: "b", 2: "c"},
        range(3),
        iter([0, 1, 2]),
        (n for n in range(3)),
        Countdown(),
    ],
    ids=["list", "tuple", "dict", "range", "iterator", "generator", "sequence"],
)
def test_each_kind_of_iterable(items: Any) -> None:
    """Rule 9.4: `items` may be a sync or an async iterable."""

    async def main() -> Any:
        return await giambio.map_concurrent(double, items, limit=2)

    assert giambio.run(main) == [0, 2, 4]


def test_an_async_iterable(run: Run) -> None:
    """Rule 9.4: `items` may be a sync or an async iterable."""

    async def main() -> Any:
        return await giambio.map_concurrent(double, one_by_one(range(30)), limit=3)

    assert run(main) == [2 * n for n in range(30)]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_items_are_taken_no_faster_than_the_limit(run: Run, work: Work, kind: str) -> None:
    """Rule 9.4: consumed no faster than `limit`."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(20):
            assert n - len(work.ended) < 3, "taken although there was no place"
            taken.append(n)
            yield n

    async def main() -> None:
        source: Any = items() if kind == "sync" else one_by_one(items())
        steps = functools.partial(work.steps, together=3)
        await giambio.map_concurrent(steps, source, limit=3)

    run(main)
    assert taken == list(range(20))
    assert work.most == 3


def test_a_slow_source_does_not_hold_up_those_that_run(run: Run, work: Work) -> None:
    async def slow_items() -> AsyncIterator[int]:
        yield 0
        while not work.ended:
            await giambio.checkpoint()
        yield 1

    async def main() -> Any:
        return await giambio.map_concurrent(work.steps, slow_items(), limit=5)

    assert run(main) == [0, 1]


def test_an_endless_iterable_without_a_limit_does_not_starve_others(driver: str) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    def endless() -> Iterator[int]:
        n = 0
        while True:
            yield n
            n += 1

    async def main() -> None:
        with giambio.move_on_after(0.05) as scope:
            await giambio.map_concurrent(double, endless())
        assert scope.cancelled_caught

    giambio.run(main, driver=driver)


def test_an_endless_async_generator_is_closed_when_it_is_left(run: Run, work: Work) -> None:
    """Rule 9.6: leaving early cleans up."""
    closed: list[str] = []

    async def endless() -> AsyncIterator[int]:
        n = 0
        try:
            while True:
                yield n
                n += 1
        finally:
            closed.append("items")

    async def main() -> None:
        with giambio.move_on_after(0.01):
            await giambio.map_concurrent(work.forever, endless(), limit=3)
        assert closed == ["items"]
        assert work.running == 0

    run(main)
    gc.collect()


def test_an_iterator_that_was_made_for_it_is_closed(run: Run, work: Work) -> None:
    items = AsyncRange()

    async def main() -> None:
        with giambio.move_on_after(0.01):
            await giambio.map_concurrent(work.forever, items, limit=3)
        assert items.closed == 1

    run(main)


def test_an_async_iterator_of_the_users_is_not_closed(driver: str) -> None:
    """Something that is its own iterator, such as a channel, belongs to the user."""

    class Channel:
        def __init__(self) -> None:
            self.closed = False

        def __aiter__(self) -> Channel:
            return self

        async def __anext__(self) -> int:
            await giambio.checkpoint()
            return 1

        async def aclose(self) -> None:
            self.closed = True

    async def main() -> None:
        channel = Channel()
        with giambio.move_on_after(0.01):
            await giambio.map_concurrent(double, channel, limit=3)
        assert not channel.closed

    giambio.run(main, driver=driver)


def test_a_generator_that_waits_in_its_clean_up_is_waited_for(run: Run) -> None:
    """Rule 9.6: cancels and joins."""
    closed: list[str] = []

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.01)
            closed.append("items")

    async def main() -> None:
        with giambio.move_on_after(0.01):
            await giambio.map_concurrent(double, items())
        assert closed == ["items"]

    run(main)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("return_exceptions", [False, True])
def test_items_that_fail_midway_fail_it(
    run: Run, work: Work, kind: str, return_exceptions: bool
) -> None:
    """The failure of the items is not that of one of them: it is never returned."""

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("items")

    async def main() -> None:
        source: Any = items() if kind == "sync" else one_by_one(items())
        with pytest.raises(ValueError, match="items"):
            await giambio.map_concurrent(work.forever, source, return_exceptions=return_exceptions)
        assert sorted(work.cancelled) == [1, 2]

    run(main)


def test_items_that_are_cancelled_alone_are_a_failure(run: Run) -> None:
    """A part of the results is no result."""

    async def items() -> AsyncIterator[int]:
        yield 1
        giambio.current_task().cancel()
        await giambio.checkpoint()

    async def main() -> None:
        with pytest.raises(giambio.TaskCancelled, match=r"items of map_concurrent\(\)"):
            await giambio.map_concurrent(double, items(), return_exceptions=True)

    run(main)


def test_the_items_run_in_a_copy_of_the_callers_context(run: Run) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def items() -> AsyncIterator[str]:
        yield variable.get()
        variable.set("items")
        yield variable.get()

    async def read(item: str) -> tuple[str, str]:
        return item, variable.get()

    async def main() -> Any:
        variable.set("caller")
        results = await giambio.map_concurrent(read, items())
        return results, variable.get()

    assert run(main) == ([("caller", "caller"), ("items", "caller")], "caller")


# -- failures ---------------------------------------------------------------------------


def test_a_function_that_fails_at_once_ends_it(run: Run) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(10_000):
            taken.append(n)
            yield n

    async def broken(n: int) -> None:
        raise ValueError(n)

    async def main() -> None:
        with pytest.raises((ValueError, ExceptionGroup)):
            await giambio.map_concurrent(broken, items(), limit=3)

    run(main)
    assert len(taken) <= 6


def test_exceptions_are_returned_in_their_places(run: Run) -> None:
    """Rule 9.8: one bad page need not end a scrape."""

    async def fetch(n: int) -> int:
        await giambio.checkpoint()
        if n % 3 == 0:
            raise ValueError(n)
        return n

    async def main() -> Any:
        return await giambio.map_concurrent(fetch, range(8), limit=2, return_exceptions=True)

    results = run(main)
    assert [repr(result) for result in results] == [
        "ValueError(0)", "1", "2", "ValueError(3)", "4", "5", "ValueError(6)", "7"
    ]  # fmt: skip


def test_a_returned_exception_frees_its_place(run: Run) -> None:
    async def fail(n: int) -> None:
        raise ValueError(n)

    async def main() -> Any:
        return await giambio.map_concurrent(fail, range(100), limit=1, return_exceptions=True)

    assert [error.args for error in run(main)] == [(n,) for n in range(100)]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_base_exception_is_never_returned(run: Run, kind: type[BaseException]) -> None:
    """Rule 9.9: ordinary exceptions only."""

    async def fail(n: int) -> None:
        raise kind

    async def main() -> None:
        with pytest.raises(kind):
            await giambio.map_concurrent(fail, range(100), limit=1, return_exceptions=True)

    run(main)


def test_one_that_was_cancelled_alone_has_no_result(run: Run) -> None:
    async def fetch(n: int) -> int:
        if n == 1:
            giambio.current_task().cancel()
        await giambio.checkpoint()
        return n

    async def main() -> Any:
        with pytest.raises(giambio.TaskCancelled):
            await giambio.map_concurrent(fetch, range(3))
        return await giambio.map_concurrent(fetch, range(3), return_exceptions=True)

    first, second, third = run(main)
    assert (first, third) == (0, 2)
    assert isinstance(second, giambio.TaskCancelled)


# -- misuse -----------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_an_error(limit: int) -> None:
    with pytest.raises(
        ValueError, match=r"map_concurrent\(\) needs a number from 1 up for limit, not"
    ):
        giambio.map_concurrent(double, [1], limit=limit)


@pytest.mark.parametrize("limit", [1.5, "2", True, [1]])
def test_a_limit_that_is_no_whole_number_is_an_error(limit: Any) -> None:
    with pytest.raises(TypeError, match=r"map_concurrent\(\) needs a whole number for limit, not"):
        giambio.map_concurrent(double, [1], limit=limit)


@pytest.mark.parametrize("items", [5, None, object()])
def test_what_cannot_be_iterated_over_is_refused(items: Any) -> None:
    with pytest.raises(TypeError, match="needs an iterable or an async iterable of items"):
        giambio.map_concurrent(double, items)


def test_items_that_must_be_awaited_first_are_closed(run: Run) -> None:
    """Rules 9.7, 19.4: the error names the mistake and the fix."""

    async def main() -> None:
        with pytest.raises(TypeError, match="await it first"):
            await giambio.map_concurrent(double, never())
        gc.collect()

    run(main)


def test_what_is_no_function_is_refused_with_an_example(run: Run) -> None:
    """Rule 19.4: the error names the mistake and the fix."""

    async def main() -> None:
        match = r"write `await giambio.map_concurrent\(fetch, urls, limit=20\)`"
        with pytest.raises(TypeError, match=match):
            await giambio.map_concurrent([never(), never()], [1])  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=match):
            await giambio.map_concurrent(never(), [1])
        with pytest.raises(TypeError, match=match):
            await giambio.map_concurrent([1, 2], double)  # type: ignore[call-overload]
        gc.collect()

    run(main)


def test_forgotten_it_warns_and_takes_no_item(run: Run) -> None:
    """Rule 3.13: an operation that was never awaited warns."""

    def items() -> Iterator[int]:
        raise AssertionError("must not be taken")
        yield

    async def main() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            giambio.map_concurrent(double, items())
            gc.collect()
        assert [str(one.message) for one in caught] == ["map_concurrent() was never awaited"]

    run(main)


def test_cancelled_before_it_began_it_takes_no_item(run: Run) -> None:
    """Rules 9.7, 4.2: a pending cancellation raises, and nothing was done."""

    def items() -> Iterator[int]:
        raise AssertionError("must not be taken")
        yield

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.map_concurrent(double, items())
        assert scope.cancelled_caught

    run(main)


def test_the_tasks_are_called_after_the_function(run: Run) -> None:
    names: list[str] = []

    async def fetch(n: int) -> None:
        names.append(giambio.current_task().name)

    async def main() -> None:
        await giambio.map_concurrent(fetch, range(2))

    run(main)
    assert [name.rpartition(".")[2] for name in names] == ["fetch", "fetch"]


def test_the_task_tree_says_what_the_items_wait_for(run: Run) -> None:
    """Rule 18.3: also where the items come from."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.map_concurrent, lambda _: giambio.sleep_forever(), range(5))
            manager.cancel()

        async with giambio.TaskManager() as manager:
            manager.start_soon(one_at_a_time)
            await giambio.sleep(0.01)
            tree = giambio.format_task_tree()
            manager.cancel()
        assert "items of map_concurrent() (" in tree
        assert "waits for a place within the limit on <giambio.map_concurrent(), 2 running>" in tree
        assert "waits for map_concurrent() on <giambio.map_concurrent(), 2 running>" in tree

    async def one_at_a_time() -> None:
        await giambio.map_concurrent(lambda _: giambio.sleep_forever(), range(5), limit=1)

    run(main)


# -- against a model -------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12),
    st.one_of(st.none(), st.integers(1, 5)),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_it_agrees_with_doing_one_after_the_other(
    outcomes: list[tuple[int, bool]],
    limit: int | None,
    return_exceptions: bool,
    from_async: bool,
    seed: int | None,
) -> None:
    """Results are those of a sequential run; the limit holds; whatever began has ended."""
    errors = [ValueError(n) for n in range(len(outcomes))]
    work = Work()

    async def fetch(n: int) -> int:
        steps, fails = outcomes[n]
        await work.steps(n, steps)
        if fails:
            raise errors[n]
        return n

    async def main() -> Any:
        items: Any = range(len(outcomes))
        return await giambio.map_concurrent(
            fetch,
            one_by_one(items) if from_async else items,
            limit=limit,
            return_exceptions=return_exceptions,
        )

    failing = {n for n, (_, fails) in enumerate(outcomes) if fails}
    if failing and not return_exceptions:
        with pytest.raises((ValueError, ExceptionGroup)) as caught:
            giambio.run(main, seed=seed)
        raised = getattr(caught.value, "exceptions", (caught.value,))
        assert set(raised) <= {errors[n] for n in failing}
    else:
        expected = [errors[n] if n in failing else n for n in range(len(outcomes))]
        assert giambio.run(main, seed=seed) == expected
    assert work.running == 0
    assert limit is None or work.most <= limit
