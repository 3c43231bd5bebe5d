"""Soft stops: whom they reach, what follows them, and when they become a cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock, wait_all_tasks_blocked

Run = Callable[..., Any]


async def cut_short() -> bool:
    """Wait in a block that follows stops; whether one cut it short."""
    with giambio.cancel_on_stop() as scope:
        await giambio.sleep_forever()
    return scope.cancelled_caught


# -- who is stopping ------------------------------------------------------------------------


def test_everything_inside_is_stopping_and_nothing_raises(run: Run) -> None:
    """Rule 23.1: everything inside, tasks that are spawned later included."""

    async def task() -> bool:
        await giambio.checkpoint()
        return giambio.stopping()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            assert not giambio.stopping()
            before = await manager.spawn(task)
            with giambio.CancelScope():
                assert manager.stop(grace=inf)
                assert giambio.stopping()
                await giambio.checkpoint()
            async with giambio.TaskManager() as inner:
                after = await inner.spawn(task)
            assert before.result()
            assert after.result()
        assert not giambio.stopping()
        assert not manager.cancel_scope.cancel_called

    run(main)


def test_a_stop_does_not_reach_what_is_around_or_beside(run: Run) -> None:
    """Rule 23.1: everything inside, and nothing else."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            beside = await manager.spawn(cut_short)
            with giambio.CancelScope() as scope:
                scope.stop(grace=inf)
                assert giambio.stopping()
            assert not giambio.stopping()
            await wait_all_tasks_blocked()
            assert not beside.done()
            manager.cancel()

    run(main)


def test_a_cancelled_scope_is_stopping(run: Run) -> None:
    """Rule 23.1: a cancellation asks for more, and includes it."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.stop(grace=0)
            assert giambio.stopping()
        with giambio.CancelScope() as scope:
            scope.cancel()
            assert giambio.stopping()
            with giambio.CancelScope(shield=True):
                assert not giambio.stopping()

    run(main)


def test_a_shield_keeps_a_stop_out(run: Run) -> None:
    """Rule 23.2: shields keep it out, until they go down."""

    async def main() -> None:
        with giambio.CancelScope() as outer:
            with giambio.CancelScope(shield=True) as shield:
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(cut_short)
                    await wait_all_tasks_blocked()
                    outer.stop(grace=inf)
                    assert not giambio.stopping()
                    await wait_all_tasks_blocked()
                    assert not task.done()
                    shield.shield = False
                    assert giambio.stopping()
                    assert await task
            assert outer.stop(grace=0)

    run(main)


def test_a_shield_does_not_protect_from_a_stop_of_its_own_scope(run: Run) -> None:
    """Rule 23.2: of the scopes around it, as with a cancellation."""

    async def main() -> bool:
        with giambio.CancelScope(shield=True) as scope:
            scope.stop(grace=inf)
            return await cut_short()

    assert run(main)


def test_a_task_that_is_started_is_moved_into_the_stop(run: Run) -> None:
    """Rule 23.1: until `started()` it is in the caller's scopes, and then in the manager's."""

    async def server(task_status: giambio.TaskStatus[None]) -> bool:
        assert not giambio.stopping()
        with giambio.cancel_on_stop() as scope:
            task_status.started()
            await giambio.sleep_forever()
        return scope.cancelled_caught

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.stop(grace=inf)
            with giambio.CancelScope(shield=True):
                await manager.start(server)

    run(main)


# -- what follows it ------------------------------------------------------------------------


def test_a_block_that_follows_stops_is_cancelled_with_the_reason(run: Run) -> None:
    """Rule 23.3: it is cancelled when the stop comes."""

    async def task() -> object:
        with giambio.cancel_on_stop() as scope:
            with giambio.CancelScope(), pytest.raises(giambio.CancelledError) as caught:
                await giambio.sleep_forever()
            assert caught.value.reason == "enough"
            await giambio.checkpoint()
        assert scope.cancelled_caught
        await giambio.checkpoint()
        return scope.reason

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            child = await manager.spawn(task)
            await wait_all_tasks_blocked()
            manager.stop(grace=inf, reason="enough")
        return child.result()

    assert run(main) == "enough"


def test_a_block_that_is_entered_while_stopping_is_cancelled_at_once(run: Run) -> None:
    """Rule 23.3: or at entry."""

    async def main() -> None:
        with giambio.CancelScope() as outer:
            outer.stop(grace=inf, reason="enough")
            with giambio.cancel_on_stop() as scope:
                assert scope.cancel_called
                await giambio.checkpoint()
                pytest.fail("not reached")
            assert scope.cancelled_caught
            assert scope.reason == "enough"

    run(main)


def test_what_was_received_when_the_stop_came_is_kept(run: Run) -> None:
    """Rule 23.3: the rules of "when a wake-up and a cancellation meet" (5.3)."""

    async def task(receiver: giambio.ReceiveChannel[str]) -> str:
        with giambio.cancel_on_stop() as scope:
            item = await receiver.receive()
        assert not scope.cancelled_caught
        return item

    async def main() -> str:
        sender, receiver = giambio.open_channel[str](1)
        async with sender, receiver, giambio.TaskManager() as manager:
            child = await manager.spawn(task, receiver)
            await wait_all_tasks_blocked()
            await sender.send("item")
            manager.stop(grace=inf)
        return child.result()

    assert run(main) == "item"


def test_nested_blocks_are_all_cancelled(run: Run) -> None:
    """Rule 23.3: the outermost catches."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def task() -> tuple[bool, bool]:
                with giambio.cancel_on_stop() as outer, giambio.cancel_on_stop() as inner:
                    await giambio.sleep_forever()
                return outer.cancelled_caught, inner.cancelled_caught

            child = await manager.spawn(task)
            await wait_all_tasks_blocked()
            manager.stop(grace=inf)
            assert await child == (True, False)

    run(main)


def test_tasks_far_below_are_reached_in_the_order_of_the_tree(run: Run, in_turn: None) -> None:
    """Rule 23.1: everything inside, parents first."""
    order: list[str] = []

    async def task(name: str) -> None:
        async with giambio.TaskManager() as manager:
            if len(name) < 3:
                await manager.spawn(task, name + "a")
                await manager.spawn(task, name + "b")
            with giambio.cancel_on_stop():
                await giambio.sleep_forever()
            order.append(name)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(task, "x")
            await wait_all_tasks_blocked()
            manager.stop(grace=inf)

    run(main)
    assert order == ["x", "xa", "xb", "xaa", "xab", "xba", "xbb"]


def test_wait_stopping_waits_for_the_stop_and_then_no_more(run: Run) -> None:
    """Rule 23.4: `wait_stopping` tells."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.wait_stopping)
            await wait_all_tasks_blocked()
            assert not task.done()
            manager.stop(grace=inf)
            await task
            await giambio.wait_stopping()

    run(main)


def test_wait_stopping_raises_a_cancellation(run: Run) -> None:
    """Rule 23.4: it raises only that."""

    async def main() -> None:
        with giambio.move_on_after(0) as scope:
            await giambio.wait_stopping()
        assert scope.cancelled_caught

    run(main)


def test_wait_stopping_in_vain_starves_nobody(run: Run) -> None:
    """Rule 4.8: not by an operation that is always ready."""

    async def busy(done: giambio.Event) -> None:
        while not done.is_set():
            await giambio.wait_stopping()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.stop(grace=inf)
            done = giambio.Event()
            await manager.spawn(busy, done)
            await giambio.checkpoint()
            done.set()

    run(main)


# -- the grace ------------------------------------------------------------------------------


def test_after_the_grace_it_is_a_cancellation(run: Run) -> None:
    """Rule 23.5: after `grace` seconds it becomes `cancel(reason)`."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            begun = giambio.current_time()
            assert scope.stop(grace=5, reason="enough")
            assert giambio.current_effective_deadline() == begun + 5
            assert scope.reason is None
            with pytest.raises(giambio.CancelledError) as caught:
                await giambio.sleep_forever()
            assert caught.value.reason == "enough"
            assert giambio.current_time() == begun + 5
            await giambio.checkpoint()
        assert scope.cancelled_caught
        assert scope.reason == "enough"

    run(main, clock=VirtualClock())


def test_no_grace_is_a_cancellation_at_once(run: Run) -> None:
    """Rule 23.5: 0 or more."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            assert scope.stop(grace=0, reason="now")
            assert scope.cancel_called
            assert scope.reason == "now"
            assert not scope.stop(grace=0)

    run(main)


@pytest.mark.parametrize("grace", [5, 6, inf])
def test_a_second_stop_cannot_lengthen_the_grace(run: Run, grace: float) -> None:
    """Rule 23.6: repeated calls can only shorten."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.stop(grace=5, reason="first")
            assert not scope.stop(grace=grace, reason="second")
            await giambio.sleep_forever()
        assert giambio.current_time() == 5
        assert scope.reason == "first"

    run(main, clock=VirtualClock())


def test_a_second_stop_shortens_the_grace(run: Run) -> None:
    """Rule 23.6: repeated calls can only shorten; the one that counts has the reason."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.stop(grace=5, reason="first")
            await giambio.sleep(1)
            assert scope.stop(grace=2, reason="second")
            await giambio.sleep_forever()
        assert giambio.current_time() == 3
        assert scope.reason == "second"

    run(main, clock=VirtualClock())


def test_a_deadline_cannot_be_moved_beyond_the_grace(run: Run) -> None:
    """Rule 23.6: an idle timeout that is renewed does not undo the stop."""

    async def main() -> None:
        with giambio.CancelScope(deadline=100) as scope:
            scope.stop(grace=5)
            assert scope.deadline == 5
            scope.deadline = inf
            assert scope.deadline == 5
            scope.deadline = 3
            assert scope.deadline == 3
            scope.deadline = 4
            await giambio.sleep_forever()
        assert giambio.current_time() == 4
        assert scope.reason == "the deadline has passed"

    run(main, clock=VirtualClock())


def test_the_end_of_the_grace_is_no_timeout(run: Run) -> None:
    """Rule 23.5: it is a cancellation, also of a scope that would raise `TimeoutError`."""

    async def main() -> None:
        with giambio.fail_after(10) as scope:
            scope.stop(grace=5)
            await giambio.sleep_forever()
        assert giambio.current_time() == 5
        with pytest.raises(TimeoutError), giambio.fail_after(1) as late:
            late.stop(grace=5)
            await giambio.sleep_forever()

    run(main, clock=VirtualClock())


def test_a_scope_that_is_left_in_time_is_not_cancelled(run: Run) -> None:
    """Rule 23.5: a stop alone is no error, and leaves no timer behind."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.wait_stopping)
            manager.stop(grace=1)
        assert not manager.cancel_scope.cancel_called
        assert not manager.stop(grace=0)
        with pytest.raises(giambio.DeadlockError):
            await giambio.Event().wait()

    run(main)


def test_a_scope_can_be_stopped_before_it_is_entered(run: Run) -> None:
    """Rule 23.1: as it can be cancelled then; the grace counts from the call."""

    async def main() -> None:
        scope = giambio.CancelScope()
        scope.stop(grace=5)
        await giambio.sleep(3)
        with scope:
            assert await cut_short()
            await giambio.sleep_forever()
        assert giambio.current_time() == 5
        late = giambio.CancelScope()
        late.stop(grace=1)
        await giambio.sleep(2)
        with late:
            assert late.cancel_called

    run(main, clock=VirtualClock())


def test_an_armed_grace_keeps_the_report_of_a_deadlock_quiet(run: Run) -> None:
    """Rule 11.4: an armed timer, such as the grace of a stop."""

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.stop(grace=0.2)
            await giambio.Event().wait()
        assert scope.cancelled_caught

    run(main)


def test_waiting_for_a_stop_is_no_deadlock(run: Run) -> None:
    """Rule 11.10: it says that waiting for ever is meant."""

    async def main() -> None:
        loop = giambio.current_loop()
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.wait_stopping)
            loop.call_later(0.2, lambda: manager.stop(grace=inf))

    run(main)


# -- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grace", "error", "message"),
    [
        (-1, ValueError, "seconds from 0 up for grace, not -1"),
        ("5", TypeError, "grace"),
        (None, TypeError, "grace"),
        (float("nan"), ValueError, "grace"),
    ],
)
def test_the_grace_is_a_number_of_seconds(
    run: Run, grace: Any, error: type[Exception], message: str
) -> None:
    """Rule 19.6: so is a number that is none."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with pytest.raises(error, match=message):
                manager.cancel_scope.stop(grace=grace)
            with pytest.raises(error, match=message):
                manager.stop(grace=grace)
            assert not giambio.stopping()

    run(main)


def test_the_grace_must_be_given() -> None:
    """Rule 23.5: the grace is required."""
    with pytest.raises(TypeError, match="grace"):
        giambio.CancelScope().stop()  # type: ignore[call-arg]


def test_stopping_where_no_loop_runs() -> None:
    """Rule 19.1: there is no clock to count the grace on."""
    with pytest.raises(RuntimeError, match=r"giambio\.run\(main\)"):
        giambio.CancelScope().stop(grace=1)
    with pytest.raises(RuntimeError, match="no giambio task runs"):
        giambio.stopping()


def test_stopping_from_another_thread(run: Run) -> None:
    """Rule 6.15: an error that names `call_soon_threadsafe`."""

    async def main() -> None:
        with giambio.CancelScope() as scope:

            def stop() -> None:
                with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
                    scope.stop(grace=1)

            thread = threading.Thread(target=stop)
            thread.start()
            thread.join()
            assert not giambio.stopping()

    run(main)


def test_a_stopping_scope_says_so(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.stop(grace=1)
            assert repr(scope) == "<giambio.CancelScope stopping>"

    run(main)
