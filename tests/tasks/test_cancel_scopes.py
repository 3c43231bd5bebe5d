"""Cancel scopes: their reach, deadlines and shields, and misuse of them."""

from __future__ import annotations

import gc
import pickle
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

import giambio
from support.kernel import without_collector
from support.sync import settled

Run = Callable[..., Any]


async def is_cancelled() -> bool:
    """Whether a checkpoint raises here."""
    try:
        await giambio.checkpoint()
    except giambio.CancelledError:
        return True
    return False


# -- what a cancelled scope does ------------------------------------------------------------


def test_cancellation_is_level_triggered(run: Run) -> None:
    """Rule 5.1: every checkpoint inside raises until the scope is left."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            assert not await is_cancelled()
            scope.cancel()
            for _ in range(10):
                assert await is_cancelled()
            for operation in (giambio.sleep(0), giambio.sleep(1), giambio.sleep_forever()):
                with pytest.raises(giambio.CancelledError):
                    await operation
        assert not scope.cancelled_caught
        assert not await is_cancelled()

    run(main)


def test_a_cancelled_scope_catches_what_reaches_its_end(run: Run) -> None:
    """Rule 5.2: it ends where its scope ends."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            assert not scope.cancelled_caught
            await giambio.checkpoint()
            pytest.fail("not reached")
        assert scope.cancelled_caught
        assert scope.cancel_called

    run(main)


def test_a_cancelled_scope_lets_other_exceptions_pass(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(KeyError), giambio.CancelScope() as scope:
            scope.cancel()
            raise KeyError
        assert not scope.cancelled_caught

    run(main)


def test_a_scope_that_is_not_cancelled_catches_nothing(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer:
            with giambio.CancelScope() as inner:
                outer.cancel()
                await giambio.checkpoint()
            pytest.fail("not reached")
        assert outer.cancelled_caught
        assert not inner.cancelled_caught

    run(main)


def test_cancelling_the_inner_scope_leaves_the_outer_one_alone(run: Run) -> None:
    """Rule 6.1: scopes nest."""

    async def main() -> None:
        with giambio.CancelScope() as outer:
            with giambio.CancelScope() as inner:
                inner.cancel()
                await giambio.checkpoint()
            assert inner.cancelled_caught
            assert not await is_cancelled()
        assert not outer.cancel_called

    run(main)


def test_when_both_are_cancelled_the_outer_one_catches(run: Run) -> None:
    """Rule 6.1: scopes nest."""

    async def main() -> None:
        with giambio.CancelScope() as outer:
            with giambio.CancelScope() as inner:
                inner.cancel()
                outer.cancel()
                await giambio.checkpoint()
            pytest.fail("not reached")
        assert outer.cancelled_caught
        assert not inner.cancelled_caught

    run(main)


def test_cancelling_wakes_a_task_that_waits(run: Run) -> None:
    async def main() -> None:
        scopes: list[giambio.CancelScope] = []

        async def child() -> bool:
            with giambio.CancelScope() as scope:
                scopes.append(scope)
                await giambio.sleep_forever()
            return scope.cancelled_caught

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await settled()
            scopes[0].cancel()
            assert await task

    run(main)


def test_cancel_is_idempotent_and_tells(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            assert scope.cancel("first") is True
            assert scope.cancel("second") is False
            with pytest.raises(giambio.CancelledError, match=r"^cancelled: first$"):
                await giambio.checkpoint()
        assert scope.reason == "first"

    run(main)


def test_a_scope_cancelled_before_it_is_entered(run: Run) -> None:
    async def main() -> None:
        scope = giambio.CancelScope()
        scope.cancel("early")
        with scope:
            with pytest.raises(giambio.CancelledError, match="early"):
                await giambio.checkpoint()
            await giambio.checkpoint()
        assert scope.cancelled_caught

    run(main)


def test_the_reason_of_the_innermost_cancelled_scope_is_told(run: Run) -> None:
    """Rule 5.20: scopes carry a reason."""

    async def main() -> None:
        reason = object()
        with giambio.CancelScope() as outer, giambio.CancelScope() as middle:
            outer.cancel("outer")
            with giambio.CancelScope():
                with pytest.raises(giambio.CancelledError, match="outer"):
                    await giambio.checkpoint()
                middle.cancel(reason)
                try:
                    await giambio.checkpoint()
                except giambio.CancelledError as exc:
                    assert exc.reason is reason

    run(main)


def test_without_a_reason() -> None:
    assert giambio.CancelledError().reason is None
    assert str(giambio.CancelledError()) == "cancelled"
    assert str(giambio.CancelledError("why")) == "cancelled: why"
    assert not issubclass(giambio.CancelledError, Exception)
    copy = pickle.loads(pickle.dumps(giambio.CancelledError("why")))
    assert (type(copy), copy.reason) == (giambio.CancelledError, "why")


def test_cleaning_up_may_wait_in_a_shield(run: Run) -> None:
    """Rule 6.4: scopes can shield."""

    async def main() -> None:
        cleaned = []
        with giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await giambio.checkpoint()
            finally:
                with giambio.CancelScope(shield=True):
                    await giambio.sleep(0.001)
                    cleaned.append(True)
                assert await is_cancelled()
        assert cleaned == [True]

    run(main)


def test_a_shielded_scope_can_be_cancelled_itself(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer, giambio.CancelScope(shield=True) as inner:
            outer.cancel("outer")
            inner.cancel("inner")
            with pytest.raises(giambio.CancelledError, match="inner"):
                await giambio.checkpoint()

    run(main)


def test_a_cancelled_shielded_scope_catches_although_the_outer_is_cancelled(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer:
            outer.cancel()
            with giambio.CancelScope(shield=True) as inner:
                inner.cancel()
                await giambio.checkpoint()
            assert inner.cancelled_caught
            assert await is_cancelled()

    run(main)


def test_the_shield_reaches_tasks_inside(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer:
            with giambio.CancelScope(shield=True):
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(giambio.sleep, 0.001)
                    outer.cancel()
            assert not task.cancelled()

    run(main)


def test_lifting_the_shield_lets_the_cancellation_in(run: Run) -> None:
    """Rule 6.5: `shield` can be changed while tasks wait inside."""

    async def main() -> None:
        inner = giambio.CancelScope(shield=True)

        async def child() -> None:
            with inner:
                await giambio.sleep_forever()

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            task.cancel()
            await giambio.checkpoint()
            assert not task.done()
            inner.shield = False
        assert task.cancelled()

    run(main)


def test_shielding_before_the_cancellation_arrives_withdraws_it(run: Run) -> None:
    """Rule 3.8: it can be withdrawn before delivery."""

    async def main() -> str:
        inner = giambio.CancelScope()

        async def child() -> str:
            with inner:
                await giambio.sleep(0.001)
            return "slept"

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            task.cancel()
            inner.shield = True
        return str(task.result())

    assert run(main) == "slept"


def test_shielding_and_lifting_again_in_one_turn(run: Run) -> None:
    """Rule 6.5: `shield` can be changed while tasks wait inside."""

    async def main() -> None:
        inner = giambio.CancelScope()

        async def child() -> None:
            with inner:
                await giambio.sleep_forever()

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            task.cancel()
            inner.shield = True
            inner.shield = False
        assert task.cancelled()

    run(main)


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_shield_is_true_or_false(value: Any) -> None:
    scope = giambio.CancelScope()
    with pytest.raises(TypeError, match="shield is True or False, not"):
        scope.shield = value
    with pytest.raises(TypeError, match="shield is True or False, not"):
        giambio.CancelScope(shield=value)


# -- deadlines ------------------------------------------------------------------------------


def test_a_deadline_cancels(run: Run) -> None:
    """Rule 6.2: scopes have deadlines."""

    async def main() -> None:
        start = giambio.current_time()
        with giambio.CancelScope(deadline=start + 0.01) as scope:
            await giambio.sleep_forever()
        assert scope.cancelled_caught
        assert scope.reason == "the deadline has passed"
        assert giambio.current_time() >= start + 0.01

    run(main)


def test_entering_a_scope_whose_deadline_has_passed_cancels_at_once(run: Run) -> None:
    """Rule 6.3: entering a scope whose deadline has passed cancels it at once."""

    async def main() -> None:
        for deadline in (giambio.current_time(), giambio.current_time() - 1, -inf):
            with giambio.CancelScope(deadline=deadline) as scope:
                assert scope.cancel_called
                await giambio.checkpoint_if_cancelled()
            assert scope.cancelled_caught

    run(main)


def test_setting_a_deadline_that_has_passed_cancels_at_once(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.deadline = giambio.current_time()
            assert scope.cancel_called
            assert await is_cancelled()

    run(main)


def test_an_earlier_deadline_can_be_set_while_a_task_waits(run: Run) -> None:
    """Rule 6.5: `deadline` can be changed while tasks wait inside."""

    async def main() -> None:
        scope = giambio.CancelScope(deadline=giambio.current_time() + 3600)

        async def hurry() -> None:
            scope.deadline = giambio.current_time() + 0.001

        async with giambio.TaskManager() as manager:
            with scope:
                await manager.spawn(hurry)
                await giambio.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_a_later_deadline_can_be_set_while_a_task_waits(run: Run) -> None:
    """Rule 6.5: `deadline` can be changed while tasks wait inside."""

    async def main() -> None:
        now = giambio.current_time()
        scope = giambio.CancelScope(deadline=now + 0.01)

        async def prolong() -> None:
            scope.deadline = inf

        async with giambio.TaskManager() as manager:
            with scope:
                await manager.spawn(prolong)
                await giambio.sleep_until(now + 0.03)
        assert not scope.cancel_called

    run(main)


def test_the_deadline_of_a_scope_that_was_left_does_nothing(run: Run) -> None:
    async def main() -> None:
        with giambio.move_on_after(0.001) as scope:
            pass
        scope.deadline = giambio.current_time() - 1
        await giambio.sleep(0.005)
        assert not scope.cancel_called

    run(main)


def test_the_deadline_set_before_entering_counts(run: Run) -> None:
    async def main() -> None:
        scope = giambio.CancelScope()
        scope.deadline = giambio.current_time() + 0.001
        with scope:
            await giambio.sleep_forever()
        assert scope.cancelled_caught

    run(main)


@pytest.mark.parametrize(
    ("value", "kind"), [("1", TypeError), (None, TypeError), (nan, ValueError)]
)
def test_a_deadline_is_a_number(value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="needs a number for deadline, not"):
        giambio.CancelScope(deadline=value)
    scope = giambio.CancelScope()
    with pytest.raises(kind, match="needs a number for deadline, not"):
        scope.deadline = value
    assert scope.deadline == inf


def test_a_timeout_in_a_timeout(run: Run) -> None:
    """Rule 6.2: scopes nest; the earlier deadline wins wherever it is."""

    async def main() -> None:
        with giambio.move_on_after(3600) as outer, giambio.move_on_after(0.001) as inner:
            await giambio.sleep_forever()
        assert inner.cancelled_caught
        assert not outer.cancel_called
        with giambio.move_on_after(0.001) as outer, giambio.move_on_after(3600) as inner:
            await giambio.sleep_forever()
        assert outer.cancelled_caught
        assert not inner.cancel_called

    run(main)


# -- the families -----------------------------------------------------------------------------


def test_move_on_goes_on(run: Run) -> None:
    async def main() -> None:
        with giambio.move_on_after(0.001) as after:
            await giambio.sleep_forever()
        with giambio.move_on_at(giambio.current_time() + 0.001) as at:
            await giambio.sleep_forever()
        assert after.cancelled_caught
        assert at.cancelled_caught

    run(main)


def test_move_on_in_time(run: Run) -> None:
    async def main() -> None:
        with giambio.move_on_after(3600) as scope:
            await giambio.checkpoint()
        assert not scope.cancelled_caught

    run(main)


def test_fail_raises_timeout_error(run: Run) -> None:
    """Rule 6.7: `fail_after` raises TimeoutError."""

    async def main() -> None:
        with (
            pytest.raises(TimeoutError, match=r"the time given to fail_after\(\) or fail_at\(\)"),
            giambio.fail_after(0.001) as scope,
        ):
            await giambio.sleep_forever()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError), giambio.fail_at(giambio.current_time()):
            await giambio.sleep_forever()

    run(main)


def test_the_timeout_error_tells_where_it_waited(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError) as caught, giambio.fail_after(0.001):
            await giambio.sleep_forever()
        assert isinstance(caught.value.__cause__, giambio.CancelledError)

    run(main)


def test_fail_cancelled_by_hand_is_no_time_out(run: Run) -> None:
    async def main() -> None:
        with giambio.fail_after(3600) as scope:
            scope.cancel()
            await giambio.checkpoint()
        assert scope.cancelled_caught

    run(main)


def test_fail_lets_an_outer_cancellation_pass(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer:
            with giambio.fail_after(0):
                outer.cancel()
                await giambio.checkpoint()
            pytest.fail("not reached")
        assert outer.cancelled_caught

    run(main)


def test_fail_whose_time_is_over_without_a_checkpoint_does_not_fail(run: Run) -> None:
    async def main() -> str:
        with giambio.fail_after(0) as scope:
            value = "finished"
        assert scope.cancel_called
        return value

    assert run(main) == "finished"


@pytest.mark.parametrize("make", [giambio.move_on_after, giambio.fail_after])
def test_the_after_family_refuses_what_is_no_time(run: Run, make: Callable[..., Any]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"needs a number of seconds from 0 up, not -1$"):
            make(-1)
        for seconds in nan, Decimal("NaN"):
            with pytest.raises(ValueError, match="needs a number for seconds, not NaN"):
                make(seconds)
        with pytest.raises(TypeError, match="needs a number for seconds, not 'soon'"):
            make("soon")
        with make(inf):
            await giambio.checkpoint()

    run(main)


@pytest.mark.parametrize("make", [giambio.move_on_after, giambio.fail_after])
def test_the_after_family_outside_of_a_loop(make: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        make(1)


@pytest.mark.parametrize(
    "make", [giambio.move_on_after, giambio.fail_after, giambio.move_on_at, giambio.fail_at]
)
def test_the_families_shield(run: Run, make: Callable[..., Any]) -> None:
    async def main() -> None:
        with giambio.CancelScope() as outer:
            outer.cancel()
            with make(giambio.current_time() + 3600, shield=True) as scope:
                assert scope.shield
                assert not await is_cancelled()

    run(main)


def test_the_effective_deadline(run: Run) -> None:
    """Rule 6.6: the effective deadline is -inf inside a cancelled scope."""

    async def main() -> None:
        assert giambio.current_effective_deadline() == inf
        later = giambio.current_time() + 3600
        with giambio.move_on_at(later) as outer, giambio.move_on_at(later + 5):
            assert giambio.current_effective_deadline() == later
            with giambio.move_on_at(later - 5):
                assert giambio.current_effective_deadline() == later - 5
            with giambio.CancelScope(shield=True):
                assert giambio.current_effective_deadline() == inf
            outer.cancel()
            assert giambio.current_effective_deadline() == -inf
            with giambio.CancelScope(shield=True):
                assert giambio.current_effective_deadline() == inf

    run(main)


def test_the_effective_deadline_reaches_into_tasks(run: Run) -> None:
    async def deadline() -> float:
        return giambio.current_effective_deadline()

    async def main() -> None:
        later = giambio.current_time() + 3600
        with giambio.move_on_at(later):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(deadline)
        assert task.result() == later

    run(main)


def test_the_effective_deadline_outside_of_a_task() -> None:
    with pytest.raises(RuntimeError, match="no giambio task runs in this thread"):
        giambio.current_effective_deadline()


# -- wrong use ---------------------------------------------------------------------------------


def test_a_scope_is_used_once(run: Run) -> None:
    """Rule 6.8: scopes are single-use."""

    async def main() -> None:
        scope = giambio.CancelScope()
        with scope, pytest.raises(RuntimeError, match="used already; make a new one"), scope:
            pass
        with pytest.raises(RuntimeError, match="used already; make a new one"), scope:
            pass

    run(main)


def test_leaving_out_of_order_is_an_error(run: Run) -> None:
    """Rule 6.9: leaving them out of order is an error."""

    async def main() -> None:
        outer, inner = giambio.CancelScope(), giambio.CancelScope()
        outer.__enter__()
        inner.__enter__()
        with pytest.raises(RuntimeError, match="leave scopes in the opposite order"):
            outer.__exit__(None, None, None)
        inner.__exit__(None, None, None)
        outer.__exit__(None, None, None)
        assert not await is_cancelled()

    run(main)


def test_leaving_before_entering_is_an_error(run: Run) -> None:
    """Rule 6.10: leaving them before entering is an error."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="is left, but was not entered"):
            giambio.CancelScope().__exit__(None, None, None)

    run(main)


def test_leaving_twice_is_an_error(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            pass
        with pytest.raises(RuntimeError, match="is left"):
            scope.__exit__(None, None, None)

    run(main)


def test_leaving_in_another_task_is_an_error(run: Run) -> None:
    """Rule 6.11: leaving them in another task is an error."""

    async def main() -> None:
        with giambio.CancelScope() as scope:

            async def child() -> None:
                with pytest.raises(RuntimeError, match="and is left in another"):
                    scope.__exit__(None, None, None)

            async with giambio.TaskManager() as manager:
                await manager.spawn(child)

    run(main)


def test_a_scope_across_the_yield_of_a_generator_is_an_error(run: Run) -> None:
    """Rule 6.9: leaving them out of order is an error."""

    def generator() -> Iterator[int]:
        with giambio.CancelScope():
            yield 1

    async def main() -> None:
        with pytest.raises(RuntimeError, match="must not stay open across the yield"):
            numbers = generator()
            next(numbers)
            with giambio.CancelScope():
                next(numbers, None)

    run(main)


def test_async_with_says_with(run: Run) -> None:
    """Rule 6.13: `async with` on a scope says: use `with`."""

    async def main() -> None:
        with pytest.raises(TypeError, match="entered with `with`, not `async with`"):
            async with giambio.move_on_after(1):  # type: ignore[attr-defined]
                pass

    run(main)


def test_entering_outside_of_a_task_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no giambio task runs"), giambio.CancelScope():
        pass


def test_cancel_from_another_thread_is_an_error(run: Run) -> None:
    """Rule 6.15: the error says what to use instead."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            problems: list[BaseException] = []

            def thread() -> None:
                try:
                    scope.cancel()
                except RuntimeError as exc:
                    problems.append(exc)

            worker = threading.Thread(target=thread)
            worker.start()
            worker.join()
            assert not scope.cancel_called
            assert "from another thread than the loop's" in str(problems[0])
            assert "call_soon_threadsafe" in str(problems[0])

    run(main)


def test_cancel_by_way_of_the_loop_from_another_thread(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            loop = giambio.current_loop()
            worker = threading.Thread(target=loop.call_soon_threadsafe, args=(scope.cancel, "far"))
            worker.start()
            await giambio.sleep_forever()
        worker.join()
        assert scope.reason == "far"

    run(main)


def test_a_scope_is_final_weakly_referenced_and_not_picklable() -> None:
    """Rule 20.4: final and not picklable."""
    scope = giambio.CancelScope()
    assert weakref.ref(scope)() is scope
    with pytest.raises(AttributeError):
        scope.colour = "red"  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(scope)
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (giambio.CancelScope,), {})
    for name in ("cancel_called", "cancelled_caught", "reason"):
        with pytest.raises(AttributeError):
            setattr(scope, name, True)


def test_repr(run: Run) -> None:
    async def main() -> None:
        scope = giambio.CancelScope()
        assert repr(scope) == "<giambio.CancelScope unused>"
        with scope:
            assert repr(scope) == "<giambio.CancelScope active>"
            scope.cancel()
            assert repr(scope) == "<giambio.CancelScope cancelled>"

    run(main)


# -- groups ------------------------------------------------------------------------------------


def test_a_mixed_group_loses_the_cancellations_of_the_scope(run: Run) -> None:
    error = ValueError("x")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught, giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await giambio.checkpoint()
            except giambio.CancelledError as exc:
                raise BaseExceptionGroup("mixed", [exc, error]) from None
        assert caught.value.exceptions == (error,)
        assert scope.cancelled_caught

    run(main)


def test_a_group_of_cancellations_is_caught(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await giambio.checkpoint()
            except giambio.CancelledError as exc:
                raise BaseExceptionGroup("cancelled", [exc]) from None
        assert scope.cancelled_caught

    run(main)


def test_a_mixed_group_keeps_cancellations_that_come_from_further_out(run: Run) -> None:
    async def main() -> None:
        outer, inner = giambio.CancelScope(), giambio.CancelScope()
        with pytest.raises(ExceptionGroup), outer, inner:
            inner.cancel()
            outer.cancel()
            try:
                await giambio.checkpoint()
            except giambio.CancelledError as exc:
                raise BaseExceptionGroup("mixed", [exc, ValueError()]) from None
        assert outer.cancelled_caught
        assert not inner.cancelled_caught

    run(main)


# -- task.cancel ---------------------------------------------------------------------------------


def test_task_cancel_is_level_triggered_and_idempotent(run: Run) -> None:
    """Rule 5.16: `task.cancel(reason=None)`: level-triggered, idempotent."""

    async def child() -> list[object]:
        reasons: list[object] = []
        for _ in range(3):
            try:
                await giambio.sleep_forever()
            except giambio.CancelledError as exc:
                reasons.append(exc.reason)
        return reasons

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            assert task.cancel("stop") is True
            assert task.cancel("again") is False
        assert task.result() == ["stop"] * 3
        assert not task.cancelled()
        assert task.cancel() is False

    run(main)


def test_swallowing_the_cancellation_is_a_normal_result(run: Run) -> None:
    """Rule 5.18: swallowing the cancellation and returning is a normal result."""

    async def child() -> str:
        with suppress(giambio.CancelledError):
            await giambio.sleep_forever()
        return "swallowed"

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            task.cancel()
            return await task

    assert run(main) == "swallowed"


def test_task_cancel_reaches_the_tasks_of_its_managers(run: Run) -> None:
    async def main() -> None:
        inner: list[giambio.Task[Any]] = []

        async def child() -> None:
            async with giambio.TaskManager() as manager:
                inner.append(await manager.spawn(giambio.sleep_forever))

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await settled()
            task.cancel("all of it")
        assert task.cancelled()
        assert inner[0].cancelled()

    run(main)


def test_a_task_can_cancel_itself(run: Run) -> None:
    async def child() -> None:
        assert giambio.current_task().cancel()
        await giambio.checkpoint()

    async def main() -> bool:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
        return task.cancelled()

    assert run(main)


def test_a_cancelled_main_task_says_so(run: Run) -> None:
    async def main() -> None:
        giambio.current_task().cancel("enough")
        await giambio.checkpoint()

    with pytest.raises(
        giambio.TaskCancelled, match=r"the main task was cancelled \(reason: enough"
    ):
        run(main)


def test_a_main_task_that_ends_in_a_group_of_cancellations_tells_the_reason(run: Run) -> None:
    """Rules 8.13, 3.11: a group that holds nothing but cancellations is one."""

    async def main() -> None:
        giambio.current_task().cancel("enough")
        try:
            await giambio.checkpoint()
        except giambio.CancelledError as exc:
            raise BaseExceptionGroup("both", [exc, exc]) from None

    with pytest.raises(giambio.TaskCancelled, match=r"\(reason: enough\)$"):
        run(main)


def test_a_reason_that_says_nothing_is_not_told(run: Run) -> None:
    async def main() -> None:
        giambio.current_task().cancel("")
        await giambio.checkpoint()

    with pytest.raises(giambio.TaskCancelled, match=r"the main task was cancelled$"):
        run(main)


def test_an_exception_as_the_reason_is_not_kept(run: Run) -> None:
    """Rule 8.19: its frames hold the task."""

    class Local:
        pass

    async def main() -> weakref.ref[Local]:
        local = Local()
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(giambio.sleep_forever)
            try:
                raise ValueError("boom")
            except ValueError as exc:
                task.cancel(exc)
        return weakref.ref(local)

    with without_collector():
        assert run(main)() is None


def test_cancelling_in_the_turn_in_which_a_timer_fires(run: Run) -> None:
    """Rule 5.4: one that transferred nothing (sleep) raises."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            loop = giambio.current_loop()
            task = await manager.spawn(giambio.sleep, 0.001)
            await giambio.checkpoint()
            loop.call_later(0.001, task.cancel)
        assert task.done()

    run(main)


def test_manager_cancel_carries_its_reason(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.cancel("shutting down")
            with pytest.raises(giambio.CancelledError, match=r"^cancelled: shutting down$"):
                await giambio.checkpoint()

    run(main)


def test_the_scope_of_a_manager_can_have_a_deadline_and_a_shield(run: Run) -> None:
    """Rule 6.5: `shield` and `deadline` can be changed while tasks wait."""

    async def main() -> None:
        with giambio.CancelScope() as outer:
            async with giambio.TaskManager() as manager:
                manager.cancel_scope.shield = True
                task = await manager.spawn(giambio.sleep_forever)
                outer.cancel()
                assert not await is_cancelled()
                manager.cancel_scope.deadline = giambio.current_time() + 0.001
            assert manager.cancel_scope.cancelled_caught
            assert task.cancelled()

    run(main)


def test_a_coroutine_closed_by_hand_leaves_its_scopes(run: Run) -> None:
    """A coroutine that is driven by hand and closed leaves nothing behind."""

    async def inner() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await Pause()

    class Pause:
        def __await__(self) -> Iterator[str]:
            yield "paused"

    async def main() -> None:
        coro = inner()
        assert coro.send(None) == "paused"
        coro.close()
        assert not await is_cancelled()

    run(main)


def test_what_a_scope_caught_is_forgotten(run: Run) -> None:
    """Rule 8.19: the caught cancellation is not kept."""

    class Big:
        pass

    async def main() -> None:
        refs = []

        async def work() -> None:
            big = Big()
            refs.append(weakref.ref(big))
            await giambio.sleep_forever()

        with giambio.move_on_after(0) as scope:
            await work()
        assert scope.cancelled_caught
        await giambio.checkpoint()  # the step in which it was thrown holds it
        assert refs[0]() is None

    run(main)


@pytest.mark.parametrize("whose", ["task", "manager"])
def test_a_scope_of_a_collected_generator_cuts_nothing_off(run: Run, whose: str) -> None:
    """What was entered after it stays inside of what is around it, and is left as ever."""

    async def main() -> None:
        async def generate() -> AsyncGenerator[int, None]:
            with giambio.CancelScope():
                yield 1

        async def child() -> None:
            generator = generate()
            await anext(generator)
            with giambio.CancelScope():
                del generator
                gc.collect()
                await giambio.sleep(0.001)  # meanwhile the loop closes it
                begun.set()
                await giambio.sleep(1)

        begun = giambio.Event()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await begun.wait()
            if whose == "task":
                task.cancel()
            else:
                manager.cancel()
        assert task.cancelled()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run(main)
