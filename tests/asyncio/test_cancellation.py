"""Two kinds of cancellation in one task: a scope's, which is a level, and asyncio's, an edge."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.kernel import turns

Run = Callable[..., Any]

BY_IDENTITY = sys.version_info < (3, 13)


def test_a_scope_cancels_a_wait_of_asyncios(run: Run) -> None:
    """Rule 24.7: and catches what comes out of it."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        with giambio.move_on_after(0.01) as scope:
            await future
        assert scope.cancelled_caught
        assert future.cancelled()

    run(main)


def test_a_wait_of_asyncios_is_told_once_and_one_of_giambios_again(run: Run) -> None:
    """Rule 24.7: clean-ups written for asyncio can wait."""
    seen: list[str] = []

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel("enough")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as exc:
                seen.append(str(exc))
                await asyncio.sleep(0.01)
                await asyncio.sleep(0)
                seen.append("cleaned up")
                with pytest.raises(giambio.CancelledError, match="enough"):
                    await giambio.checkpoint()
                raise
        assert scope.cancelled_caught

    run(main)
    assert seen == ["enough" if BY_IDENTITY else "cancelled: enough", "cleaned up"]


def test_a_wait_of_asyncios_does_not_hear_of_a_stop_but_of_the_cancellation_after_it(
    run: Run,
) -> None:
    """Rules 23.3, 23.5: it waits on, also for what comes meanwhile, unless a block is cut short."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        with giambio.CancelScope() as scope:
            scope.stop(grace=0.05, reason="enough")
            with giambio.cancel_on_stop() as block:
                await asyncio.sleep(60)
            assert block.cancelled_caught
            asyncio.get_running_loop().call_later(0.01, future.set_result, "an answer")
            assert await asyncio.wait_for(future, 60) == "an answer"
            assert giambio.stopping()
            await asyncio.sleep(60)
        assert scope.cancelled_caught

    run(main)


def test_the_error_of_a_future_that_a_cancel_replaces_is_not_reported(run: Run) -> None:
    """Rule 24.26: asyncio's task looks at the future's outcome, too, and raises the other."""
    reported: list[Any] = []

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        future = loop.create_future()
        task = loop.create_task(wait(future))
        await asyncio.sleep(0)
        future.set_exception(ZeroDivisionError())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del future, task
        gc.collect()

    run(main)
    assert not reported


def test_an_outer_scope_is_told_after_an_inner_one(run: Run) -> None:
    """Rule 24.7: once per scope and task."""
    seen: list[str] = []

    async def main() -> None:
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:
            inner.cancel()
            for scope in ("inner", "outer"):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    seen.append(scope)
                    outer.cancel()
            await asyncio.sleep(0)
            seen.append("goes on")
            await giambio.checkpoint()

    run(main)
    assert seen == ["inner", "outer", "goes on"]


def test_a_bare_yield_in_a_cancelled_scope_is_a_wait_of_asyncios(run: Run) -> None:
    """Rule 24.7: told once, too."""
    told = 0

    async def main() -> None:
        nonlocal told
        with giambio.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    told += 1

    run(main)
    assert told == 1


def test_asyncios_condition_does_not_spin_in_a_cancelled_scope(run: Run) -> None:
    """Rule 24.7: it takes its lock again, however often it is cancelled."""

    async def main() -> None:
        condition = asyncio.Condition()
        async with giambio.TaskManager() as manager:

            async def waits() -> None:
                async with condition:
                    await condition.wait()

            task = await manager.spawn(waits)
            await asyncio.sleep(0)
            await condition.acquire()
            task.cancel()
            await turns(5)
            assert not task.done()
            condition.release()

    run(main)


def test_when_the_future_wins_its_result_stands(run: Run) -> None:
    """Rule 24.8: the scope has told nobody, so the next wait raises."""
    seen: list[Any] = []

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            giambio.current_loop().call_soon(future.set_result, "won")
            seen.append(await future)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("told")
                raise

    run(main)
    assert seen == ["won", "told"]


def test_a_future_that_cannot_be_cancelled_is_waited_for(run: Run) -> None:
    """Rule 24.8: as on asyncio's loop; the next wait raises."""
    seen: list[Any] = []

    class Stubborn(asyncio.Future[Any]):
        def cancel(self, msg: Any = None) -> bool:
            return False

    async def main() -> None:
        future = Stubborn()
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            giambio.current_loop().call_later(0.01, future.set_result, "result")
            seen.append(await future)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("told")
                raise

    run(main)
    assert seen == ["result", "told"]


def test_a_withdrawn_cancellation_does_not_touch_the_future(run: Run) -> None:
    """Rules 3.8, 3.9: nobody could undo what aborting it did."""

    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:

            def cancel_and_shield() -> None:
                outer.cancel()
                inner.shield = True
                future.set_result("result")

            giambio.current_loop().call_soon(cancel_and_shield)
            return await future  # type: ignore[no-any-return]
        raise AssertionError("unreachable")

    assert run(main) == "result"


def test_a_cancelled_wait_can_be_shielded(run: Run) -> None:
    """Rule 24.7: by giambio's shield against scopes."""

    async def main() -> str:
        with giambio.CancelScope() as outer:
            outer.cancel()
            with giambio.CancelScope(shield=True):
                return await asyncio.sleep(0.01, "shielded")
        raise AssertionError("unreachable")

    assert run(main) == "shielded"


def test_a_scopes_class_is_both(run: Run) -> None:
    """Rules 3.10, 24.14: so asyncio's blocks know it, and `except` of either kind."""
    caught: list[BaseException] = []

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel("enough")
            try:
                await giambio.checkpoint()
            except asyncio.CancelledError as exc:
                caught.append(exc)
                raise

    run(main)
    (exc,) = caught
    assert isinstance(exc, giambio.CancelledError)
    assert exc.reason == "enough"
    assert type(exc).__name__ == "CancelledError"
    assert type(pickle.loads(pickle.dumps(exc))) is giambio.CancelledError


def test_a_scope_around_asyncios_task_group_catches_its_own(run: Run) -> None:
    """Rule 24.14: with an operation of giambio's or asyncio's inside."""

    async def main() -> None:
        for wait in (giambio.sleep_forever, asyncio.get_running_loop().create_future):
            with giambio.move_on_after(0.01) as scope:
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(60))
                    await wait()  # type: ignore[operator]
            assert scope.cancelled_caught

    run(main)


@pytest.mark.parametrize("inner", ["giambio", "asyncio", "manager"])
def test_a_timeout_of_asyncios_works_around_everything(run: Run, inner: str) -> None:
    """Rules 24.9, 24.15: the manager re-raises the very exception."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                if inner == "giambio":
                    await giambio.sleep_forever()
                elif inner == "asyncio":
                    await asyncio.sleep(60)
                else:
                    async with giambio.TaskManager() as manager:
                        await manager.spawn(giambio.sleep_forever)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await giambio.checkpoint()  # nothing is left

    run(main)


def test_a_timeout_of_asyncios_in_the_body_of_a_manager(run: Run) -> None:
    """Rule 24.15: what entered the body leaves the block."""

    async def main() -> None:
        async def body() -> None:
            async with giambio.TaskManager() as manager:
                await manager.spawn(giambio.sleep_forever)
                await giambio.sleep_forever()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(body(), 0.01)

    run(main)


def test_a_manager_that_is_cancelled_by_asyncio_and_fails_raises_the_failure(run: Run) -> None:
    """Rule 24.15: unless something fails, as in asyncio's `TaskGroup`."""

    async def fails() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            raise KeyError("clean-up")

    async def main() -> None:
        async def block() -> None:
            async with giambio.TaskManager() as manager:
                await manager.spawn(fails)

        task = asyncio.create_task(block())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(KeyError, match="clean-up"):
            await task

    run(main)


def test_cancel_is_an_edge_wherever_the_task_waits(run: Run) -> None:
    """Rule 24.9: raised once; what is awaited after it goes on."""
    seen: list[str] = []

    async def task(wait: Callable[[], Any]) -> str:
        try:
            await wait()
        except asyncio.CancelledError:
            seen.append("told")
        await giambio.checkpoint()
        await asyncio.sleep(0)
        return "went on"

    async def main() -> None:
        for wait in (giambio.sleep_forever, lambda: asyncio.sleep(60), giambio.Event().wait):
            one = asyncio.create_task(task(wait))
            await asyncio.sleep(0.01)
            assert one.cancel("why")
            assert await one == "went on"

    run(main)
    assert seen == ["told"] * 3


def test_a_task_that_is_cancelled_before_it_has_begun_never_runs(run: Run) -> None:
    """Rule 24.9: as on asyncio's loop."""
    began: list[bool] = []

    async def begins() -> None:
        began.append(True)

    async def main() -> None:
        task = asyncio.create_task(begins())
        task.cancel("at once")
        with pytest.raises(asyncio.CancelledError, match="at once"):
            await task
        assert task.cancelled()

    run(main)
    assert began == []


def test_cancelling_a_task_loses_nothing_that_giambio_gave_it(run: Run) -> None:
    """Rule 24.9: a lock that it got is its own, and released."""

    async def main() -> None:
        lock = giambio.Lock()
        await lock.acquire()

        async def holds() -> None:
            async with lock:
                await giambio.sleep_forever()

        task = asyncio.create_task(holds())
        await asyncio.sleep(0.01)
        lock.release()  # it is the task's from now on, before the task runs
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not lock.locked()

    run(main)


def test_a_task_cancels_itself_at_its_next_wait(run: Run) -> None:
    """Rule 24.9: of either kind."""

    async def main() -> None:
        for wait in (giambio.checkpoint, lambda: asyncio.sleep(60), lambda: asyncio.sleep(0)):

            async def itself(wait: Callable[[], Any] = wait) -> None:
                task = asyncio.current_task()
                assert task is not None
                task.cancel("me")
                await wait()

            task = asyncio.create_task(itself())
            with pytest.raises(asyncio.CancelledError, match="me"):
                await task

    run(main)


def test_a_task_that_is_cancelled_twice_is_told_once(run: Run) -> None:
    """Rule 24.9: with the last message, as asyncio's tasks are."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel("first")
        task.cancel("second")
        with pytest.raises(asyncio.CancelledError, match="second"):
            await giambio.checkpoint()
        await giambio.checkpoint()

    run(main)


def test_timeouts_of_asyncios_that_end_at_once_are_one_timeout(run: Run) -> None:
    """Rule 24.9: both cancel the task before it is told."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(-1):
                async with asyncio.timeout(-1):
                    await giambio.sleep_forever()
        await giambio.checkpoint()

    run(main)


def test_a_scope_whose_cancellation_gave_way_to_asyncios_is_told_later(run: Run) -> None:
    """Rule 24.8: it was not raised, so the task was not told."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        with giambio.CancelScope() as scope:
            scope.cancel("enough")
            asyncio.get_running_loop().call_soon(task.cancel, "asyncio's")
            with pytest.raises(asyncio.CancelledError, match="asyncio's"):
                await asyncio.sleep(0)
            task.uncancel()
            with pytest.raises(asyncio.CancelledError, match="enough"):
                await asyncio.sleep(60)
            await giambio.checkpoint()
        assert scope.cancelled_caught

    run(main)


def test_cancelling_a_task_does_not_lose_an_error_of_the_program(run: Run) -> None:
    """Rule 24.9: the error was on its way when the task was cancelled."""

    def fails() -> None:
        raise ValueError("in a callback")

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        giambio.current_loop().call_soon(fails)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(ValueError, match="in a callback"):
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await giambio.checkpoint()

    run(main)


@pytest.mark.skipif(BY_IDENTITY, reason="uncancel() withdraws from Python 3.13 on")
def test_uncancel_withdraws_what_was_not_delivered(run: Run) -> None:
    """Rule 24.9: as asyncio's tasks do."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for wait in (giambio.checkpoint, lambda: asyncio.sleep(0)):
            task.cancel()
            assert task.uncancel() == 0
            await wait()

    run(main)


def test_the_very_exception_comes_out_of_the_task(run: Run) -> None:
    """Rule 24.9: its message and its traceback are not lost."""
    raised: list[BaseException] = []

    async def waits() -> None:
        try:
            await giambio.sleep_forever()
        except asyncio.CancelledError as exc:
            raised.append(exc)
            raise

    async def main() -> None:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel("message")
        try:
            await task
        except asyncio.CancelledError as exc:
            raised.append(exc)

    run(main)
    assert raised[0] is raised[1]
    assert raised[0].args == ("message",)


def test_a_native_child_that_asyncio_cancels_does_not_fail_its_block(run: Run) -> None:
    """Rule 24.10: it ends *cancelled*."""
    facades: list[Any] = []

    async def child() -> None:
        facades.append(asyncio.current_task())
        await asyncio.sleep(60)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            sibling = await manager.spawn(giambio.sleep, 0.02)
            await giambio.sleep(0.01)
            facades[0].cancel("by asyncio")
        assert task.cancelled()
        assert not sibling.cancelled()
        assert facades[0].cancelled()
        with pytest.raises(giambio.TaskCancelled):
            task.result()

    run(main)


def test_main_that_asyncio_cancels_raises_asyncios_error(run: Run) -> None:
    """Rule 24.10: as `asyncio.run` does."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        giambio.current_loop().call_soon(task.cancel, "enough")
        await giambio.sleep_forever()

    with pytest.raises(asyncio.CancelledError, match="enough"):
        run(main)


def test_a_shield_of_giambios_does_not_hold_off_asyncios_cancel(run: Run) -> None:
    """Rule 24.11: it could not tell an `asyncio.timeout` inside it from one outside."""

    async def main() -> None:
        with giambio.CancelScope(shield=True), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await giambio.sleep_forever()

    run(main)


def test_a_cancelled_future_passes_its_error_on(run: Run) -> None:
    """Rule 24.12: no scope is cancelled, so at the end of a native task it is an ordinary error."""

    async def awaits() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel("theirs")
        await future

    async def main() -> None:
        with pytest.raises(RuntimeError, match="none of its scopes was cancelled") as caught:
            async with giambio.TaskManager() as manager:
                await manager.spawn(awaits)
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)

    run(main)


def test_a_cancelled_scope_cancels_the_asyncio_task_that_it_awaits(run: Run) -> None:
    """Rule 24.13: unless `asyncio.shield` protects it."""

    async def main() -> None:
        plain, shielded = (asyncio.create_task(asyncio.sleep(0.05, "slept")) for _ in range(2))
        with giambio.move_on_after(0.01):
            await plain
        with giambio.move_on_after(0.01):
            await asyncio.shield(shielded)
        assert plain.cancelled()
        assert await shielded == "slept"

    run(main)


def test_a_scope_waits_for_the_clean_up_of_the_asyncio_task(run: Run) -> None:
    """Rule 24.13: as a task of asyncio's that awaits another one does."""
    order: list[str] = []

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            order.append("cleaned up")

    async def main() -> None:
        task = asyncio.create_task(cleans_up())
        await asyncio.sleep(0)
        with giambio.move_on_after(0.01):
            await task
        order.append("left")

    run(main)
    assert order == ["cleaned up", "left"]


def test_an_error_of_the_program_does_not_wait_for_a_future(run: Run) -> None:
    """Rule 24.8: a callback that fails ends main, whatever that awaits."""

    class Stubborn(asyncio.Future[Any]):
        def cancel(self, msg: Any = None) -> bool:
            return False

    def fails() -> None:
        raise KeyError("callback")

    async def main() -> None:
        giambio.current_loop().call_soon(fails)
        await Stubborn()

    with pytest.raises(KeyError, match="callback"):
        run(main)


def test_a_manager_in_a_task_of_asyncios_that_is_cancelled(run: Run) -> None:
    """Rules 24.9, 24.15: its children end before the task does."""
    ended: list[str] = []

    async def child() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0.01)
            ended.append("child")

    async def task() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)

    async def main() -> None:
        one = asyncio.create_task(task())
        await asyncio.sleep(0.01)
        one.cancel("now")
        with pytest.raises(asyncio.CancelledError, match="now"):
            await one
        ended.append("task")

    run(main)
    assert ended == ["child", "task"]


def test_no_warning_about_cancelled_tasks(run: Run) -> None:
    """Rule 24.4: none is destroyed while it is pending."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        async def main() -> None:
            tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(10)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        run(main)
