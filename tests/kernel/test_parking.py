"""Parking: how a task waits, is woken, is interrupted, and which wins when both happen.

`Wait` is the bare park, with an abort function of the test's own; the parks of
the public operations (sleep, join) stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.kernel.operation import Wait
from support.kernel import ManualClock, finish, turns

Run = Callable[..., Any]


async def outcome_of(wait: Any) -> object:
    """Await something, and return what came of it."""
    try:
        return await wait
    except BaseException as exc:
        return exc


def refuse() -> bool:
    """An abort that answers *not yet*."""
    return False


# -- wake ----------------------------------------------------------------------


def test_a_wake_gives_its_result_to_the_one_who_waits(run: Run) -> None:
    async def main() -> object:
        wait = Wait()
        giambio.current_loop().call_soon(wait.wake, "result")
        return await wait

    assert run(main) == "result"


@pytest.mark.parametrize(
    "result",
    [None, 0, (), (1, 2), [], StopIteration(3), ValueError("a value"), KeyError, b"", False],
    ids=repr,
)
def test_every_kind_of_result_arrives_as_it_is(run: Run, result: object) -> None:
    """StopIteration treats tuples and exceptions as arguments: the kernel must not."""

    async def main() -> tuple[object, object]:
        early, late = Wait(), Wait()
        early.wake(result)
        giambio.current_loop().call_soon(late.wake, result)
        return await early, await late

    early, late = run(main)
    assert early is result
    assert late is result


def test_a_wake_before_the_wait_has_begun_is_kept(run: Run) -> None:
    async def main() -> object:
        wait = Wait()
        assert wait.wake("early")
        return await wait

    assert run(main) == "early"


def test_a_wake_for_a_park_that_is_over_does_nothing(run: Run) -> None:
    """Rule 3.4: a wake for a park that is over does nothing."""

    async def main() -> list[object]:
        first, second = Wait(), Wait()
        seen: list[object] = []

        async def waiter() -> None:
            seen.append(await first)
            seen.append(await second)

        async with giambio.TaskManager() as manager:
            await manager.spawn(waiter)
            await turns(2)
            assert first.wake("one")
            assert not first.wake("again, before it ran")
            await turns(2)
            assert not first.wake("again, in the next park")
            await turns(2)
            assert seen == ["one"]
            assert second.wake("two")
        assert not second.wake("after the task has ended")
        return seen

    assert run(main) == ["one", "two"]


def test_an_error_can_be_woken_with(run: Run) -> None:
    async def main() -> None:
        early, late = Wait(), Wait()
        early.wake_error(KeyError("early"))
        with pytest.raises(KeyError, match="early"):
            await early
        giambio.current_loop().call_soon(late.wake_error, KeyError("late"))
        with pytest.raises(KeyError, match="late"):
            await late
        assert not late.wake_error(KeyError("too late"))

    run(main)


@pytest.mark.parametrize("error", [StopAsyncIteration(), GeneratorExit()])
def test_even_an_error_that_python_uses_itself_is_raised_at_the_await(
    run: Run, error: BaseException
) -> None:
    async def main() -> bool:
        wait = Wait()
        wait.wake_error(error)
        try:
            await wait
        except type(error) as exc:
            return exc is error
        return False

    assert run(main)


def test_a_stop_iteration_is_not_taken_for_the_result_of_the_await(run: Run) -> None:
    """Since Python 3.12, one that is thrown in at an await would end it as its result."""

    async def main() -> None:
        wait = Wait()
        wait.wake_error(StopIteration("not a result"))
        with pytest.raises(
            RuntimeError, match=r"StopIteration.'not a result'. was raised"
        ) as caught:
            await wait
        assert isinstance(caught.value.__cause__, StopIteration)
        giambio.current_loop().call_soon(next, iter(()))
        with pytest.raises(RuntimeError, match=r"StopIteration\(\) was raised"):
            await giambio.sleep_forever()

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_those_woken_in_one_step_run_in_the_order_of_their_wakes(run: Run) -> None:
    """Rule 2.2: tasks run in the order in which they were woken."""

    async def main() -> list[int]:
        waits = [Wait() for _ in range(50)]
        order: list[int] = []

        async def waiter(number: int) -> None:
            order.append(await waits[number])

        async with giambio.TaskManager() as manager:
            for number in range(50):
                await manager.spawn(waiter, number)
            await turns(2)
            for number in [*range(1, 50, 2), *range(0, 50, 2)]:
                waits[number].wake(number)
        return order

    assert run(main) == [*range(1, 50, 2), *range(0, 50, 2)]


@pytest.mark.usefixtures("in_turn")
def test_cancelled_tasks_run_in_the_order_they_were_spawned(run: Run) -> None:
    """Rule 2.2: children keep the order in which they were spawned."""

    async def main() -> list[int]:
        order: list[int] = []

        async def waiter(number: int) -> None:
            try:
                await giambio.sleep_forever()
            finally:
                order.append(number)

        async with giambio.TaskManager() as manager:
            for number in range(50):
                await manager.spawn(waiter, number)
            await turns(2)
            manager.cancel()
        return order

    assert run(main) == list(range(50))


# -- interrupt -----------------------------------------------------------------


@pytest.mark.usefixtures("in_turn")
def test_an_interrupt_is_delivered_once(run: Run) -> None:
    """Rule 3.7: the kernel can deliver an exception into one park once."""
    aborts = []

    async def main() -> int:
        caught = 0
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:

            def cancel_all() -> None:
                inner.cancel()
                outer.cancel()
                giambio.current_loop()._interrupt(task)

            task = giambio.current_task()
            giambio.current_loop().call_soon(cancel_all)
            try:
                await Wait(abort=lambda: aborts.append("abort") or True)
            except giambio.CancelledError:
                caught += 1
                await giambio.cancel_shielded_checkpoint()
                await giambio.cancel_shielded_checkpoint()
        return caught

    assert run(main) == 1
    assert aborts == ["abort"]


def test_a_cancelled_wait_is_over_and_a_later_wake_does_nothing(run: Run) -> None:
    """Rule 3.4: a wake for a park that is over does nothing."""

    async def main() -> None:
        wait, next_wait = Wait(), Wait()
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            await wait
        assert scope.cancelled_caught
        assert not wait.wake()
        giambio.current_loop().call_soon(wait.wake, "stale")
        giambio.current_loop().call_later(0.001, next_wait.wake, "right")
        assert await next_wait == "right"

    run(main)


def test_an_interrupt_of_a_task_that_runs_is_told_at_the_next_checkpoint(run: Run) -> None:
    async def main() -> list[str]:
        log = []
        with giambio.CancelScope() as scope:
            scope.cancel()
            log.append("runs on")
            await Wait()
            log.append("never")
        return log

    assert run(main) == ["runs on"]


def test_an_error_in_an_abort_function_is_raised_at_the_await(run: Run) -> None:
    async def main() -> None:
        def broken() -> bool:
            raise KeyError("broken abort")

        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            with pytest.raises(KeyError, match="broken abort"):
                await Wait(abort=broken)

    run(main)


# -- withdrawn before delivery ---------------------------------------------------


async def withdrawn_while(wait: Any, then: Callable[[], object]) -> object:
    """Wait in a scope that is cancelled and shielded in one step; go on with `then`."""

    async def waiter() -> object:
        with giambio.CancelScope() as outer, giambio.CancelScope() as inner:
            scopes.extend([outer, inner])
            return await outcome_of(wait)

    scopes: list[giambio.CancelScope] = []
    async with giambio.TaskManager() as manager:
        task = await manager.spawn(waiter)
        await turns(2)
        scopes[0].cancel()
        scopes[1].shield = True
        await turns(3)
        assert not task.done()
        then()
    return task.result()


def test_an_interrupt_withdrawn_before_delivery_lets_the_task_wait_on(run: Run) -> None:
    """Rule 3.8: it can be withdrawn before delivery."""
    aborts = []

    async def main() -> object:
        wait = Wait(abort=lambda: aborts.append("abort") or True)
        return await withdrawn_while(wait, lambda: wait.wake("result"))

    assert run(main) == "result"
    assert aborts == []


def test_a_sleep_whose_interrupt_was_withdrawn_still_ends(run: Run) -> None:
    """Rule 3.8: it can be withdrawn before delivery."""

    async def main() -> object:
        return await withdrawn_while(giambio.sleep(0.05), lambda: None)

    assert run(main) is None


def test_a_join_whose_interrupt_was_withdrawn_still_ends(run: Run) -> None:
    """Rule 3.8: it can be withdrawn before delivery."""

    async def main() -> object:
        wait = Wait()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(outcome_of, wait)
            return await withdrawn_while(task, lambda: wait.wake("joined"))

    assert run(main) == "joined"


def test_a_wake_between_an_interrupt_and_its_withdrawal_is_not_lost(run: Run) -> None:
    """Rule 3.8: it can be withdrawn before delivery."""

    async def main() -> object:
        wait = Wait()

        async def waiter() -> object:
            with giambio.CancelScope() as outer, giambio.CancelScope() as inner:
                scopes.extend([outer, inner])
                return await outcome_of(wait)

        scopes: list[giambio.CancelScope] = []
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(waiter)
            await turns(2)
            scopes[0].cancel()
            assert wait.wake("result")
            scopes[1].shield = True
        return task.result()

    assert run(main) == "result"


def test_an_interrupt_can_be_withdrawn_and_made_again(run: Run) -> None:
    async def main() -> object:
        async def waiter() -> object:
            with giambio.CancelScope() as outer, giambio.CancelScope() as inner:
                scopes.extend([outer, inner])
                return await outcome_of(Wait())

        scopes: list[giambio.CancelScope] = []
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(waiter)
            await turns(2)
            scopes[0].cancel()
            scopes[1].shield = True
            scopes[1].shield = False
            await turns(2)
        return task.result()

    assert isinstance(run(main), giambio.CancelledError)


# -- a wake and an interrupt meet ------------------------------------------------


@pytest.mark.parametrize("wake_first", [True, False])
def test_a_result_survives_a_cancellation_in_the_same_step(run: Run, wake_first: bool) -> None:
    """Rule 5.3: it keeps its result, and the next checkpoint raises."""

    async def main() -> list[object]:
        wait = Wait()
        with giambio.CancelScope() as scope:

            def both() -> None:
                if wake_first:
                    assert wait.wake("item")
                    scope.cancel()
                else:
                    scope.cancel()
                    assert wait.wake("item")

            giambio.current_loop().call_soon(both)
            seen = [await outcome_of(wait)]
            seen.append(await outcome_of(giambio.checkpoint_if_cancelled()))
        return seen

    item, raised = run(main)
    assert item == "item"
    assert isinstance(raised, giambio.CancelledError)


def test_a_sleep_that_ends_while_it_is_cancelled_raises(run: Run) -> None:
    """Rule 5.4: one that transferred nothing (join, event, sleep, readiness) raises."""

    async def main() -> object:
        with giambio.CancelScope() as scope:
            # Due at the same time, and called before the task that is woken then.
            giambio.current_loop().call_later(1, scope.cancel)
            return await outcome_of(giambio.sleep(1))

    assert isinstance(run(main, clock=ManualClock()), giambio.CancelledError)


def test_a_join_that_was_woken_and_cancelled_before_it_ran_raises(loop: giambio.EventLoop) -> None:
    """Rule 5.4: one that transferred nothing (join, …) raises."""
    seen: list[object] = []

    async def main() -> None:
        async def target() -> None:
            await wait
            scope.cancel()  # in the very step that ends the task and wakes the joiner

        wait = Wait()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(target)
            giambio.current_loop().call_soon(wait.wake)
            with giambio.CancelScope() as scope:
                seen.append(await outcome_of(task))

    loop.start(main)
    assert isinstance(seen[0], giambio.CancelledError)


# -- abort answers *not yet* -------------------------------------------------------


class Request:
    """An operation that cannot be withdrawn at once, as a worker thread's cannot."""

    def __init__(self) -> None:
        self.aborts = 0
        self.wait = Wait(abort=self._abort, name="request")

    def _abort(self) -> bool:
        self.aborts += 1
        return False


def started_request(loop: giambio.EventLoop) -> tuple[Request, giambio.CancelScope, Any]:
    """A task parked in a request, after a cancellation that got the answer *not yet*."""
    request = Request()
    scope = giambio.CancelScope()

    async def main() -> tuple[object, object]:
        with scope:
            result = await outcome_of(request.wait)
            return result, await outcome_of(giambio.checkpoint_if_cancelled())
        raise AssertionError("unreachable")

    task = loop.begin(main)
    loop.turn(0)
    assert request.aborts == 0
    scope.cancel("enough")
    for _ in range(3):
        loop.turn(0)
    assert request.aborts == 1
    assert not task.done()
    return request, scope, task


@pytest.mark.usefixtures("in_turn")
def test_an_abort_that_answers_not_yet_may_still_give_the_result(loop: giambio.EventLoop) -> None:
    """Rule 3.5: *not yet* may still lead to the result."""
    request, _, task = started_request(loop)
    assert request.wait.wake("came through")
    result, later = finish(loop, task)
    assert result == "came through"
    assert isinstance(later, giambio.CancelledError)
    assert later.reason == "enough"


@pytest.mark.usefixtures("in_turn")
def test_an_abort_that_answers_not_yet_may_give_the_cancellation(loop: giambio.EventLoop) -> None:
    """Rule 3.5: the operation wakes the task with the cancellation."""
    request, _, task = started_request(loop)
    assert request.wait.wake_error(request.wait.interrupted())
    assert not request.wait.wake("too late")
    result, _ = finish(loop, task)
    assert isinstance(result, giambio.CancelledError)
    assert result.reason == "enough"


@pytest.mark.usefixtures("in_turn")
def test_an_abort_that_answered_not_yet_is_not_asked_again(loop: giambio.EventLoop) -> None:
    request, scope, task = started_request(loop)
    task.cancel()
    scope.cancel()
    loop.turn(0)
    assert request.aborts == 1
    request.wait.wake()
    finish(loop, task)


@pytest.mark.usefixtures("in_turn")
def test_an_abort_may_wake_the_task_itself(run: Run) -> None:
    """The result that an operation has at hand when it is aborted is not lost."""
    for answer in (True, False):

        async def main(answer: bool) -> list[object]:
            wait = Wait(abort=lambda: (wait.wake("at the last moment"), answer)[1])
            with giambio.CancelScope() as scope:
                giambio.current_loop().call_soon(scope.cancel)
                seen = [await outcome_of(wait)]
                seen.append(await outcome_of(giambio.checkpoint()))
            return seen

        result, later = run(main, answer)
        assert result == "at the last moment"
        assert isinstance(later, giambio.CancelledError)


def test_a_task_that_waits_in_not_yet_can_be_cancelled_in_its_next_park(run: Run) -> None:
    async def main() -> object:
        request = Request()
        with giambio.CancelScope() as scope:
            giambio.current_loop().call_soon(scope.cancel)
            giambio.current_loop().call_later(0.001, request.wait.wake, "first")
            assert await request.wait == "first"
            await Wait(abort=refuse)  # raises before it parks, so nobody is asked
        return scope.cancelled_caught

    assert run(main)


def test_interrupted_needs_somebody_who_waits() -> None:
    wait = Wait()
    wait.wake()
    with pytest.raises(RuntimeError, match="nobody waits here"):
        wait.interrupted()


# -- driving operations by hand ------------------------------------------------------


def test_a_coroutine_driven_by_hand_does_not_harm_the_task(run: Run) -> None:
    """The park of an operation that nobody awaits to its end is over with the task."""

    async def main() -> str:
        async def child() -> None:
            coro = outcome_of(giambio.sleep(0.001))
            coro.send(None)  # parks the task, which nevertheless runs on
            coro.close()

        async def yielding_child() -> None:
            coro = outcome_of(giambio.checkpoint())
            coro.send(None)
            coro.close()

        async with giambio.TaskManager() as manager:
            await manager.spawn(child)
            await manager.spawn(yielding_child)
        await giambio.sleep(0.01)
        return "alive"

    assert run(main) == "alive"


def test_a_coroutine_driven_by_hand_does_not_keep_the_task_from_waking(run: Run) -> None:
    """Whoever drove an operation by hand, and left it, goes on with the next one."""

    async def main() -> int:
        coro = outcome_of(giambio.sleep(1000))
        coro.send(None)  # parks the task, which nevertheless runs on
        coro.close()
        await giambio.checkpoint()
        coro = outcome_of(giambio.sleep(1000))
        coro.send(None)
        with pytest.raises(StopIteration):
            coro.throw(ValueError())
        turns = 0
        with giambio.move_on_after(0.01):
            while True:
                turns += 1
                await giambio.checkpoint()
        return turns

    assert run(main) > 0


# -- tasks and loops as keys ------------------------------------------------------------


def test_tasks_and_loops_can_be_hashed_and_weakly_referenced(run: Run) -> None:
    """Rule 3.18: `Task` and `EventLoop` are hashable and can be weakly referenced."""
    import gc
    import weakref

    async def main() -> list[Any]:
        loop, task = giambio.current_loop(), giambio.current_task()
        keys = {loop: "loop", task: "task"}
        assert keys[giambio.current_loop()] == "loop"
        assert keys[giambio.current_task()] == "task"
        return [weakref.ref(loop), weakref.ref(task)]

    loop_ref, task_ref = run(main)
    gc.collect()
    assert task_ref() is None
    assert loop_ref() is None
