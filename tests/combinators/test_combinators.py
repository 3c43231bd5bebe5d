"""The common behaviour of `gather`, `race`, `map_concurrent` and `as_completed`.

However one of them ends, its tasks have ended before; failures are raised as by a
`TaskManager`; and tracebacks have no frames between the user's.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import sys
import traceback
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import giambio
from support.combinators import WAYS, Way, Work, call, fail, fail_when_cancelled, one_by_one
from support.kernel import ManualClock, turns

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait: no test depends on how fast it is."""
    return functools.partial(run, clock=ManualClock())


#: Those that return what all of the tasks have returned.
COLLECTING = [name for name in WAYS if name != "race"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each of the helpers in turn."""
    return WAYS[request.param]


@pytest.fixture
def work() -> Iterator[Work]:
    """Tasks that are counted: none of them is left over at the end."""
    work = Work()
    yield work
    assert work.running == 0


# -- results ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLLECTING)
def test_all_results_are_there(run: Run, name: str) -> None:
    async def value(n: int) -> int:
        await giambio.sleep(0.001 * (3 - n))
        return n

    async def main() -> list[int]:
        return list(await WAYS[name](*(functools.partial(value, n) for n in range(3))))

    results = run(main)
    assert sorted(results) == [0, 1, 2]
    assert name == "as_completed" or results == [0, 1, 2]


def test_they_run_beside_each_other(run: Run, way: Way) -> None:
    """Rule 9.1: both run concurrently."""

    async def meet(mine: giambio.Event, other: giambio.Event) -> None:
        mine.set()
        await other.wait()

    async def main() -> None:
        first, second = giambio.Event(), giambio.Event()
        await way(lambda: meet(first, second), lambda: meet(second, first))

    run(main)


def test_the_tasks_are_children_of_the_caller(run: Run, way: Way) -> None:
    """Rule 9.5: structured; the children are in the task tree."""
    parents = []

    async def child() -> None:
        parents.append(giambio.current_task().parent)
        await turns(3)

    async def main() -> None:
        await way(child, child)
        assert parents[0] is giambio.current_task()
        assert set(parents) == {giambio.current_task()}

    run(main)


def test_the_task_tree_says_who_waits_for_what(run: Run, way: Way) -> None:
    """Rule 18.2: live, from inside; user frames only."""
    texts: list[str] = []

    async def child() -> None:
        await turns(5)
        texts.append(giambio.format_task_tree())

    async def main() -> None:
        await way(child)

    run(main)
    assert "main (1) waits for " in texts[0]
    assert "child" in texts[0]
    assert "/giambio/combinators/" not in texts[0]


def test_each_task_has_a_copy_of_the_callers_context(run: Run, way: Way) -> None:
    """Rules 7.11, 9.5: each task runs in a copy of the caller's context."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen = []

    async def child() -> None:
        seen.append(variable.get())
        variable.set("child")
        await turns(3)

    async def main() -> None:
        variable.set("caller")
        await way(child, child)
        assert variable.get() == "caller"

    run(main)
    assert seen == ["caller", "caller"]


def test_they_can_be_nested(run: Run, way: Way) -> None:
    async def leaf() -> int:
        await giambio.checkpoint()
        return 1

    async def branch() -> Any:
        return await way(leaf, leaf)

    async def main() -> Any:
        return await way(branch, branch)

    assert run(main) in ([[1, 1], [1, 1]], 1)


# -- failures ---------------------------------------------------------------------------


def test_one_failure_is_raised_as_itself_and_the_others_are_joined(
    run: Run, way: Way, work: Work
) -> None:
    """Rules 8.3, 9.6: one failure leaves as itself, when the others are joined."""
    error = ValueError("x")

    async def main() -> None:
        with pytest.raises(ValueError, match="x") as caught:
            await way(work.forever, lambda: work.fail_beside(2, error), work.forever)
        assert caught.value is error
        assert work.running == 0
        assert len(work.cancelled) == 2

    run(main)


def test_the_others_are_told_why_they_are_cancelled(run: Run, way: Way) -> None:
    reasons: list[str] = []

    async def ask() -> None:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError as exc:
            reasons.append(str(exc.reason))
            raise

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            await way(ask, lambda: fail(ValueError("x"), 2))

    run(main)
    assert len(reasons) == 1
    assert "has failed" in reasons[0]


def test_several_failures_are_raised_as_a_group(run: Run, way: Way) -> None:
    """Rule 8.4: several as an `ExceptionGroup`."""
    errors = ValueError("first"), KeyError("clean-up")

    async def main() -> None:
        with pytest.raises(ExceptionGroup, match=r"several tasks of \w+\(\) failed") as caught:
            await way(lambda: fail_when_cancelled(errors[1]), lambda: fail(errors[0], 2))
        assert set(caught.value.exceptions) == set(errors)

    run(main)


def test_strict_raises_a_group_for_one_as_well(driver: str, way: Way) -> None:
    """Rule 8.9: `strict=None` inherits from `run(strict=…)`."""

    async def main() -> None:
        with pytest.raises(ExceptionGroup, match=r"a task of \w+\(\) failed") as caught:
            await way(lambda: fail(ValueError("x")))
        assert str(caught.value.exceptions[0]) == "x"

    giambio.run(main, strict=True, driver=driver)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_base_exception_is_raised_as_itself(
    run: Run, way: Way, work: Work, kind: type[BaseException]
) -> None:
    """Rule 8.5: `KeyboardInterrupt` or `SystemExit`."""

    async def main() -> None:
        with pytest.raises(kind):
            await way(work.forever, lambda: fail(kind(), 2))
        assert work.running == 0

    run(main)


def test_a_failure_that_arrives_twice_is_raised_once(run: Run, way: Way) -> None:
    """Rule 8.8: duplicates are found by identity."""
    error = ValueError("x")

    async def main() -> None:
        with pytest.raises(ValueError, match="x") as caught:
            await way(lambda: fail(error), lambda: fail(error))
        assert caught.value is error

    run(main)


def test_a_stray_cancellation_is_a_runtime_error(run: Run, way: Way) -> None:
    """Rule 5.19: a `CancelledError` in no cancelled scope is a `RuntimeError`."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="none of its scopes was cancelled"):
            await way(lambda: fail(giambio.CancelledError()))

    run(main)


# -- tracebacks, contexts and causes ------------------------------------------------------


async def deeper() -> None:
    await giambio.checkpoint()
    raise ValueError("x")


async def child() -> None:
    await deeper()


def names_of(exc: BaseException) -> list[tuple[str, str]]:
    """Module and function of each frame from `main` on."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    names = [(str(frame.f_globals["__name__"]), frame.f_code.co_name) for frame in frames]
    return names[names.index((__name__, "main")) :]


async def direct_gather() -> None:
    await giambio.gather(child, giambio.sleep_forever)


async def direct_race() -> None:
    await giambio.race(child, giambio.sleep_forever)


async def direct_map() -> None:
    await giambio.map_concurrent(call, [child, giambio.sleep_forever])


async def direct_async_map() -> None:
    await giambio.map_concurrent(call, one_by_one([child, giambio.sleep_forever]))


async def direct_as_completed() -> None:
    async with giambio.as_completed(call, [child, giambio.sleep_forever]) as results:
        async for _ in results:
            pass


DIRECT = [direct_gather, direct_race, direct_map, direct_async_map, direct_as_completed]


@pytest.mark.parametrize("direct", DIRECT)
@pytest.mark.parametrize("handling", [False, True], ids=["plain", "in an except clause"])
def test_the_traceback_goes_from_the_await_to_the_childs_frames(
    run: Run, direct: Callable[[], Awaitable[None]], handling: bool
) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> None:
        if not handling:
            await direct()
        try:
            raise OSError("handled")
        except OSError:
            await direct()

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    names = names_of(caught.value)
    assert [name for name in names if name != ("support.combinators", "call")] == [
        (__name__, "main"),
        (__name__, direct.__name__),
        (__name__, "child"),
        (__name__, "deeper"),
    ]


def test_the_traceback_of_failing_items_is_the_users(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("items")

    async def async_items() -> Any:
        yield 1
        raise ValueError("items")

    async def nothing(item: int) -> None:
        pass

    async def main() -> list[list[tuple[str, str]]]:
        names = []
        for kind in items, async_items:
            try:
                await giambio.map_concurrent(nothing, kind())
            except ValueError as exc:
                names.append(names_of(exc))
        return names

    assert run(main) == [
        [(__name__, "main"), (__name__, "items")],
        [(__name__, "main"), (__name__, "async_items")],
    ]


def test_the_cancellation_is_raised_at_the_await(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> list[list[tuple[str, str]]]:
        names = []
        for make in (
            lambda: giambio.gather(giambio.sleep_forever),
            lambda: giambio.race(giambio.sleep_forever),
            lambda: giambio.map_concurrent(lambda _: giambio.sleep_forever(), [1]),
        ):
            with giambio.move_on_after(0.01):
                try:
                    await make()
                except giambio.CancelledError as exc:
                    names.append(names_of(exc))
                    raise
        return names

    assert run(main) == [[(__name__, "main")]] * 3


async def fail_with_context() -> None:
    try:
        raise KeyError("own context")
    except KeyError:
        raise ValueError("x")  # noqa: B904


async def fail_with_cause() -> None:
    raise ValueError("x") from KeyError("own cause")


@pytest.mark.parametrize("handling", [False, True], ids=["plain", "in an except clause"])
def test_a_failure_keeps_its_own_context(run: Run, way: Way, handling: bool) -> None:
    """Rule 8.18: `__context__` and `__cause__` right."""

    async def main() -> None:
        if not handling:
            await way(fail_with_context, giambio.sleep_forever)
        try:
            raise OSError("handled")
        except OSError:
            await way(fail_with_context, giambio.sleep_forever)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__context__) == "KeyError('own context')"


@pytest.mark.parametrize("handling", [False, True], ids=["plain", "in an except clause"])
def test_a_failure_keeps_its_cause(run: Run, way: Way, handling: bool) -> None:
    """Rule 8.18: `__context__` and `__cause__` right."""

    async def main() -> None:
        if not handling:
            await way(fail_with_cause, giambio.sleep_forever)
        try:
            raise OSError("handled")
        except OSError:
            await way(fail_with_cause, giambio.sleep_forever)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__cause__) == "KeyError('own cause')"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["gather", "race", "map_concurrent"])
def test_without_a_context_of_its_own_it_gets_what_is_being_handled(run: Run, name: str) -> None:
    """Rule 8.18: as with any other await in an except clause."""

    async def main() -> None:
        try:
            raise OSError("handled")
        except OSError:
            if name == "gather":
                await giambio.gather(child)
            elif name == "race":
                await giambio.race(child)
            else:
                await giambio.map_concurrent(lambda _: child(), [1])

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__context__) == "OSError('handled')"


def test_outside_of_an_except_clause_there_is_no_context(run: Run, way: Way) -> None:
    async def main() -> None:
        await way(child, giambio.sleep_forever)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert caught.value.__context__ is None


@pytest.mark.usefixtures("no_collector")
def test_no_reference_cycle_keeps_a_frame_after_an_error(run: Run, way: Way) -> None:
    """Rule 8.19: no reference cycle that keeps a frame alive after an error."""

    class Witness:
        pass

    alive: list[weakref.ref[Witness]] = []

    async def failing() -> None:
        witness = Witness()
        alive.append(weakref.ref(witness))
        await turns(2)
        raise ValueError("x")

    async def waiting() -> None:
        witness = Witness()
        alive.append(weakref.ref(witness))
        await giambio.sleep_forever()

    async def main() -> None:
        try:
            await way(failing, waiting)
        except ValueError:
            pass
        await turns(2)
        assert {reference() for reference in alive} == {None}  # one may not have begun

    run(main)


# -- cancellation ------------------------------------------------------------------------


def test_a_cancellation_from_outside_cancels_joins_and_is_raised(
    run: Run, way: Way, work: Work
) -> None:
    """Rule 9.6: leaving them early, by any way, cancels and joins."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_later(0.01, scope.cancel, "enough")
            try:
                await way(work.forever, work.forever)
            except giambio.CancelledError as exc:
                assert exc.reason == "enough"
                assert work.running == 0
                raise
            pytest.fail("not reached")
        assert scope.cancelled_caught
        assert len(work.cancelled) == 2

    run(main)


def test_a_deadline_cancels_and_joins(run: Run, way: Way, work: Work) -> None:
    """Rule 9.6: by a deadline."""

    async def main() -> None:
        with pytest.raises(TimeoutError), giambio.fail_after(0.01):
            await way(work.forever, work.forever)
        assert work.running == 0

    run(main)


def test_cancelling_the_calling_task_cancels_and_joins(run: Run, way: Way, work: Work) -> None:
    """Rule 9.6: by cancelling the task."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(way, work.forever, work.forever)
            while work.running < 2:
                await giambio.checkpoint()
            task.cancel()
            with pytest.raises(giambio.TaskCancelled):
                await task
            assert work.running == 0

    run(main)


def test_a_slow_clean_up_is_waited_for(run: Run, way: Way) -> None:
    """Rule 9.6: cancels and joins what they started."""
    done: list[str] = []

    async def slow() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.02)
            done.append("cleaned up")

    async def main() -> None:
        with giambio.move_on_after(0.01):
            await way(slow)
        assert done == ["cleaned up"]

    run(main)


def test_in_a_cancelled_scope_it_raises(run: Run, way: Way) -> None:
    """Rule 4.2: a pending cancellation raises."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await way(giambio.sleep_forever)
            pytest.fail("not reached")
        assert scope.cancelled_caught

    run(main)


def test_a_failure_in_the_clean_up_is_not_lost(run: Run, way: Way) -> None:
    """Rules 8.6, 8.10: a failure in a clean-up is not dropped with the cancellation."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_later(0.01, scope.cancel)
            with pytest.raises(ValueError, match="clean-up"):
                await way(lambda: fail_when_cancelled(ValueError("clean-up")))

    run(main)


def test_a_shield_around_keeps_cancellations_out(run: Run, way: Way) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer:
            outer.cancel()
            with giambio.CancelScope(shield=True):
                assert await way(lambda: turns(3)) in ([None], None)
            await giambio.checkpoint()
        assert outer.cancelled_caught

    run(main)


@pytest.mark.parametrize("name", ["gather", "map_concurrent"])
@pytest.mark.usefixtures("in_turn")
def test_a_shield_that_goes_up_afterwards_does_not_invent_results(run: Run, name: str) -> None:
    """What was cancelled has no result, although nobody is cancelled any more."""

    async def main() -> None:
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:

            async def shield_up() -> None:
                try:
                    await giambio.sleep_forever()
                except giambio.CancelledError:
                    inner.shield = True

            giambio.current_loop().call_later(0.01, outer.cancel)
            with pytest.raises(giambio.TaskCancelled, match="its tasks were cancelled"):
                await WAYS[name](giambio.sleep_forever, shield_up)

    run(main)


# -- interrupts and ends from outside ----------------------------------------------------


def test_an_exception_from_a_callback_ends_it(run: Run, way: Way, work: Work) -> None:
    """Rule 1.12: an exception from a plain callback is raised into the main task."""

    def broken() -> None:
        raise KeyError("callback")

    async def main() -> None:
        giambio.current_loop().call_later(0.01, broken)
        with pytest.raises(KeyError, match="callback"):
            await way(work.forever, work.forever)
        assert work.running == 0

    run(main)


def test_ctrl_c_ends_it(run: Run, way: Way, work: Work) -> None:
    """Rule 12.4: the first SIGINT cancels the main task."""
    import signal

    async def main() -> None:
        giambio.current_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)
        try:
            await way(work.forever, work.forever)
        finally:
            assert work.running == 0

    with pytest.raises(KeyboardInterrupt):
        run(main)


def test_when_the_loop_is_interrupted_everything_is_closed(
    loop: giambio.EventLoop, way: Way, work: Work
) -> None:
    """Rule 12.6: children are closed first, nothing warns."""
    closed: list[str] = []

    async def interrupts() -> None:
        await turns(5)
        loop._stop_between_steps(KeyboardInterrupt())
        try:
            await giambio.sleep_forever()
        finally:
            closed.append("child")

    async def main() -> None:
        try:
            await way(work.forever, interrupts)
        finally:
            closed.append("main")

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    assert closed == ["child", "main"]


def test_what_never_had_its_turn_is_closed_with_its_task(loop: giambio.EventLoop) -> None:
    """Rule 9.7: closes coroutines that never started.

    The task has used up its budget, so its await waits for the next turn; but none comes.
    """

    async def must_not_run() -> None:
        raise AssertionError("must not run")

    async def main() -> None:
        event = giambio.Event()
        event.set()
        for _ in range(1000):
            if giambio.current_loop()._budget <= 0:
                break
            await event.wait()
        loop._stop_between_steps(KeyboardInterrupt())
        await giambio.gather(must_not_run(), must_not_run())

    with pytest.raises(KeyboardInterrupt), warnings.catch_warnings():
        warnings.simplefilter("error")
        loop.start(main)
        gc.collect()


def test_deadlocked_tasks_are_named(run: Run, way: Way) -> None:
    """Rule 11.2: the tree of who waits on what."""

    async def stuck() -> None:
        await giambio.Event().wait()

    async def main() -> None:
        with pytest.raises(giambio.DeadlockError, match=r"Event.wait\(\)"):
            await way(stuck)

    run(main)


# -- misuse -----------------------------------------------------------------------------


def test_outside_of_a_task_says_so() -> None:
    """Rule 19.1: outside of a task the error says so."""
    operation: Any = giambio.gather(giambio.sleep_forever)
    with pytest.raises(RuntimeError, match="must be awaited in a giambio task"):
        next(operation.__await__())


def test_two_awaits_of_one_are_an_error(run: Run) -> None:
    """Rule 3.12: awaiting it twice is an error."""

    async def main() -> None:
        for operation in (
            giambio.gather(),
            giambio.race(turns(1)),
            giambio.map_concurrent(giambio.sleep, [0]),
        ):
            await operation
            with pytest.raises(RuntimeError, match="was awaited already"):
                await operation

    run(main)


def test_a_sync_function_is_refused_by_name(run: Run) -> None:
    """Rule 19.4: the error names the mistake and the fix."""

    def fetch(*args: object) -> int:
        return 5

    async def main() -> None:
        match = r"fetch\(\) returned 5, which cannot be awaited; define it with `async def`"
        with pytest.raises(TypeError, match=match):
            await giambio.gather(fetch)
        with pytest.raises(TypeError, match=match):
            await giambio.race(giambio.sleep_forever, fetch)
        with pytest.raises(TypeError, match=match):
            await giambio.map_concurrent(fetch, [1, 2, 3])
        with pytest.raises(TypeError, match=match):
            async with giambio.as_completed(fetch, [1, 2, 3], limit=2) as results:
                async for _ in results:
                    pass

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="never")
@pytest.mark.parametrize("name", ["gather", "race", "map_concurrent"])
def test_what_is_returned_has_the_operations_interface(name: str) -> None:
    """Rule 3.14: it is an operation, and has no `throw`."""
    make: dict[str, Callable[[], Any]] = {
        "gather": lambda: giambio.gather(giambio.sleep_forever),
        "race": lambda: giambio.race(giambio.sleep_forever),
        "map_concurrent": lambda: giambio.map_concurrent(giambio.sleep, []),
    }
    with pytest.warns(RuntimeWarning, match=rf"{name}\(\) was never awaited"):
        assert not hasattr(make[name](), "throw")
