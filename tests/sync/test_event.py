"""Events: an event stays set, and all tasks that wait for it are woken."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.sync import in_line, in_thread, outcome_of, settled, stop_the_loop, watch_wakes

Run = Callable[..., Any]


async def wait_for(event: giambio.Event) -> None:
    await event.wait()


# -- setting and waiting -------------------------------------------------------------------------


def test_an_event_is_not_set_at_first_and_set_for_ever() -> None:
    event = giambio.Event()
    assert not event.is_set()
    event.set()
    assert event.is_set()
    event.set()
    assert event.is_set()


@pytest.mark.usefixtures("in_turn")
def test_waiting_for_what_has_happened_goes_on_at_once(run: Run) -> None:
    """Rule 4.5: a ready operation costs no scheduler round trip."""

    async def main() -> bool:
        event = giambio.Event()
        event.set()
        async with giambio.TaskManager() as manager:
            other = manager.start_soon(giambio.sleep, 0)
            assert await event.wait() is None
            return other.done()

    assert run(main) is False


def test_set_wakes_all_who_wait_in_the_order_they_came(run: Run) -> None:
    async def main() -> list[str]:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait_for, event, names="abcd")
            assert event.statistics() == (4,)
            woken = watch_wakes()
            event.set()
            assert event.statistics() == (0,)
        return woken.names[:4]

    assert run(main) == ["a", "b", "c", "d"]


def test_nobody_runs_before_the_event_is_set(run: Run) -> None:
    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, wait_for, event, names="a")
            assert not task.done()
            event.set()
            await settled()
            assert task.done()

    run(main)


def test_an_event_can_be_set_without_a_loop_and_before_it_runs(run: Run) -> None:
    event = giambio.Event()
    event.set()
    run(wait_for, event)


def test_a_plain_callback_can_set_it(run: Run) -> None:
    async def main() -> None:
        event = giambio.Event()
        giambio.current_loop().call_later(0.001, event.set)
        await event.wait()

    run(main)


def test_one_event_serves_one_loop_after_the_other(driver: str) -> None:
    event = giambio.Event()

    async def give_up_waiting() -> int:
        with giambio.move_on_after(0):
            await event.wait()
        return event.statistics().tasks_waiting

    assert giambio.run(give_up_waiting, driver=driver) == 0
    assert giambio.run(give_up_waiting, driver=driver) == 0


# -- cancellation --------------------------------------------------------------------------------


def test_a_cancelled_wait_leaves_the_line(run: Run) -> None:
    """Rule 5.6: a cancelled operation did not happen."""

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            a, b, c = await in_line(manager, wait_for, event, names="abc")
            b.cancel()
            assert event.statistics().tasks_waiting == 2
            event.set()
        assert (a.cancelled(), b.cancelled(), c.cancelled()) == (False, True, False)

    run(main)


def test_set_and_cancelled_at_once_is_cancelled(run: Run) -> None:
    """Rule 5.4: one that transferred nothing (event) raises."""

    async def main() -> tuple[bool, bool]:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            a, b = await in_line(manager, wait_for, event, names="ab")
            event.set()
            a.cancel()
            b.cancel()
        return a.cancelled(), b.cancelled()

    assert run(main) == (True, True)


def test_a_pending_cancellation_is_raised_although_the_event_is_set(run: Run) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> object:
        event = giambio.Event()
        event.set()
        with giambio.CancelScope() as scope:
            scope.cancel()
            outcome = await outcome_of(event.wait())
        return outcome

    assert isinstance(run(main), giambio.CancelledError)


def test_a_wait_that_is_shielded_again_in_time_goes_on(run: Run) -> None:
    """Rule 3.8: a withdrawn cancellation does not disturb."""

    async def main() -> bool:
        event = giambio.Event()
        inner = giambio.CancelScope()

        async def wait() -> None:
            with inner:
                await event.wait()

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, wait, names="a")
            task.cancel()
            inner.shield = True
            await settled()
            assert event.statistics().tasks_waiting == 1
            event.set()
        return inner.cancelled_caught or task.cancelled()

    assert run(main) is False


# -- mistakes ------------------------------------------------------------------------------------


def test_an_event_is_no_truth_value() -> None:
    """Rule 19.1: `if event:` would always be true."""
    with pytest.raises(TypeError, match=r"neither true nor false; ask event\.is_set\(\)"):
        bool(giambio.Event())


def test_setting_it_from_another_thread_is_refused_while_tasks_wait(run: Run) -> None:
    """Rule 10.10: the fix is in the message."""

    async def main() -> object:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait_for, event, names="a")
            error = in_thread(event.set)
            assert not event.is_set()
            loop = giambio.current_loop()
            assert in_thread(lambda: loop.call_soon_threadsafe(event.set)) is None
        return error

    error = run(main)
    assert isinstance(error, RuntimeError)
    assert str(error) == (
        "Event.set() was called from another thread than the loop's, in which tasks wait; "
        "hand it to loop.call_soon_threadsafe(...) instead of calling it"
    )


def test_setting_it_from_another_thread_is_harmless_while_nobody_waits(run: Run) -> None:
    async def main() -> bool:
        event = giambio.Event()
        assert in_thread(event.set) is None
        return event.is_set()

    assert run(main) is True


def test_tasks_of_two_loops_cannot_wait_for_one_event(driver: str) -> None:
    """Rules 10.10, 19.5: an object of another loop."""
    event = giambio.Event()
    first, second = (giambio.EventLoop(driver=driver) for _ in range(2))
    task = first.begin(wait_for, event)
    while event.statistics().tasks_waiting == 0:
        first.turn(0)
    with pytest.raises(
        RuntimeError, match=r"^Event\.wait\(\): tasks of another loop wait for this object already"
    ):
        second.start(wait_for, event)
    event.set()
    while not task.done():
        first.turn()
    first.end()


def test_a_wait_outside_of_any_task_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"Event\.wait\(\) must be awaited in a giambio task"):
        giambio.Event().wait().__await__().__next__()


# -- what can be seen ----------------------------------------------------------------------------


def test_its_repr_tells_whether_it_is_set_and_how_many_wait(run: Run) -> None:
    async def main() -> list[str]:
        event = giambio.Event()
        texts = [repr(event)]
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait_for, event, names="ab")
            texts.append(repr(event))
            event.set()
            texts.append(repr(event))
        return texts

    assert run(main) == [
        "<giambio.Event not set, 0 waiting>",
        "<giambio.Event not set, 2 waiting>",
        "<giambio.Event set, 0 waiting>",
    ]


def test_it_can_be_referenced_weakly_and_keeps_nothing_alive(run: Run) -> None:
    async def main() -> Any:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait_for, event, names="ab")
            event.set()
        return weakref.ref(event)

    reference = run(main)
    gc.collect()
    assert reference() is None


def test_a_loop_that_is_stopped_leaves_nobody_in_the_line(run: Run) -> None:
    event = giambio.Event()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait_for, event, names="ab")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert event.statistics().tasks_waiting == 0


def test_a_deadlock_names_the_event(run: Run) -> None:
    """Rule 11.2: the tree of who waits on what."""
    with pytest.raises(
        giambio.DeadlockError, match=r"Event\.wait\(\) on <giambio\.Event not set, 1 waiting>"
    ):
        run(wait_for, giambio.Event())


def test_a_line_of_any_length_is_freed_without_recursion() -> None:
    """C's stack is too small to free a chain of objects that hold each other."""
    event = giambio.Event()
    reference = weakref.ref(event)
    loop = giambio.EventLoop()

    async def main(event: giambio.Event) -> None:
        async with giambio.TaskManager() as manager:
            for _ in range(50_000):
                manager.start_soon(wait_for, event)

    loop.begin(main, event)
    while event.statistics().tasks_waiting < 50_000:
        loop.turn(0)
    loop._release()
    del loop, event
    gc.collect()
    assert reference() is None
