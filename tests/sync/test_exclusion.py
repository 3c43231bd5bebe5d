"""The common behaviour of locks, semaphores, limiters and conditions: one task after the other.

Each rule is checked on everything that one task can have at a time.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.sync import in_line, outcome_of, settled, stop_the_loop, watch_wakes

Run = Callable[..., Any]
Make = Callable[[], Any]

MAKERS: dict[str, Make] = {
    "Lock": giambio.Lock,
    "Condition": giambio.Condition,
    "Semaphore": lambda: giambio.Semaphore(1),
    "bounded Semaphore": lambda: giambio.Semaphore(1, max_value=1),
    "CapacityLimiter": lambda: giambio.CapacityLimiter(1),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Make:
    """A function that makes something that one task can have at a time."""
    return MAKERS[request.param]


def is_free(thing: Any) -> bool:
    """Tell whether a task could have it at once."""
    if isinstance(thing, giambio.Semaphore):
        return thing.value == 1
    if isinstance(thing, giambio.CapacityLimiter):
        return thing.available_tokens == 1
    return not thing.locked()


def waiting(thing: Any) -> int:
    """How many tasks stand in line for it."""
    statistics = thing.statistics()
    count: int = getattr(statistics, "lock_statistics", statistics).tasks_waiting
    return count


async def take_and_give_back(thing: Any) -> None:
    async with thing:
        pass


async def hold(thing: Any, enough: giambio.Event) -> None:
    async with thing:
        await enough.wait()


# -- taking and giving back ----------------------------------------------------------------------


def test_a_block_takes_it_and_gives_it_back(run: Run, make: Make) -> None:
    async def main() -> None:
        thing = make()
        assert is_free(thing)
        async with thing as entered:
            assert entered is None
            assert not is_free(thing)
        assert is_free(thing)

    run(main)


def test_acquire_and_release_do_the_same(run: Run, make: Make) -> None:
    async def main() -> None:
        thing = make()
        assert await thing.acquire() is None
        assert not is_free(thing)
        assert thing.release() is None
        assert is_free(thing)
        assert thing.acquire_nowait() is None
        assert not is_free(thing)
        thing.release()
        assert is_free(thing)

    run(main)


def test_the_block_gives_it_back_when_an_exception_leaves_it(run: Run, make: Make) -> None:
    async def main() -> bool:
        thing = make()
        with pytest.raises(KeyError):
            async with thing:
                raise KeyError
        return is_free(thing)

    assert run(main) is True


@pytest.mark.usefixtures("in_turn")
def test_what_is_free_is_taken_at_once(run: Run, make: Make) -> None:
    """Rule 4.5: a ready operation costs no scheduler round trip."""

    async def main() -> bool:
        thing = make()
        async with giambio.TaskManager() as manager:
            other = manager.start_soon(giambio.sleep, 0)
            async with thing:
                pass
            return other.done()

    assert run(main) is False


def test_who_takes_it_again_and_again_does_not_starve_the_others(run: Run, make: Make) -> None:
    """Rule 4.8: a task yields control when it has used up its budget."""

    async def main() -> None:
        thing = make()
        begun = giambio.Event()
        done = giambio.Event()

        async def busy() -> int:
            rounds = 0
            while not done.is_set():
                async with thing:
                    rounds += 1
                    begun.set()
            return rounds

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(busy)
            while not begun.is_set():
                await giambio.checkpoint()
            done.set()
        assert task.result() > 0

    run(main)


def test_only_one_has_it_at_a_time(run: Run, make: Make) -> None:
    async def main() -> int:
        thing = make()
        inside = 0
        rounds = 0

        async def worker() -> None:
            nonlocal inside, rounds
            for _ in range(10):
                async with thing:
                    inside += 1
                    assert inside == 1
                    await giambio.checkpoint()
                    await giambio.checkpoint()
                    assert inside == 1
                    inside -= 1
                    rounds += 1

        async with giambio.TaskManager() as manager:
            for _ in range(5):
                await manager.spawn(worker)
        assert is_free(thing)
        return rounds

    assert run(main) == 50


# -- in the order they came ----------------------------------------------------------------------


def test_they_get_it_in_the_order_they_came(run: Run, make: Make) -> None:
    """Rule 4.11: release hands over to the first waiter."""

    async def main() -> list[str]:
        thing = make()
        order: list[str] = []

        async def worker() -> None:
            async with thing:
                order.append(giambio.current_task().name)

        async with giambio.TaskManager() as manager, thing:
            await in_line(manager, worker, names="abcd")
        return order

    assert run(main) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("in_turn")
def test_those_who_come_again_and_again_take_turns(run: Run, make: Make) -> None:
    """Rule 4.11: nobody barges in, not even the one who has just released it."""

    async def main() -> str:
        thing = make()
        order: list[str] = []

        async def worker() -> None:
            for _ in range(4):
                async with thing:
                    order.append(giambio.current_task().name)

        async with giambio.TaskManager() as manager, thing:
            await in_line(manager, worker, names="abc")
        return "".join(order)

    assert run(main) == "abc" * 4


def test_releasing_hands_it_over_and_nobody_barges_in(run: Run, make: Make) -> None:
    """Rule 4.11: nobody barges in."""

    async def main() -> None:
        thing = make()
        thing.acquire_nowait()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, take_and_give_back, thing, names="a")
            thing.release()
            # It has not run yet, and has it nevertheless.
            assert not task.done()
            assert not is_free(thing)
            with pytest.raises(giambio.WouldBlock):
                thing.acquire_nowait()
        assert is_free(thing)

    run(main)


def test_nowait_refuses_what_another_task_has(run: Run, make: Make) -> None:
    async def main() -> None:
        thing = make()
        enough = giambio.Event()
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, thing, enough, names="a")
            with pytest.raises(giambio.WouldBlock):
                thing.acquire_nowait()
            assert waiting(thing) == 0
            enough.set()
        thing.acquire_nowait()
        thing.release()

    run(main)


def test_what_was_taken_without_waiting_makes_others_wait(run: Run, make: Make) -> None:
    async def main() -> None:
        thing = make()
        async with giambio.TaskManager() as manager:
            thing.acquire_nowait()
            (task,) = await in_line(manager, take_and_give_back, thing, names="a")
            assert not task.done()
            assert waiting(thing) == 1
            thing.release()
        assert is_free(thing)

    run(main)


def test_one_release_wakes_one(run: Run, make: Make) -> None:
    async def main() -> list[str]:
        thing = make()
        enough = giambio.Event()
        thing.acquire_nowait()
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, thing, enough, names="abc")
            woken = watch_wakes()
            thing.release()
            await settled()
            names = list(woken.names)
            assert waiting(thing) == 2
            enough.set()
        return names

    assert run(main) == ["a"]


# -- cancellation --------------------------------------------------------------------------------


def test_a_cancelled_acquire_leaves_the_line_at_once(run: Run, make: Make) -> None:
    """Rule 5.6: a cancelled operation did not happen."""

    async def main() -> None:
        thing = make()
        async with giambio.TaskManager() as manager:
            async with thing:
                a, b, c = await in_line(manager, take_and_give_back, thing, names="abc")
                b.cancel()
                assert waiting(thing) == 2
                await settled()
                assert b.cancelled()
            await settled()
            assert a.result() is c.result() is None
        assert is_free(thing)

    run(main)


def test_cancelled_before_it_was_released_it_is_passed_over(run: Run, make: Make) -> None:
    """The other order of the same two events: the waiter has left, the next one is served."""

    async def main() -> None:
        thing = make()
        enough = giambio.Event()
        await thing.acquire()
        async with giambio.TaskManager() as manager:
            a, b, c = await in_line(manager, hold, thing, enough, names="abc")
            a.cancel()
            woken = watch_wakes()
            thing.release()
            assert not is_free(thing)  # it is b's
            await settled()
            assert woken.names == ["b"]
            assert waiting(thing) == 1
            enough.set()
        assert (a.cancelled(), b.cancelled(), c.cancelled()) == (True, False, False)
        assert is_free(thing)

    run(main)


def test_granted_and_cancelled_at_once_it_is_kept(run: Run, make: Make) -> None:
    """Rule 5.3: a permit is kept, and the next checkpoint raises."""

    async def main() -> None:
        thing = make()
        inside = []

        async def worker() -> None:
            async with thing:
                inside.append(giambio.current_task().name)
                await giambio.checkpoint()
                inside.append("never")

        await thing.acquire()
        async with giambio.TaskManager() as manager:
            a, b = await in_line(manager, worker, names="ab")
            thing.release()
            a.cancel()
            await settled()
            assert inside[:2] == ["a", "b"]
        assert a.cancelled()
        assert not b.cancelled()
        assert is_free(thing)

    run(main)


def test_a_pending_cancellation_takes_nothing(run: Run, make: Make) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> bool:
        thing = make()
        with giambio.CancelScope() as scope:
            scope.cancel()
            async with thing:
                raise AssertionError("unreachable")
        return scope.cancelled_caught and is_free(thing)

    assert run(main) is True


def test_leaving_a_block_is_no_checkpoint(run: Run, make: Make) -> None:
    """Rule 4.13: leaving cannot fail through cancellation, nor give way."""

    async def main() -> str:
        thing = make()
        with giambio.CancelScope() as scope:
            async with thing:
                scope.cancel()
            assert is_free(thing)
            return "left as usual"

    assert run(main) == "left as usual"


def test_a_time_out_ends_the_wait(run: Run, make: Make) -> None:
    async def main() -> None:
        thing = make()
        enough = giambio.Event()
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, thing, enough, names="a")
            with pytest.raises(TimeoutError), giambio.fail_after(0.01):
                await thing.acquire()
            assert waiting(thing) == 0
            enough.set()
        assert is_free(thing)

    run(main)


def test_an_acquire_that_is_shielded_again_in_time_goes_on(run: Run, make: Make) -> None:
    """Rule 3.8: a withdrawn cancellation does not disturb."""

    async def main() -> bool:
        thing = make()
        inner = giambio.CancelScope()

        async def worker() -> None:
            with inner:
                async with thing:
                    pass

        async with giambio.TaskManager() as manager, thing:
            (task,) = await in_line(manager, worker, names="a")
            task.cancel()
            inner.shield = True
            await settled()
            assert waiting(thing) == 1
        return is_free(thing) and not inner.cancelled_caught

    assert run(main) is True


# -- mistakes ------------------------------------------------------------------------------------


NOT_HELD = "but does not hold the Lock (nobody holds it); acquire it first, best with `async with`"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("Lock", RuntimeError, f"task 'careless' called Lock.release(), {NOT_HELD}"),
        ("Condition", RuntimeError, f"task 'careless' called Condition.release(), {NOT_HELD}"),
        (
            "bounded Semaphore",
            ValueError,
            "this Semaphore was released more often than acquired: all of its 1 permits are free",
        ),
        (
            "CapacityLimiter",
            RuntimeError,
            "<giambio.Task 'careless' running> has no token of this CapacityLimiter that it "
            "could give back",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value in MAKERS else "",
)
def test_releasing_what_one_does_not_have_is_an_error(
    run: Run, name: str, error: type[Exception], message: str
) -> None:
    """Rule 19.1: all but a plain semaphore know who has what, or how much there is."""

    async def careless() -> None:
        thing = MAKERS[name]()
        with pytest.raises(error) as caught:
            thing.release()
        assert str(caught.value) == message
        assert is_free(thing)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(careless, name="careless")

    run(main)


@pytest.mark.parametrize("name", ["Lock", "Condition", "CapacityLimiter"])
def test_who_has_it_already_does_not_wait_for_itself(run: Run, name: str) -> None:
    """Rule 19.1: no hang."""

    async def main() -> None:
        thing = MAKERS[name]()
        async with thing:
            with pytest.raises(RuntimeError, match=r"main.* (holds|has) .* already"):
                await thing.acquire()
            with pytest.raises(RuntimeError, match=r"main.* (holds|has) .* already"):
                thing.acquire_nowait()
            assert not is_free(thing)
        assert is_free(thing)

    run(main)


def test_it_is_no_plain_context_manager_and_cannot_be_awaited(run: Run, make: Make) -> None:
    async def main() -> bool:
        thing = make()
        with pytest.raises(TypeError), thing:
            pass
        with pytest.raises(TypeError):
            await thing
        return is_free(thing)

    assert run(main) is True


def test_it_is_not_told_its_loop(make: Make) -> None:
    """It belongs to the loop in which it is used; asyncio had a `loop` once."""
    with pytest.raises(TypeError):
        type(make())(loop=giambio.EventLoop())


def test_a_forgotten_await_is_a_warning_and_takes_nothing(run: Run, make: Make) -> None:
    """Rule 3.13: an operation that was never awaited warns."""

    async def main() -> bool:
        thing = make()
        name = type(thing).__name__
        with pytest.warns(RuntimeWarning, match=rf"^{name}\.acquire\(\) was never awaited$"):
            thing.acquire()
            gc.collect()
        return is_free(thing)

    assert run(main) is True


def test_tasks_of_two_loops_cannot_wait_for_one_object(driver: str, make: Make) -> None:
    """Rules 10.10, 19.5: an object of another loop."""
    thing = make()
    enough = giambio.Event()
    first, second = (giambio.EventLoop(driver=driver) for _ in range(2))

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(hold, thing, enough)
            manager.start_soon(hold, thing, enough)

    task = first.begin(main)
    while waiting(thing) == 0:
        first.turn(0)
    with pytest.raises(RuntimeError, match=r"of another loop .* use each object in one loop"):
        second.start(take_and_give_back, thing)
    enough.set()
    while not task.done():
        first.turn()
    first.end()
    assert is_free(thing)


def test_one_object_serves_one_loop_after_the_other(driver: str, make: Make) -> None:
    thing = make()
    for _ in range(2):
        giambio.run(take_and_give_back, thing, driver=driver)
    assert is_free(thing)


# -- a loop that is stopped ----------------------------------------------------------------------


def test_a_loop_that_is_stopped_leaves_it_free(run: Run, make: Make) -> None:
    """A second Ctrl-C closes the tasks from outside: blocks are left, waiters go."""
    thing = make()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, thing, giambio.Event(), names="abc")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert waiting(thing) == 0
    assert is_free(thing)
    run(take_and_give_back, thing)


def test_what_was_granted_to_a_task_that_never_ran_again_is_free(run: Run, make: Make) -> None:
    """It was handed over, and the loop was stopped before the task could use it."""
    thing = make()

    async def main() -> None:
        await thing.acquire()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, hold, thing, giambio.Event(), names="a")
            giambio.current_loop()._stop_between_steps(KeyboardInterrupt())
            thing.release()
            assert not is_free(thing)
            assert not task.done()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert is_free(thing)


# -- what can be seen ----------------------------------------------------------------------------


def test_it_can_be_referenced_weakly_and_keeps_nothing_alive(run: Run, make: Make) -> None:
    async def main() -> Any:
        thing = make()
        async with giambio.TaskManager() as manager:
            for _ in range(3):
                await manager.spawn(take_and_give_back, thing)
        return weakref.ref(thing)

    reference = run(main)
    gc.collect()
    assert reference() is None


def test_what_was_used_keeps_no_task_alive(run: Run, make: Make) -> None:
    """No reference to a task that has given it back, nor to one that was cancelled."""
    thing = make()

    async def main() -> list[Any]:
        async with giambio.TaskManager() as manager, thing:
            tasks = await in_line(manager, take_and_give_back, thing, names="ab")
            tasks[0].cancel()
        return [weakref.ref(task) for task in tasks]

    references = run(main)
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_deadlock_names_what_is_waited_for(run: Run, make: Make) -> None:
    """Rule 11.2: the tree of who waits on what."""

    async def main() -> None:
        thing = make()
        thing.acquire_nowait()
        async with giambio.TaskManager() as manager:
            await manager.spawn(take_and_give_back, thing, name="waits in vain")
            try:
                await giambio.Event().wait()
            finally:
                thing.release()

    with pytest.raises(giambio.DeadlockError) as caught:
        run(main)
    kind = type(make()).__name__
    assert f"{kind}.acquire() on <giambio." in str(caught.value)
    assert "1 waiting>" in str(caught.value)


def test_awaiting_one_acquire_twice_is_an_error(run: Run, make: Make) -> None:
    """Rule 3.12: awaiting an operation twice is an error."""

    async def main() -> object:
        thing = make()
        operation = thing.acquire()
        await operation
        outcome = await outcome_of(operation)
        thing.release()
        return outcome

    assert isinstance(run(main), RuntimeError)
