"""Behaviours of task groups and timeouts that only CPython's tests of asyncio check.

docs/tested-like/tasks.md maps their tests to ours.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf

import pytest

import giambio
from support.kernel import ManualClock, turns

Run = Callable[..., object]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait: no test depends on how fast it is."""
    return functools.partial(run, clock=ManualClock())


async def wait_and_fail(error: BaseException) -> None:
    """Break down in the clean-up."""
    try:
        await giambio.sleep_forever()
    finally:
        raise error


async def fail_after_turns(count: int, error: BaseException) -> None:
    await turns(count)
    raise error


def flat(exc: BaseException) -> list[BaseException]:
    """The failures in a group, or the one that there is."""
    return list(exc.exceptions) if isinstance(exc, BaseExceptionGroup) else [exc]


# -- task groups --------------------------------------------------------------------------


def test_a_cancelled_task_cancels_its_block_children_and_body(run: Run) -> None:
    """Rule 8.7: only cancellations leave as one."""
    cancelled: list[str] = []

    async def wait(name: str) -> None:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError:
            cancelled.append(name)
            raise

    async def runner() -> None:
        async with giambio.TaskManager() as manager:
            for _ in range(5):
                await manager.spawn(wait, "child")
            await wait("body")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(runner)
            await turns(5)
            task.cancel()
        assert task.cancelled()
        assert sorted(cancelled) == ["body", *["child"] * 5]

    run(main)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_clean_ups_that_fail_when_it_is_cancelled_come_out_in_one_group(
    run: Run, levels: int
) -> None:
    """Rule 8.6: real failures drop cancellations; a group passes as it is."""
    errors = [ValueError(n) for n in range(5)]

    async def nest(levels: int) -> None:
        async with giambio.TaskManager() as manager:
            if levels > 1:
                await manager.spawn(giambio.sleep_forever)
                await nest(levels - 1)
                return
            for error in errors:
                await manager.spawn(wait_and_fail, error)
            await giambio.sleep_forever()

    async def main() -> None:
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_later(0.01, scope.cancel)
            with pytest.raises(ExceptionGroup) as caught:
                await nest(levels)
            assert set(caught.value.exceptions) == set(errors)

    run(main)


def test_a_failure_in_the_outer_block_ends_the_inner_one_that_joins(run: Run) -> None:
    """Rule 8.3: one real failure leaves the block as itself."""

    async def main() -> None:
        async with giambio.TaskManager() as outer:
            await outer.spawn(fail_after_turns, 3, ValueError("outer"))
            async with giambio.TaskManager() as inner:
                await inner.spawn(giambio.sleep_forever)
            pytest.fail("not reached")

    with pytest.raises(ValueError, match="outer"):
        run(main)


def test_a_child_that_fails_while_a_cancelled_body_cleans_up(run: Run) -> None:
    """Rule 8.6: real failures drop `CancelledError`s."""

    async def runner() -> None:
        async with giambio.TaskManager() as manager:
            with giambio.CancelScope(shield=True):
                manager.start_soon(fail_shielded)
                await turns(2)
            try:
                await giambio.sleep_forever()
            except giambio.CancelledError:
                with giambio.CancelScope(shield=True):
                    await giambio.sleep(0.01)
                raise

    async def fail_shielded() -> None:
        with giambio.CancelScope(shield=True):
            await turns(6)
        raise ZeroDivisionError

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(runner)
            await turns(4)
            task.cancel()

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_a_cancelled_body_without_children_is_cancelled(run: Run) -> None:
    async def runner() -> None:
        async with giambio.TaskManager():
            await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(runner)
            await turns(2)
            task.cancel()
        assert task.cancelled()

    run(main)


@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_body_that_breaks_down_when_a_child_has_failed(
    run: Run, kind: type[BaseException]
) -> None:
    """Rule 8.4: several as a group, of the kind that holds them all."""
    child, body = ZeroDivisionError("child"), kind("body")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_after_turns, 2, child)
            await wait_and_fail(body)

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main)
    assert set(caught.value.exceptions) == {child, body}
    assert isinstance(caught.value, ExceptionGroup) == issubclass(kind, Exception)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_child_that_ends_the_program_while_the_body_breaks_down(
    run: Run, kind: type[BaseException]
) -> None:
    """Rule 8.5: a `BaseExceptionGroup` with `KeyboardInterrupt` among them."""
    child, body = kind("child"), TypeError("body")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_after_turns, 2, child)
            await wait_and_fail(body)

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main)
    assert set(caught.value.exceptions) == {child, body}


def test_tasks_that_keep_spawning_can_be_cancelled(run: Run) -> None:
    """Rule 8.1: the first failure cancels all, also those that multiply."""
    heads = 0

    async def hydra(manager: giambio.TaskManager) -> None:
        nonlocal heads
        heads += 1
        await giambio.sleep(0.001)
        manager.start_soon(hydra, manager)
        manager.start_soon(hydra, manager)

    async def hercules() -> None:
        while heads < 10:
            await giambio.sleep(0.001)
        raise ZeroDivisionError

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(hydra, manager)
            await manager.spawn(hercules)

    with pytest.raises(ZeroDivisionError):
        run(main)
    assert heads >= 10


def test_a_context_manager_inside_that_raises_when_it_is_left(run: Run) -> None:
    """Rule 8.2: the body's own failure counts beside the child's."""

    @asynccontextmanager
    async def database() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise ValueError("database")

    async def main() -> None:
        async with giambio.TaskManager() as manager, database():
            await manager.spawn(fail_after_turns, 1, ValueError("child"))
            await giambio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert {str(exc) for exc in caught.value.exceptions} == {"database", "child"}


def test_a_caught_failure_leaves_the_task_uncancelled(run: Run) -> None:
    """Rule 5.2: a manager's cancellation ends with its block."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="x"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(fail_after_turns, 0, RuntimeError("x"))
        assert not giambio.current_task().has_pending_cancellation()
        await giambio.checkpoint()

    run(main)


def test_after_the_inner_block_has_failed_the_outer_one_is_still_cancelled(run: Run) -> None:
    """Rule 5.1: level-triggered, until the scope is left."""

    async def main() -> None:
        with pytest.raises(ValueError, match="outer"):
            async with giambio.TaskManager() as outer:
                with pytest.raises(RuntimeError, match="inner"):
                    async with giambio.TaskManager() as inner:
                        inner.start_soon(fail_after_turns, 0, RuntimeError("inner"))
                        outer.start_soon(fail_after_turns, 0, ValueError("outer"))
                assert giambio.current_task().has_pending_cancellation()
                await giambio.checkpoint()
                pytest.fail("not reached")
        assert not giambio.current_task().has_pending_cancellation()

    run(main)


def test_a_failure_that_is_caught_does_not_eat_a_cancellation_beside_it(run: Run) -> None:
    """Rule 5.1: level-triggered, so it cannot get lost."""
    reached: list[str] = []

    async def inner(started: giambio.Event) -> None:
        with pytest.raises(RuntimeError, match="child"):
            async with giambio.TaskManager() as manager:
                manager.start_soon(fail_shielded, started)
                await giambio.sleep_forever()
        reached.append("caught")
        await giambio.sleep_forever()

    async def fail_shielded(started: giambio.Event) -> None:
        started.set()
        with giambio.CancelScope(shield=True):
            await giambio.checkpoint()
        raise RuntimeError("child")

    async def main() -> None:
        started = giambio.Event()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(inner, started)
            await started.wait()
            task.cancel()
        assert task.cancelled()
        assert reached == ["caught"]

    run(main)


# -- timeouts -----------------------------------------------------------------------------


def test_no_time_limit_is_infinity(run: Run) -> None:
    async def main() -> None:
        with giambio.fail_after(inf), giambio.fail_at(inf), giambio.move_on_after(inf) as scope:
            await giambio.sleep(0.001)
        assert scope.deadline == inf
        assert not scope.cancel_called

    run(main)


def test_a_deadline_in_the_past_ends_the_first_checkpoint(run: Run) -> None:
    """Rule 6.3: entering a scope whose deadline has passed cancels it at once."""

    async def main() -> None:
        for operation in (lambda: giambio.sleep(0), giambio.checkpoint, giambio.sleep_forever):
            with pytest.raises(TimeoutError), giambio.fail_at(giambio.current_time() - 11):
                await operation()

    run(main)


def test_an_exception_of_the_body_is_no_time_out(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(KeyError), giambio.fail_after(0.01):
            raise KeyError
        await giambio.sleep(0.02)

    run(main)


def test_the_task_that_waits_sees_the_cancellation_before_the_time_out(run: Run) -> None:
    async def main() -> None:
        seen: list[object] = []
        with pytest.raises(TimeoutError), giambio.fail_after(0.01):
            try:
                await giambio.sleep_forever()
            except giambio.CancelledError as exc:
                seen.append(exc.reason)
                raise
        assert seen == ["the deadline has passed"]

    run(main)


def test_a_time_out_is_caused_by_the_cancellation_and_keeps_what_was_handled(run: Run) -> None:
    """Rules 6.7, 8.18: the cancellation is the cause, and what was handled the context."""

    async def main() -> None:
        with giambio.fail_after(0.01):
            try:
                raise ZeroDivisionError
            finally:
                await giambio.sleep_forever()

    with pytest.raises(TimeoutError) as caught:
        run(main)
    cause = caught.value.__cause__
    assert isinstance(cause, giambio.CancelledError)
    assert caught.value.__context__ is cause
    assert isinstance(cause.__context__, ZeroDivisionError)


def test_a_clean_up_that_fails_after_a_time_out_is_raised_as_itself(run: Run) -> None:
    """Rule 6.7: only a cancellation that reaches the end of the block is a timeout."""

    async def crash() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            raise ZeroDivisionError

    async def main() -> None:
        with giambio.fail_after(0.01):
            await crash()

    with pytest.raises(ZeroDivisionError) as caught:
        run(main)
    assert isinstance(caught.value.__context__, giambio.CancelledError)
    assert caught.value.__cause__ is None


def test_a_clean_up_that_fails_in_several_steps_keeps_the_whole_story(run: Run) -> None:
    """Rule 8.18: `__context__` and `__cause__` right."""

    async def main() -> None:
        with giambio.fail_after(0.01):
            try:
                try:
                    raise ValueError
                finally:
                    await giambio.sleep_forever()
            finally:
                try:
                    raise KeyError
                finally:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(main)
    story = []
    link: BaseException | None = caught.value
    while link is not None:
        story.append(type(link).__name__)
        link = link.__context__
    assert story == ["ZeroDivisionError", "KeyError", "CancelledError", "ValueError"]


def test_a_time_out_inside_of_a_task_does_not_cancel_the_task(run: Run) -> None:
    async def child() -> str:
        with pytest.raises(TimeoutError), giambio.fail_after(0.001):
            await giambio.sleep_forever()
        return "went on"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
        assert task.result() == "went on"

    run(main)


def test_nested_time_outs_that_pass_while_the_loop_is_busy_end_at_the_outer_one(run: Run) -> None:
    """Rule 6.1: when both are cancelled, the outer one catches."""
    clock = ManualClock()

    async def main() -> None:
        with pytest.raises(TimeoutError), giambio.fail_after(2):
            with giambio.fail_after(1):
                clock.time += 3  # a long computation
                await giambio.sleep_forever()
            pytest.fail("not reached")

    run(main, clock=clock)


def test_a_time_out_inside_that_was_caught_leaves_the_outer_one_in_force(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError), giambio.fail_after(0.03):
            with pytest.raises(TimeoutError), giambio.fail_after(0.001):
                await giambio.sleep_forever()
            await giambio.sleep_forever()

    run(main)


def test_a_clean_up_with_a_time_limit_of_its_own(run: Run) -> None:
    """Rule 6.4: level-triggered: cleaning up takes a shield."""

    async def main() -> None:
        with pytest.raises(TimeoutError) as outer, giambio.fail_after(0.01):
            try:
                await giambio.sleep_forever()
            finally:
                with pytest.raises(TimeoutError) as inner, giambio.fail_after(0.01, shield=True):
                    await giambio.sleep_forever()
        assert isinstance(outer.value.__cause__, giambio.CancelledError)
        second = inner.value.__cause__
        assert isinstance(second, giambio.CancelledError)
        assert second is not outer.value.__cause__
        assert second.__context__ is outer.value.__cause__

    run(main)


def test_a_swallowed_cancellation_stays_in_force_inside_of_a_later_time_out(run: Run) -> None:
    """Rule 5.1: a cancelled scope makes every checkpoint inside it raise."""

    async def child() -> str:
        with pytest.raises(giambio.CancelledError):
            await giambio.sleep_forever()
        with pytest.raises(giambio.CancelledError), giambio.fail_after(60):
            await giambio.sleep_forever()
        with pytest.raises(TimeoutError), giambio.fail_after(0.001, shield=True):
            await giambio.sleep_forever()
        return "cleaned up"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            task.cancel()
        assert task.result() == "cleaned up"

    run(main)


def test_the_deadline_of_a_scope_that_is_over_may_be_set_and_does_nothing(run: Run) -> None:
    """Rule 6.8: a cancelled scope stays cancelled."""

    async def main() -> None:
        with giambio.move_on_after(60) as left:
            pass
        left.deadline = giambio.current_time() - 1
        with giambio.move_on_after(0) as expired:
            expired.deadline = giambio.current_time() + 60
            with pytest.raises(giambio.CancelledError):
                await giambio.checkpoint()
        expired.deadline = giambio.current_time() + 60
        await giambio.checkpoint()
        assert (left.cancel_called, expired.cancel_called) == (False, True)

    run(main)


def test_a_time_out_around_a_block_whose_child_breaks_down(run: Run) -> None:
    """Rule 8.6: real failures drop `CancelledError`s."""
    error = ZeroDivisionError("clean-up")

    async def main() -> None:
        with giambio.fail_after(0.01):
            async with giambio.TaskManager() as manager:
                await manager.spawn(wait_and_fail, error)
                try:
                    raise ValueError
                finally:
                    await giambio.sleep_forever()

    with pytest.raises(ZeroDivisionError) as caught:
        run(main)
    assert flat(caught.value) == [error]


def test_a_scope_that_was_left_says_so(run: Run) -> None:
    async def main() -> None:
        with giambio.move_on_after(60) as scope:
            assert repr(scope) == "<giambio.CancelScope active>"
        assert repr(scope) == "<giambio.CancelScope left>"

    run(main)
