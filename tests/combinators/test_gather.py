"""`gather`: results in order, valid and invalid targets."""

from __future__ import annotations

import contextvars
import functools
import gc
import warnings
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.combinators import Work, fail, fail_when_cancelled, never
from support.kernel import ManualClock
from support.sync import outcome_of, settled

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


# -- what may be given -------------------------------------------------------------------


class Awaited:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[Any, Any, str]:
        yield from giambio.checkpoint().__await__()
        return "awaited"


class Method:
    async def method(self) -> str:
        return "method"

    async def __call__(self) -> str:
        return "object"


def test_each_kind_of_awaitable_and_function(run: Run) -> None:
    """Rule 9.1: any awaitable, async function or Task."""

    async def function() -> str:
        return "function"

    async def main() -> list[Any]:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(after, 5, "task")
            return await giambio.gather(
                after(1, "coroutine"),
                function,
                Awaited(),
                task,
                functools.partial(after, 2, "partial"),
                Method().method,
                Method(),
                lambda: after(1, "lambda"),
                giambio.sleep(0),
                giambio.gather(after(1, "nested")),
            )

    assert run(main) == [
        "coroutine",
        "function",
        "awaited",
        "task",
        "partial",
        "method",
        "object",
        "lambda",
        None,
        ["nested"],
    ]


def test_the_result_is_a_list_in_the_order_given(run: Run) -> None:
    """Rule 9.1: a list, as asyncio's."""

    async def main() -> Any:
        return await giambio.gather(*(after(9 - n, n) for n in range(10)))

    assert run(main) == list(range(10))


def test_of_nothing_is_an_empty_list_and_a_checkpoint(run: Run) -> None:
    """Rule 9.12: with nothing to do it is a checkpoint all the same."""

    async def main() -> Any:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.gather()
            pytest.fail("not reached")
        ran = []
        giambio.current_loop().call_soon(ran.append, "others")
        results = await giambio.gather()
        return ran, results

    assert run(main) == (["others"], [])


def test_ten_thousand(run: Run) -> None:
    async def main() -> Any:
        return await giambio.gather(*(after(n % 5, n) for n in range(10_000)))

    assert run(main) == list(range(10_000))


def test_a_list_is_refused_with_advice_and_closed(run: Run) -> None:
    """Rule 9.11: names the mistake and the fix."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"one by one, not \[.*; write gather\(\*them\)"):
            await giambio.gather([never(), never()])  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=r"takes awaitables and async functions"):
            await giambio.gather(never(), 5)  # type: ignore[call-overload]
        gc.collect()

    run(main)


def test_a_mistake_is_found_before_anything_runs(run: Run) -> None:
    """Rule 9.7: closes coroutines that never started."""

    def broken() -> Any:
        raise KeyError("broken")

    async def main() -> None:
        with pytest.raises(KeyError, match="broken"):
            await giambio.gather(never(), never, broken, never())
        with pytest.raises(TypeError, match="cannot be awaited"):
            await giambio.gather(never(), lambda: 5, never())  # type: ignore[arg-type,return-value]
        gc.collect()

    run(main)


def test_the_same_coroutine_twice_is_refused(run: Run) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        coro = never()
        with pytest.raises(RuntimeError, match="the same coroutine twice"):
            await giambio.gather(coro, coro)

    run(main)


def test_a_running_coroutine_is_refused(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            gate = giambio.Event()
            coro = outcome_of(gate.wait())
            await manager.spawn(coro)
            await settled()
            with pytest.raises(RuntimeError, match="is already running"):
                await giambio.gather(coro, never())
            gate.set()

    run(main)


def test_the_task_that_waits_is_refused(run: Run) -> None:
    """Rule 8.16: awaiting oneself is an error."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="the task that awaits it"):
            await giambio.gather(never(), giambio.current_task())

    run(main)


# -- forgotten, cancelled before it began ---------------------------------------------------


def test_forgotten_it_warns_once_and_closes_what_it_was_given(run: Run) -> None:
    """Rules 9.7, 7.5: it warns once, and closes its coroutines."""

    async def main() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            giambio.gather(never(), never(), giambio.sleep(1), giambio.gather(never()))
            gc.collect()
        assert [str(warning.message) for warning in caught] == ["gather() was never awaited"]

    run(main)


def test_forgotten_outside_of_a_loop(driver: str) -> None:
    with pytest.warns(RuntimeWarning, match=r"gather\(\) was never awaited"):
        giambio.gather(never())
        gc.collect()


def test_cancelled_before_it_began_nothing_runs_and_all_is_closed(run: Run) -> None:
    """Rules 9.7, 4.2: a pending cancellation raises, and nothing was done."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.gather(never(), never(), giambio.gather(never()))
        assert scope.cancelled_caught
        gc.collect()

    run(main)


# -- Tasks ------------------------------------------------------------------------------


def test_a_task_is_joined_and_not_cancelled_with_the_caller(run: Run) -> None:
    """Rule 9.10: a Task passed in is joined, never cancelled by them."""

    async def main() -> Any:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(after, 20, "done")
            with giambio.CancelScope() as scope:
                giambio.current_loop().call_soon(scope.cancel)
                await giambio.gather(task, giambio.sleep_forever)
            assert scope.cancelled_caught
            assert not task.done()
            return await task

    assert run(main) == "done"


def test_a_task_is_not_cancelled_with_a_failing_sibling(run: Run) -> None:
    """Rule 9.10: a Task passed in is joined, never cancelled by them."""

    async def main() -> Any:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(after, 20, "done")
            with pytest.raises(ValueError, match="x"):
                await giambio.gather(task, fail(ValueError("x"), 2))
            assert not task.done()
            return await task

    assert run(main) == "done"


def test_tasks_that_have_ended_and_the_same_task_twice(run: Run) -> None:
    async def main() -> Any:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(after, 0, "done")
        return await giambio.gather(task, task)

    assert run(main) == ["done", "done"]


def test_a_cancelled_task_raises_task_cancelled(run: Run) -> None:
    """Rule 8.13: `TaskCancelled` (an ordinary exception) when it was cancelled."""

    async def main() -> Any:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            task.cancel()
            with pytest.raises(giambio.TaskCancelled):
                await giambio.gather(after(1, "x"), task)
            return await giambio.gather(after(1, "x"), task, return_exceptions=True)

    result, error = run(main)
    assert result == "x"
    assert isinstance(error, giambio.TaskCancelled)


def test_a_failed_task_fails_it_with_the_very_same_exception(run: Run) -> None:
    """Rule 8.8: a failure that arrives by two ways is reported once."""
    error = ValueError("x")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(fail, error, 2)
            await giambio.gather(task, giambio.sleep_forever)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert caught.value is error


def test_a_task_that_waits_for_a_task_is_called_so(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever, name="sleeper")
            manager.start_soon(giambio.gather, task)
            await wait_all_tasks_blocked()
            tree = giambio.format_task_tree()
            manager.cancel()
            assert "join of sleeper" in tree

    run(main)


# -- one that is cancelled by itself ---------------------------------------------------------


def cancels_itself() -> Any:
    async def cancel() -> None:
        giambio.current_task().cancel()
        await giambio.checkpoint()

    return cancel


def test_one_that_was_cancelled_alone_fails_it(run: Run) -> None:
    """A missing result is not None: the others are cancelled, and it says so."""
    work = Work()

    async def main() -> None:
        with pytest.raises(giambio.TaskCancelled, match="was cancelled, so it has no result"):
            await giambio.gather(cancels_itself(), work.forever)
        assert work.running == 0
        assert work.cancelled == [None]

    run(main)


# -- return_exceptions -----------------------------------------------------------------------


def test_exceptions_are_returned_in_their_places(run: Run) -> None:
    """Rule 9.8: one bad page need not end a scrape."""
    first, second = ValueError("first"), OSError("second")

    async def main() -> Any:
        return await giambio.gather(
            after(3, 1), fail(first, 1), after(5, 2), fail(second), return_exceptions=True
        )

    assert run(main) == [1, first, 2, second]


def test_a_returned_exception_has_its_own_traceback(run: Run) -> None:
    async def main() -> Any:
        (error,) = await giambio.gather(fail(ValueError("x"), 1), return_exceptions=True)
        assert isinstance(error, ValueError)
        traceback = error.__traceback__
        assert traceback is not None
        assert traceback.tb_frame.f_code.co_name == "fail"
        assert error.__context__ is None

    run(main)


def test_a_returned_group_is_returned_whole(run: Run) -> None:
    group = ExceptionGroup("some", [ValueError(1), ValueError(2)])

    async def main() -> Any:
        return await giambio.gather(fail(group), return_exceptions=True)

    assert run(main) == [group]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_base_exception_is_never_returned(run: Run, kind: type[BaseException]) -> None:
    """Rule 9.9: ordinary exceptions only."""

    async def main() -> None:
        with pytest.raises(kind):
            await giambio.gather(fail(kind(), 1), giambio.sleep_forever, return_exceptions=True)

    run(main)


def test_a_cancellation_from_outside_is_never_returned(run: Run) -> None:
    """Rule 9.9: a cancellation is never returned."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_later(0.01, scope.cancel)
            await giambio.gather(
                fail(ValueError("x")), giambio.sleep_forever, return_exceptions=True
            )
            pytest.fail("not reached")
        assert scope.cancelled_caught

    run(main)


async def swallow_and_fail(error: Exception) -> None:
    with suppress(giambio.CancelledError):
        await giambio.sleep_forever()
    raise error


async def fail_below_when_cancelled(error: Exception) -> None:
    async with giambio.TaskManager() as manager:
        await manager.spawn(fail_when_cancelled, error)


@pytest.mark.parametrize(
    "child", [fail_when_cancelled, swallow_and_fail, fail_below_when_cancelled]
)
def test_what_is_raised_in_the_clean_up_is_raised(run: Run, child: Any) -> None:
    """Rule 8.10: nobody would see the results, so it is raised."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_later(0.01, scope.cancel)
            with pytest.raises(ValueError, match="clean-up"):
                await giambio.gather(child(ValueError("clean-up")), return_exceptions=True)
        assert not scope.cancelled_caught

    run(main)


def test_a_failure_in_the_turn_of_the_cancellation_is_an_ordinary_one(run: Run) -> None:
    """It has nothing to do with it, so it would have been returned."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            await giambio.gather(
                fail(ValueError("x")), giambio.sleep_forever, return_exceptions=True
            )
            pytest.fail("not reached")
        assert scope.cancelled_caught

    run(main)


def test_one_that_was_cancelled_alone_is_returned_as_task_cancelled(run: Run) -> None:
    async def main() -> Any:
        return await giambio.gather(cancels_itself(), after(5, 1), return_exceptions=True)

    error, result = run(main)
    assert isinstance(error, giambio.TaskCancelled)
    assert result == 1


def test_a_mixed_group_of_failure_and_cancellation_is_not_returned(run: Run) -> None:
    """Rule 9.9: a cancellation is never returned, also not inside of a group."""

    async def mixed() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await giambio.checkpoint()
            except giambio.CancelledError as exc:
                cancelled = exc
        raise BaseExceptionGroup("mixed", [cancelled, ValueError("x")])

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await giambio.gather(mixed(), return_exceptions=True)
        assert [repr(exc) for exc in caught.value.exceptions] == ["ValueError('x')"]

    run(main)


def test_a_misspelt_keyword_is_an_error() -> None:
    with pytest.raises(TypeError):
        giambio.gather(return_exception=True)  # type: ignore[call-overload]


# -- when it meets a cancellation ------------------------------------------------------------


def test_results_that_are_complete_are_kept_when_a_cancellation_arrives(run: Run) -> None:
    """Rule 5.3: what transferred something keeps its result."""

    async def main() -> Any:
        with giambio.CancelScope() as scope:

            async def last() -> str:
                await giambio.checkpoint()
                scope.cancel()
                return "last"

            results = await giambio.gather(after(0, "first"), last)
            await giambio.checkpoint()
            pytest.fail("not reached")
        return results, scope.cancelled_caught

    assert run(main) == (["first", "last"], True)


def test_the_context_is_copied_at_the_call(run: Run) -> None:
    """Rule 7.11: `spawn` copies the spawner's context at the call."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def read() -> str:
        return variable.get()

    async def main() -> Any:
        variable.set("at the call")
        operation = giambio.gather(read, read)
        variable.set("at the await")
        return await operation

    assert run(main) == ["at the call", "at the call"]


# -- against a model -------------------------------------------------------------------------

OUTCOME = st.one_of(
    st.tuples(st.integers(0, 4), st.just("return")), st.tuples(st.integers(0, 4), st.just("raise"))
)


@settings(max_examples=200, deadline=None)
@given(st.lists(OUTCOME, max_size=8), st.booleans(), st.one_of(st.none(), st.integers(0, 5)))
def test_it_agrees_with_doing_one_after_the_other(
    outcomes: list[tuple[int, str]], return_exceptions: bool, seed: int | None
) -> None:
    """Results and returned exceptions are those of a sequential run, in their places."""
    errors = [ValueError(n) for n in range(len(outcomes))]
    ended: list[int] = []

    async def work(n: int) -> int:
        steps, how = outcomes[n]
        try:
            await turns_that_can_be_cancelled(steps)
            if how == "raise":
                raise errors[n]
            return n
        finally:
            ended.append(n)

    async def main() -> Any:
        return await giambio.gather(
            *(work(n) for n in range(len(outcomes))), return_exceptions=return_exceptions
        )

    failing = [n for n, (_, how) in enumerate(outcomes) if how == "raise"]
    if failing and not return_exceptions:
        with pytest.raises((ValueError, ExceptionGroup)) as caught:
            giambio.run(main, seed=seed)
        raised = getattr(caught.value, "exceptions", (caught.value,))
        assert set(raised) <= {errors[n] for n in failing}
    else:
        expected = [errors[n] if n in failing else n for n in range(len(outcomes))]
        assert giambio.run(main, seed=seed) == expected
    assert sorted(ended) == list(range(len(outcomes)))


async def turns_that_can_be_cancelled(count: int) -> None:
    for _ in range(count):
        await giambio.checkpoint()
