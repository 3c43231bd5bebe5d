"""`manager.start`: a task that reports when it is ready."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

import giambio
from support.kernel import turns

Run = Callable[..., Any]
Status = giambio.TaskStatus


async def server(port: int, *, task_status: Status) -> str:
    await giambio.checkpoint()
    task_status.started(port)
    await giambio.checkpoint()
    return "served"


async def never_ready(*, task_status: Status) -> None:
    await giambio.sleep_forever()


async def fail(error: BaseException) -> None:
    await giambio.checkpoint()
    raise error


def test_start_returns_what_was_given_to_started(run: Run) -> None:
    """Rule 7.16: it returns what was given to `started`."""

    async def main() -> int:
        async with giambio.TaskManager() as manager:
            return await manager.start(server, 8080)

    assert run(main) == 8080


def test_started_without_a_value(run: Run) -> None:
    async def child(task_status: Status) -> None:
        task_status.started()

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            return await manager.start(child)

    assert run(main) is None


def test_started_may_be_called_at_once(run: Run) -> None:
    async def child(task_status: Status) -> None:
        task_status.started("at once")

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            return await manager.start(child)

    assert run(main) == "at once"


def test_started_may_be_called_while_the_function_is_called(run: Run) -> None:
    """A function that reports before it returns its coroutine."""

    def function(task_status: Status) -> Awaitable[None]:
        with pytest.raises(RuntimeError, match="before the task had begun"):
            task_status.started("too early")
        return child(task_status)

    async def child(task_status: Status) -> None:
        task_status.started("in time")

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            return await manager.start(function)

    assert run(main) == "in time"


@pytest.mark.usefixtures("in_turn")
def test_the_task_belongs_to_the_manager_afterwards(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(server, 1)
            (task,) = manager._children
            assert task.name == f"{__name__}.server"
        assert task.result() == "served"

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_the_name_is_the_one_given(run: Run) -> None:
    async def main() -> str:
        async with giambio.TaskManager() as manager:
            await manager.start(server, 1, name="web")
            return next(iter(manager._children)).name

    assert run(main) == "web"


def test_a_failure_before_started_comes_out_of_start(run: Run) -> None:
    """Rule 7.18: its failure comes out of `start`, not of the block."""

    async def child(task_status: Status) -> None:
        await giambio.checkpoint()
        raise ValueError("no port")

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            with pytest.raises(ValueError, match="no port"):
                await manager.start(child)
            await giambio.checkpoint()
        return "went on"

    assert run(main) == "went on"


def test_a_failure_after_started_comes_out_of_the_block(run: Run) -> None:
    """Rule 7.18: a failure after `started()` is the block's."""

    async def child(task_status: Status) -> None:
        task_status.started()
        await giambio.checkpoint()
        raise ValueError("later")

    async def main() -> None:
        with pytest.raises(ValueError, match="later"):
            async with giambio.TaskManager() as manager:
                await manager.start(child)
                await giambio.sleep_forever()

    run(main)


def test_a_failure_in_the_very_step_of_started_comes_out_of_the_block(run: Run) -> None:
    async def child(task_status: Status) -> None:
        task_status.started("ready")
        raise ValueError("at once")

    async def main() -> None:
        values = []
        with pytest.raises(ValueError, match="at once"):
            async with giambio.TaskManager() as manager:
                values.append(await manager.start(child))
                await giambio.sleep_forever()
        assert values == ["ready"]

    run(main)


def test_ending_without_started_is_an_error(run: Run) -> None:
    """Rule 7.19: ending without `started()` is a `RuntimeError`."""

    async def child(task_status: Status) -> None:
        await giambio.checkpoint()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            expected = r"child' ended without calling task_status.started\(\)"
            with pytest.raises(RuntimeError, match=expected):
                await manager.start(child)

    run(main)


def test_started_twice_is_an_error(run: Run) -> None:
    """Rule 7.19: calling it twice is a `RuntimeError`."""

    async def child(task_status: Status) -> None:
        task_status.started()
        with pytest.raises(RuntimeError, match="called a second time"):
            task_status.started()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(child)

    run(main)


def test_started_after_the_end_is_an_error(run: Run) -> None:
    statuses: list[Status] = []

    async def child(task_status: Status) -> None:
        statuses.append(task_status)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(RuntimeError, match="ended without"):
                await manager.start(child)
            with pytest.raises(RuntimeError, match="after the task had ended"):
                statuses[0].started()

    run(main)


def test_the_child_is_in_the_callers_scopes_until_started(run: Run) -> None:
    """Rule 7.17: until `started()` it is cancelled with the caller's scopes."""

    async def main() -> None:
        seen: list[object] = []

        async def child(task_status: Status) -> None:
            try:
                await giambio.sleep_forever()
            except giambio.CancelledError as exc:
                seen.append(exc.reason)
                raise

        async with giambio.TaskManager() as manager:
            with giambio.move_on_after(0.001) as scope:
                await manager.start(child)
            assert scope.cancelled_caught
            assert len(manager._children) == 0
        assert seen == ["the deadline has passed"]

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_after_started_the_callers_scopes_do_not_reach_the_child(run: Run) -> None:
    """Rule 7.17: afterwards the caller's scopes do not reach it."""

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            with giambio.CancelScope() as scope:
                await manager.start(server, 1)
                (task,) = manager._children
                scope.cancel()
            return await task

    assert run(main) == "served"


@pytest.mark.parametrize("inside", [False, True], ids=["directly", "inside of a scope"])
def test_cancelling_the_callers_task_cancels_the_child(run: Run, inside: bool) -> None:
    """Rule 7.17: the child was there before the caller's own scope, which a cancellation makes."""

    async def main() -> None:
        told: list[str] = []

        async def child(task_status: Status) -> None:
            try:
                await giambio.sleep_forever()
            except giambio.CancelledError as exc:
                told.append(f"child: {exc.reason}")
                raise

        async def caller(manager: giambio.TaskManager) -> None:
            if inside:
                with giambio.CancelScope():
                    await manager.start(child)
            else:
                await manager.start(child)
            told.append("never")

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(caller, manager)
            await turns(3)
            assert task.cancel("enough")
        assert task.cancelled()
        assert told == ["child: enough"]

    run(main)


def test_a_cancelled_caller_joins_the_child_first(run: Run) -> None:
    """Rule 7.20: cancelling the caller joins the child first."""

    async def main() -> None:
        order: list[str] = []

        async def child(task_status: Status) -> None:
            try:
                await giambio.sleep_forever()
            finally:
                for _ in range(5):
                    await giambio.cancel_shielded_checkpoint()
                order.append("child")

        async with giambio.TaskManager() as manager:
            with giambio.move_on_after(0.001):
                try:
                    await manager.start(child)
                finally:
                    order.append("caller")
        assert order == ["child", "caller"]

    run(main)


def test_a_child_that_fails_when_the_caller_is_cancelled_fails_start(run: Run) -> None:
    """Rule 7.18: its failure comes out of `start`."""

    async def child(task_status: Status) -> None:
        try:
            await giambio.sleep_forever()
        finally:
            raise ValueError("in the clean-up")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(ValueError, match="in the clean-up"), giambio.move_on_after(0.001):
                await manager.start(child)

    run(main)


def test_a_child_that_reports_although_it_was_cancelled_is_kept(run: Run) -> None:
    """Rule 5.3: an operation that transferred something keeps its result."""

    async def child(task_status: Status) -> str:
        try:
            await giambio.sleep_forever()
        except giambio.CancelledError:
            task_status.started("after all")
            return "swallowed"
        return "not reached"

    async def main() -> None:
        values = []
        async with giambio.TaskManager() as manager:
            with giambio.move_on_after(0.001) as scope:
                values.append(await manager.start(child))
                await giambio.checkpoint()
            assert scope.cancelled_caught
        assert values == ["after all"]

    run(main)


def test_a_child_that_swallows_the_cancellation_and_ends_is_an_error(run: Run) -> None:
    async def child(task_status: Status) -> None:
        with suppress(giambio.CancelledError):
            await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with (
                pytest.raises(RuntimeError, match="ended without calling"),
                giambio.move_on_after(0.001),
            ):
                await manager.start(child)

    run(main)


def test_start_in_a_cancelled_scope_starts_nothing(run: Run) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> None:
        calls = []

        async def child(task_status: Status) -> None:
            calls.append(1)

        async with giambio.TaskManager() as manager:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await manager.start(child)
            assert scope.cancelled_caught
        assert calls == []

    run(main)


def test_a_child_cancelled_by_itself_is_no_cancellation_of_the_caller(run: Run) -> None:
    """Rule 8.13: `TaskCancelled` (an ordinary exception) when it was cancelled."""

    async def child(task_status: Status) -> None:
        giambio.current_task().cancel()
        await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(giambio.TaskCancelled, match="cancelled before it was ready"):
                await manager.start(child)

    run(main)


def test_a_failing_sibling_cancels_the_child_that_is_starting(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="sibling"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(fail, ValueError("sibling"))
                await manager.start(never_ready)

    run(main)


def test_start_from_another_task_than_the_host(run: Run) -> None:
    async def starter(manager: giambio.TaskManager) -> int:
        return await manager.start(server, 5)

    async def main() -> int:
        async with giambio.TaskManager() as outer, giambio.TaskManager() as manager:
            return await (await outer.spawn(starter, manager))

    assert run(main) == 5


def test_started_when_the_block_was_left_meanwhile_is_an_error(run: Run) -> None:
    """Rule 7.9: spawning after it was left is an error."""
    problems: list[BaseException] = []
    begun = giambio.Event()
    left = giambio.Event()

    async def child(task_status: Status) -> None:
        begun.set()
        await left.wait()
        try:
            task_status.started()
        except giambio.RunFinishedError as exc:
            problems.append(exc)
            raise

    async def starter(manager: giambio.TaskManager) -> None:
        with pytest.raises(giambio.RunFinishedError, match="left already"):
            await manager.start(child)

    async def main() -> None:
        async with giambio.TaskManager() as outer:
            async with giambio.TaskManager() as manager:
                task = await outer.spawn(starter, manager)
                await begun.wait()
            left.set()
            await task

    run(main)
    assert len(problems) == 1


def test_started_moves_into_a_cancelled_manager(run: Run) -> None:
    """The child is cancelled at its next checkpoint; the caller goes on."""

    async def main() -> object:
        tasks: list[giambio.Task[Any]] = []

        async def child(task_status: Status) -> None:
            tasks.append(giambio.current_task())
            await giambio.checkpoint()
            task_status.started("moved")
            await giambio.checkpoint()
            pytest.fail("the manager is cancelled")

        async def starter(manager: giambio.TaskManager) -> object:
            return await manager.start(child)

        async with giambio.TaskManager() as outer, giambio.TaskManager() as manager:
            starting = await outer.spawn(starter, manager)
            await giambio.checkpoint()
            manager.cancel()
            with giambio.CancelScope(shield=True):
                value = await starting
        assert tasks[0].cancelled()
        return value

    assert run(main) == "moved"


def test_nested_tasks_of_the_starting_child_move_with_it(run: Run) -> None:
    async def child(task_status: Status) -> None:
        async with giambio.TaskManager() as inner:
            await inner.spawn(giambio.sleep_forever)
            task_status.started(inner)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with giambio.CancelScope() as scope:
                inner = await manager.start(child)
                scope.cancel()
            await giambio.checkpoint()
            (task,) = inner._children
            assert not task.done()
            manager.cancel()
        assert task.cancelled()

    run(main)


@pytest.mark.parametrize("value", [5, None])
def test_start_needs_a_function(run: Run, value: Any) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            expected = r"start\(\) needs an async function that takes task_status"
            with pytest.raises(TypeError, match=expected):
                await manager.start(value)

    run(main)


def test_start_of_a_coroutine_is_refused_and_closes_it(run: Run) -> None:
    async def child() -> None:
        pass

    async def main() -> None:
        coro = child()
        async with giambio.TaskManager() as manager:
            expected = r"start\(\) needs an async function that takes task_status"
            with pytest.raises(TypeError, match=expected):
                await manager.start(coro)
        assert coro.cr_frame is None

    run(main)


def test_a_name_that_is_no_string_is_refused(run: Run) -> None:
    """Rule 19.1: the error names the mistake."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match=r"name= needs a string, not 1"):
                await manager.start(server, name=1)  # type: ignore[arg-type]

    run(main)


def test_start_of_a_sync_function_names_it(run: Run) -> None:
    """Rule 19.4: a clear exception that names the mistake."""

    def not_async(task_status: Status) -> int:
        return 5

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match=r"not_async\(\) returned 5, which cannot be await"):
                await manager.start(not_async)

    run(main)


def test_a_function_without_task_status_says_so(run: Run) -> None:
    async def child() -> None:
        pass

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(TypeError, match="task_status"):
                await manager.start(child)

    run(main)


def test_partials_and_keyword_arguments(run: Run) -> None:
    """Rule 7.16: `task_status` is passed by keyword."""

    async def child(a: int, *, b: int, task_status: Status) -> None:
        task_status.started((a, b))

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            assert await manager.start(child, 1, b=2) == (1, 2)
            return await manager.start(functools.partial(child, b=2), 1)

    assert run(main) == (1, 2)


def test_the_options_of_start(run: Run) -> None:
    """Rules 7.12, 7.29, 7.30: as those of `spawn`; and `task_status` is always ours."""
    variable = contextvars.ContextVar("variable", default=0)
    context = contextvars.copy_context()
    context.run(variable.set, 1)

    async def child(*, task_status: Status) -> None:
        task_status.started((giambio.current_task().name, variable.get()))

    async def named(name: str, *, task_status: Status) -> None:
        task_status.started(name)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            assert await manager.start(child, name="n", context=context) == ("n", 1)
            with pytest.raises(TypeError, match=r"name= is the task's, but .* could take it too"):
                manager.start(named, name="n")
            with pytest.raises(TypeError, match=r"start\(\) passes a task_status of its own"):
                manager.start(child, task_status=None)

    run(main)


def test_start_on_a_manager_not_entered_or_left(run: Run) -> None:
    async def main() -> None:
        manager = giambio.TaskManager()
        with pytest.raises(RuntimeError, match="not entered yet"):
            await manager.start(server, 1)
        async with manager:
            pass
        with pytest.raises(giambio.RunFinishedError, match="left already"):
            await manager.start(server, 1)

    run(main)


def test_a_forgotten_start_warns(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.warns(RuntimeWarning, match=r"TaskManager.start\(\) was never awaited"):
                manager.start(server, 1)

    run(main)


def test_start_does_not_wait_for_a_place(run: Run) -> None:
    """Rule 7.15: the limit is for `spawn`; a server in a full manager reports at once."""

    async def main() -> list[str]:
        async with giambio.TaskManager(limit=1) as manager:
            full = manager.start_soon(giambio.sleep_forever)
            assert await manager.start(server, 8080) == 8080
            with pytest.raises(giambio.WouldBlock):
                manager.start_soon(giambio.checkpoint)
            assert not full.done()
            (task,) = set(manager._children) - {full}
            full.cancel()
            return [await task]

    assert run(main) == ["served"]


def test_the_error_of_a_callback_reaches_a_caller_that_waits_in_start(run: Run) -> None:
    """Rule 1.12: an exception from a plain callback is raised into the main task."""

    def broken() -> None:
        raise KeyError("callback")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            giambio.current_loop().call_soon(broken)
            await manager.start(never_ready)

    with pytest.raises(KeyError, match="callback"):
        run(main)


def test_task_status_is_not_picklable_and_final() -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (giambio.TaskStatus,), {})
