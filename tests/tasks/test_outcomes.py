"""Outcomes: the exceptions that leave a block, their groups, and the errors of joining."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


async def fail(error: BaseException) -> None:
    await giambio.checkpoint()
    raise error


async def fail_at_once(error: BaseException) -> None:
    raise error


async def join_shielded(task: giambio.Task[Any]) -> Any:
    """Join a task also when its failure has cancelled the joiner."""
    with giambio.CancelScope(shield=True):
        return await task


async def fail_when_cancelled(error: BaseException) -> None:
    try:
        await giambio.sleep_forever()
    finally:
        raise error


async def value(result: object) -> object:
    await giambio.checkpoint()
    return result


def depth(exc: BaseException) -> int:
    """How many entries an exception's traceback has."""
    return len(list(traceback.walk_tb(exc.__traceback__)))


# -- one, several, strict -----------------------------------------------------------------


def test_one_failure_is_raised_as_itself(run: Run) -> None:
    """Rule 8.3: one real failure leaves the block as itself."""
    error = ValueError("the one")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail, error)
            await manager.spawn(giambio.sleep_forever)

    with pytest.raises(ValueError, match=r"^the one$") as caught:
        run(main)
    assert caught.value is error


def test_several_failures_are_a_group(run: Run) -> None:
    """Rule 8.4: several as an `ExceptionGroup`."""
    first, second = ValueError("first"), KeyError("second")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_when_cancelled, second)
            await manager.spawn(fail, first)

    with pytest.raises(ExceptionGroup, match="several tasks of a TaskManager failed") as caught:
        run(main)
    assert type(caught.value) is ExceptionGroup
    assert caught.value.exceptions == (first, second)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_group_with_a_base_exception_is_a_base_group(run: Run, kind: type[BaseException]) -> None:
    """Rule 8.5: a `BaseExceptionGroup` with `KeyboardInterrupt` or `SystemExit`."""
    first, second = ValueError("first"), kind()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_when_cancelled, second)
            await manager.spawn(fail, first)

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main)
    assert type(caught.value) is BaseExceptionGroup
    assert caught.value.exceptions == (first, second)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_single_base_exception_is_raised_as_itself(run: Run, kind: type[BaseException]) -> None:
    """Rule 8.5: one real failure leaves the block as itself."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail, kind("x"))
            await giambio.sleep_forever()

    with pytest.raises(kind):
        run(main)


def test_strict_groups_a_single_failure(run: Run) -> None:
    """Rule 8.9: `TaskManager(strict=True)` always groups."""
    error = ValueError("the one")

    async def main() -> None:
        async with giambio.TaskManager(strict=True) as manager:
            await manager.spawn(fail, error)

    with pytest.raises(ExceptionGroup, match="a task of a TaskManager failed") as caught:
        run(main)
    assert caught.value.exceptions == (error,)


def test_strict_groups_a_failure_of_the_body(run: Run) -> None:
    error = ValueError("the one")

    async def main() -> None:
        async with giambio.TaskManager(strict=True):
            raise error

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.value.exceptions == (error,)


def test_strict_none_inherits_from_run(run: Run) -> None:
    """Rule 8.9: `strict=None` inherits from `run(strict=…)`."""

    async def main(strict: bool | None) -> None:
        async with giambio.TaskManager(strict=strict) as manager:
            await manager.spawn(fail, ValueError("x"))

    with pytest.raises(ExceptionGroup):
        run(main, None, strict=True)
    with pytest.raises(ValueError, match="x"):
        run(main, False, strict=True)
    with pytest.raises(ValueError, match="x"):
        run(main, None)
    with pytest.raises(ExceptionGroup):
        run(main, True)


def test_except_star_catches_both(run: Run) -> None:
    """Rule 8.4: `except*` catches both."""

    async def main(*errors: BaseException) -> list[BaseException]:
        caught: list[BaseException] = []
        try:
            async with giambio.TaskManager() as manager:
                for error in errors:
                    manager.start_soon(fail_at_once, error)
        except* ValueError as group:
            caught.extend(group.exceptions)
        return caught

    one, two = ValueError(1), ValueError(2)
    assert run(main, one) == [one]
    assert set(run(main, one, two)) == {one, two}


def test_the_body_counts_as_a_child(run: Run) -> None:
    """Rule 8.2: the body of the block counts as a child."""
    body, child = ValueError("body"), KeyError("child")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_when_cancelled, child)
            await giambio.checkpoint()
            raise body

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.value.exceptions == (body, child)


def test_a_failing_body_alone_is_raised_as_itself(run: Run) -> None:
    """Rule 8.3: one real failure leaves the block as itself."""
    body = ValueError("body")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever)
            raise body

    with pytest.raises(ValueError, match="body") as caught:
        run(main)
    assert caught.value is body
    assert caught.value.__context__ is None


@pytest.mark.usefixtures("in_turn")
def test_failures_in_the_same_turn_are_both_kept(run: Run) -> None:
    """Rule 8.10: nothing is ever lost."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for number in range(10):
                await manager.spawn(fail_at_once, ValueError(number))

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [exc.args for exc in caught.value.exceptions] == [(n,) for n in range(10)]


# -- cancellations ------------------------------------------------------------------------


def test_real_failures_drop_cancellations(run: Run) -> None:
    """Rule 8.6: real failures drop `CancelledError`s."""
    error = ValueError("real")

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                await manager.spawn(fail_when_cancelled, error)
                await manager.spawn(giambio.sleep_forever)
                await giambio.checkpoint()
                scope.cancel()
                await giambio.checkpoint()

    with pytest.raises(ValueError, match="real") as caught:
        run(main)
    assert caught.value is error


def test_real_failures_drop_cancellations_in_a_group_of_the_body(run: Run) -> None:
    """Rule 8.6: real failures drop `CancelledError`s."""
    error = ValueError("real")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.cancel()
            try:
                await giambio.checkpoint()
            except giambio.CancelledError as exc:
                raise BaseExceptionGroup("mixed", [exc, error]) from None

    with pytest.raises(ExceptionGroup, match="mixed") as caught:
        run(main)
    assert caught.value.exceptions == (error,)


def test_real_failures_drop_cancellations_in_a_group_of_a_child(run: Run) -> None:
    """Rule 8.6: real failures drop `CancelledError`s."""
    error = ValueError("real")

    async def child() -> None:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError as exc:
            raise BaseExceptionGroup("mixed", [exc, error]) from None

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)
            await giambio.checkpoint()
            manager.cancel()

    with pytest.raises(ExceptionGroup, match="mixed") as caught:
        run(main)
    assert caught.value.exceptions == (error,)


def test_a_group_of_cancellations_is_a_cancellation(run: Run) -> None:
    """Rule 3.11: everything recognises cancellation through one predicate."""

    async def child() -> None:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError as exc:
            raise BaseExceptionGroup("only cancellations", [exc]) from None

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await giambio.checkpoint()
            manager.cancel()
        assert task.cancelled()

    run(main)


def test_only_cancellations_leave_as_one(run: Run) -> None:
    """Rule 8.7: only cancellations leave as one."""

    async def main() -> None:
        seen: list[BaseException] = []
        with giambio.CancelScope() as scope:
            try:
                async with giambio.TaskManager() as manager:
                    for _ in range(3):
                        await manager.spawn(giambio.sleep_forever)
                    scope.cancel("outside")
                    await giambio.sleep_forever()
            except BaseException as exc:
                seen.append(exc)
                raise
        assert scope.cancelled_caught
        (only,) = seen
        assert isinstance(only, giambio.CancelledError)
        assert str(seen[0]) == "cancelled: outside"

    run(main)


def test_cancelled_children_cancel_the_block_that_only_joins(run: Run) -> None:
    """Rule 8.7: only cancellations leave as one."""

    async def main() -> None:
        reached = []
        with giambio.move_on_after(0.001) as scope:
            async with giambio.TaskManager() as manager:
                await manager.spawn(giambio.sleep_forever)
            reached.append(True)
        assert scope.cancelled_caught
        assert reached == []

    run(main)


def test_children_that_finish_although_cancelled_from_outside_end_the_block_normally(
    run: Run,
) -> None:
    """Rule 5.18: swallowing the cancellation is a normal result."""

    async def stubborn() -> str:
        with suppress(giambio.CancelledError):
            await giambio.sleep_forever()
        return "done"

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(stubborn)
                await giambio.checkpoint()
                scope.cancel()
            assert task.result() == "done"
        assert not scope.cancelled_caught

    run(main)


def test_a_child_cancelled_by_itself_fails_nobody(run: Run) -> None:
    async def main() -> str:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            other = await manager.spawn(value, "fine")
            task.cancel()
        assert task.cancelled()
        return str(other.result())

    assert run(main) == "fine"


def test_a_stray_cancellation_becomes_a_runtime_error(run: Run) -> None:
    """Rule 5.19: a `CancelledError` where no scope was cancelled."""
    stray = giambio.CancelledError("by hand")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail, stray)

    with pytest.raises(RuntimeError, match="although none of its scopes was cancelled") as caught:
        run(main)
    assert caught.value.__cause__ is stray


def test_a_stray_cancellation_of_the_main_task_becomes_a_runtime_error(run: Run) -> None:
    """Rule 5.19: a `CancelledError` where no scope was cancelled."""

    async def main() -> None:
        raise giambio.CancelledError

    with pytest.raises(RuntimeError, match="none of its scopes was cancelled"):
        run(main)


def test_a_cancellation_kept_and_raised_later_becomes_a_runtime_error(run: Run) -> None:
    """Rule 5.19: a `CancelledError` where no scope was cancelled."""

    async def child() -> None:
        kept: list[BaseException] = []
        with giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await giambio.checkpoint()
            except giambio.CancelledError as exc:
                kept.append(exc)
                raise
        raise kept[0]

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)

    with pytest.raises(RuntimeError, match="none of its scopes was cancelled"):
        run(main)


def test_a_stray_cancellation_in_the_body_does_not_end_at_the_block(run: Run) -> None:
    """Rule 5.19: a `CancelledError` where no scope was cancelled."""

    async def main() -> None:
        tasks = []
        try:
            async with giambio.TaskManager() as manager:
                tasks.append(await manager.spawn(giambio.sleep_forever))
                raise giambio.CancelledError("by hand")
        finally:
            assert tasks[0].cancelled()

    with pytest.raises(RuntimeError, match="none of its scopes was cancelled"):
        run(main)


# -- duplicates -----------------------------------------------------------------------------


def test_a_failure_that_arrives_by_two_ways_is_reported_once(run: Run) -> None:
    """Rule 8.8: by itself and by a sibling that joined it."""
    error = ValueError("once")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(fail, error)
            for _ in range(3):
                await manager.spawn(join_shielded, task)
            await join_shielded(task)

    with pytest.raises(ValueError, match="once") as caught:
        run(main)
    assert caught.value is error


def test_duplicates_are_found_at_any_depth_of_groups(run: Run) -> None:
    """Rule 8.8: duplicates are found by identity at any depth of groups."""
    error, other = ValueError("once"), KeyError("other")

    async def wrap(task: giambio.Task[Any]) -> None:
        try:
            await join_shielded(task)
        except ValueError as exc:
            deep = ExceptionGroup("inner", [exc, other])
            raise ExceptionGroup("outer", [deep]) from None

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(fail, error)
            manager.start_soon(wrap, task)

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    first, second = caught.value.exceptions
    assert first is error
    assert isinstance(second, ExceptionGroup)
    assert second.message == "outer"
    (inner,) = second.exceptions
    assert isinstance(inner, ExceptionGroup)
    assert inner.exceptions == (other,)


def test_a_group_of_nothing_but_duplicates_is_dropped(run: Run) -> None:
    """Rule 8.8: duplicates are found by identity at any depth of groups."""
    error = ValueError("once")

    async def wrap(task: giambio.Task[Any]) -> None:
        try:
            await join_shielded(task)
        except ValueError as exc:
            raise ExceptionGroup("again", [exc]) from None

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(fail, error)
            await manager.spawn(wrap, task)

    with pytest.raises(ValueError, match="once") as caught:
        run(main)
    assert caught.value is error


def test_groups_may_be_nested_deeper_than_python_calls_go(run: Run) -> None:
    """Rule 8.10: nothing is ever lost, also not for a `RecursionError` of ours."""

    async def descend(depth: int) -> None:
        if depth == 0:
            raise KeyError("deep down")
        async with giambio.TaskManager(strict=True) as manager:
            await manager.spawn(descend, depth - 1)

    depth = sys.getrecursionlimit() // 2
    with pytest.raises(ExceptionGroup) as caught:
        run(descend, depth)
    found: BaseException = caught.value
    for _ in range(depth):
        assert isinstance(found, ExceptionGroup)
        (found,) = found.exceptions
    assert isinstance(found, KeyError)


def test_equal_errors_are_no_duplicates(run: Run) -> None:
    """Rule 8.8: duplicates are found by identity."""

    class Equal(Exception):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        def __hash__(self) -> int:
            return 1

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fail_at_once, Equal())
            manager.start_soon(fail_at_once, Equal())

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert len(caught.value.exceptions) == 2


# -- joining --------------------------------------------------------------------------------


def test_joining_a_failed_task_raises_its_own_exception(run: Run) -> None:
    """Rule 8.11: joining raises the task's own exception."""
    error = ValueError("own")

    async def main() -> None:
        caught: list[BaseException] = []
        try:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(fail, error)
                with giambio.CancelScope(shield=True):
                    for join in (lambda: task, task.join):
                        try:
                            await join()
                        except ValueError as exc:
                            caught.append(exc)
        except ValueError as exc:
            caught.append(exc)
        try:
            task.result()
        except ValueError as exc:
            caught.append(exc)
        assert caught == [error] * 4
        assert task.exception() is error

    run(main)


def test_observing_a_failure_does_not_handle_it(run: Run) -> None:
    """Rule 8.15: observing a failure by joining does not handle it."""

    async def main() -> str:
        try:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(fail, ValueError("x"))
                with giambio.CancelScope(shield=True), pytest.raises(ValueError, match="x"):
                    await task
        except ValueError:
            return "the block failed"
        return "swallowed"

    assert run(main) == "the block failed"


def test_joining_a_cancelled_task_raises_an_ordinary_exception(run: Run) -> None:
    """Rule 8.13: `TaskCancelled`, an ordinary exception."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever, name="victim")
            task.cancel("enough")
            message = r"task 'victim' was cancelled, .* \(reason: enough\)$"
            with pytest.raises(giambio.TaskCancelled, match=message):
                await task
            for ask in (task.result, task.exception):
                with pytest.raises(giambio.TaskCancelled, match=message):
                    ask()
        assert issubclass(giambio.TaskCancelled, Exception)

    run(main)


def test_asking_an_unfinished_task(run: Run) -> None:
    """Rule 8.14: `TaskNotFinished` before the end."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value, 1, name="slow")
            for what in ("result", "exception"):
                expected = rf"{what}\(\): task 'slow' still runs; await it"
                with pytest.raises(giambio.TaskNotFinished, match=expected):
                    getattr(task, what)()

    run(main)


def test_only_a_cancellation_escapes_except_exception() -> None:
    """Rule 19.7: all other errors of giambio's are ordinary ones, with one base."""
    errors = [
        value
        for value in map(giambio.__dict__.get, giambio.__all__)
        if isinstance(value, type) and issubclass(value, BaseException)
    ]
    assert len(errors) > 10
    assert [error for error in errors if not issubclass(error, giambio.GiambioError)] == [
        giambio.CancelledError
    ]
    assert issubclass(giambio.GiambioError, Exception)
    assert not issubclass(giambio.CancelledError, Exception)


def test_awaiting_oneself_is_an_error(run: Run) -> None:
    """Rule 8.16: awaiting oneself is an error."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def child() -> None:
                for join in (giambio.current_task, giambio.current_task().join):
                    with pytest.raises(RuntimeError, match="awaits itself, which would never end"):
                        await join()

            await manager.spawn(child)

    run(main)


def test_many_may_join_one_task(run: Run) -> None:
    async def main() -> list[object]:
        async def join(task: giambio.Task[Any]) -> object:
            return await task

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(value, "shared")
            joiners = [await manager.spawn(join, task) for _ in range(10)]
        return [joiner.result() for joiner in joiners]

    assert run(main) == ["shared"] * 10


def test_cancelling_a_joiner_does_not_cancel_the_task(run: Run) -> None:
    """Rule 5.17: cancelling a joiner never cancels the task."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            with giambio.move_on_after(0.001) as scope:
                await task
            assert scope.cancelled_caught
            await giambio.checkpoint()
            assert not task.done()
            task.cancel()

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_a_joiner_cancelled_in_the_turn_in_which_the_task_ends_is_cancelled(run: Run) -> None:
    """Rule 5.4: one that transferred nothing (join, …) raises."""

    async def main() -> None:
        results: list[object] = []
        async with giambio.TaskManager() as manager:
            scopes: list[giambio.CancelScope] = []

            async def target() -> None:
                await giambio.checkpoint()
                await giambio.checkpoint()
                scopes[0].cancel()

            async def join(task: giambio.Task[Any]) -> None:
                with giambio.CancelScope() as scope:
                    scopes.append(scope)
                    results.append(await task)
                results.append(scope.cancelled_caught)

            await manager.spawn(join, await manager.spawn(target))
        assert results == [True]

    run(main)


# -- tracebacks -------------------------------------------------------------------------------


def test_the_traceback_is_restored_each_time(run: Run) -> None:
    """Rule 8.12: the original traceback is restored each time."""
    error = ValueError("x")

    async def main() -> None:
        depths: list[int] = []
        with pytest.raises(ValueError, match="x"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(fail, error)
                with giambio.CancelScope(shield=True):
                    for _ in range(5):
                        try:
                            await task
                        except ValueError as exc:
                            depths.append(depth(exc))
        for _ in range(5):
            try:
                await task.join()
            except ValueError as exc:
                depths.append(depth(exc))
        assert depths == [2] * 10

    run(main)


def test_joiners_leave_no_trace_in_what_leaves_the_block(run: Run) -> None:
    """Rule 8.12: the original traceback is restored each time."""

    async def join(task: giambio.Task[Any]) -> None:
        with suppress(ValueError):
            await join_shielded(task)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(fail, ValueError("x"))
            await manager.spawn(join, task)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert "join" not in names
    assert names[-2:] == ["main", "fail"]


def test_joiners_leave_no_trace_in_a_group(run: Run) -> None:
    """Rule 8.12: the original traceback is restored each time."""

    async def main() -> None:
        async with giambio.TaskManager(strict=True) as manager:
            task = await manager.spawn(fail, ValueError("x"))
            await manager.spawn(join_shielded, task)

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    (error,) = caught.value.exceptions
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert names == ["fail"]


def test_result_restores_the_traceback_each_time(run: Run) -> None:
    """Rule 8.12: the original traceback is restored each time."""

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(fail, ValueError("x"))
        depths = set()
        for _ in range(5):
            try:
                task.result()
            except ValueError as exc:
                depths.add(depth(exc))
        assert len(depths) == 1

    run(main)


# -- context and cause ------------------------------------------------------------------------


async def fail_with_context() -> None:
    await giambio.checkpoint()
    try:
        raise KeyError("own context")
    except KeyError:
        raise ValueError("x")  # noqa: B904  # the context is the subject


async def fail_with_cause() -> None:
    await giambio.checkpoint()
    raise ValueError("x") from KeyError("own cause")


def test_a_failure_does_not_get_the_bodys_cancellation_as_context(run: Run) -> None:
    """Rule 8.18: a failure leaves the block as itself."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail, ValueError("x"))
            await giambio.sleep_forever()

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("waiting", [True, False])
def test_a_failure_keeps_its_own_context(run: Run, waiting: bool) -> None:
    """Rule 8.18: a failure leaves the block as itself."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_with_context)
            if waiting:
                await giambio.sleep_forever()

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__context__) == "KeyError('own context')"


@pytest.mark.parametrize("waiting", [True, False])
def test_a_failure_keeps_its_own_context_when_the_block_is_in_an_except_clause(
    run: Run, waiting: bool
) -> None:
    """Rule 8.18: a failure leaves the block as itself."""

    async def main() -> None:
        try:
            raise OSError("handled")
        except OSError:
            async with giambio.TaskManager() as manager:
                await manager.spawn(fail_with_context)
                if waiting:
                    await giambio.sleep_forever()

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__context__) == "KeyError('own context')"


def test_a_joiner_in_an_except_clause_does_not_change_the_context(run: Run) -> None:
    """Rule 8.18: a failure leaves the block as itself."""

    async def join(task: giambio.Task[Any]) -> None:
        try:
            raise OSError("handled")
        except OSError:
            with suppress(ValueError):
                await join_shielded(task)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(fail_with_context)
            await manager.spawn(join, task)

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__context__) == "KeyError('own context')"


@pytest.mark.parametrize("waiting", [True, False])
def test_a_failure_keeps_its_cause(run: Run, waiting: bool) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail_with_cause)
            if waiting:
                await giambio.sleep_forever()

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert repr(caught.value.__cause__) == "KeyError('own cause')"
    assert caught.value.__suppress_context__


def test_a_group_has_no_cancellation_as_context(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fail_at_once, ValueError(1))
            manager.start_soon(fail_at_once, ValueError(2))
            await giambio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.value.__context__ is None


def test_an_error_raised_while_the_body_is_cancelled_keeps_its_context(run: Run) -> None:
    """What the body raises in its clean-up was raised there: Python's context stays."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.cancel()
            try:
                await giambio.checkpoint()
            finally:
                raise ValueError("clean-up")

    with pytest.raises(ValueError, match="clean-up") as caught:
        run(main)
    assert isinstance(caught.value.__context__, giambio.CancelledError)


def test_nested_managers_pass_one_failure_on_as_itself(run: Run) -> None:
    """Rule 8.3: one real failure leaves the block as itself."""
    error = ValueError("deep")

    async def nest(levels: int) -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever)
            if levels:
                await manager.spawn(nest, levels - 1)
            else:
                await manager.spawn(fail, error)
            await giambio.sleep_forever()

    with pytest.raises(ValueError, match="deep") as caught:
        run(nest, 5)
    assert caught.value is error
    assert caught.value.__context__ is None


def test_an_exception_of_a_callback_while_the_main_task_joins_fails_the_block(run: Run) -> None:
    """Rule 1.12: an exception from a plain callback is raised into the main task."""

    def broken() -> None:
        raise KeyError("callback")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            giambio.current_loop().call_soon(broken)
        pytest.fail(f"not reached: {task}")

    with pytest.raises(KeyError, match="callback"):
        run(main)
