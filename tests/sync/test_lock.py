"""Locks: they belong to a task. Exclusion in general is tested in test_exclusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.sync import in_line, outcome_of, settled, stop_the_loop

Run = Callable[..., Any]


async def take(lock: giambio.Lock) -> None:
    await lock.acquire()


async def take_and_give_back(lock: giambio.Lock) -> None:
    async with lock:
        pass


# -- who holds it --------------------------------------------------------------------------------


def test_statistics_and_repr_tell_who_holds_it(run: Run) -> None:
    async def main() -> None:
        lock = giambio.Lock()
        assert lock.statistics() == (False, None, 0)
        assert repr(lock) == "<giambio.Lock free, 0 waiting>"
        enough = giambio.Event()

        async def hold() -> None:
            async with lock:
                await enough.wait()

        async with giambio.TaskManager() as manager:
            a, _ = await in_line(manager, hold, names="ab")
            statistics = lock.statistics()
            assert statistics.locked
            assert statistics.owner is a
            assert statistics.tasks_waiting == 1
            assert repr(lock) == "<giambio.Lock held by task 'a', 1 waiting>"
            enough.set()
        assert lock.statistics() == (False, None, 0)

    run(main)


def test_after_the_hand_over_the_next_one_is_the_owner(run: Run) -> None:
    async def main() -> None:
        lock = giambio.Lock()
        async with giambio.TaskManager() as manager:
            await lock.acquire()
            (a,) = await in_line(manager, take_and_give_back, lock, names="a")
            lock.release()
            assert lock.statistics() == (True, a, 0)
        assert lock.statistics().owner is None

    run(main)


def test_only_the_owner_may_release_it(run: Run) -> None:
    """Rule 19.1: the message names both tasks."""

    async def thief(lock: giambio.Lock) -> str:
        with pytest.raises(RuntimeError) as caught:
            lock.release()
        return str(caught.value)

    async def main() -> str:
        lock = giambio.Lock()

        async def hold() -> str:
            async with lock, giambio.TaskManager() as manager:
                task = await manager.spawn(thief, lock, name="thief")
                message = await task
                assert lock.statistics().owner is giambio.current_task()
                return message

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(hold, name="owner")
        return task.result()

    assert run(main) == (
        "task 'thief' called Lock.release(), but does not hold the Lock (task 'owner' holds it); "
        "acquire it first, best with `async with`"
    )


def test_releasing_it_inside_of_the_block_makes_leaving_an_error(run: Run) -> None:
    async def main() -> None:
        lock = giambio.Lock()
        async with lock:
            lock.release()

    with pytest.raises(RuntimeError, match=r"left the block, but does not hold the Lock \(nobody"):
        run(main)


def test_it_is_released_in_a_task(run: Run) -> None:
    """A plain callback and another thread are no tasks, and own no locks."""

    async def main() -> None:
        lock = giambio.Lock()
        async with lock:
            giambio.current_loop().call_soon(lock.release)
            await giambio.sleep_forever()

    with pytest.raises(RuntimeError, match="there is no current task"):
        run(main)
    with pytest.raises(RuntimeError, match="there is no current task"):
        giambio.Lock().acquire_nowait()


def test_nowait_says_who_holds_it(run: Run) -> None:
    async def main() -> None:
        lock = giambio.Lock()

        async def hold() -> None:
            async with lock:
                await giambio.sleep_forever()

        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, names="a")
            with pytest.raises(giambio.WouldBlock, match=r"^this Lock is held by task 'a'$"):
                lock.acquire_nowait()
            manager.cancel()

    run(main)


def test_many_locks_are_released_in_any_order(run: Run) -> None:
    async def main() -> list[bool]:
        locks = [giambio.Lock() for _ in range(6)]
        for lock in locks:
            await lock.acquire()
        for number in (2, 5, 0, 1, 4, 3):
            locks[number].release()
        return [lock.locked() for lock in locks]

    assert run(main) == [False] * 6


def test_a_lock_of_another_loops_task_is_no_reason_to_wait(driver: str) -> None:
    """Rules 19.5, 10.10: its owner could never hand it over."""
    lock = giambio.Lock()

    async def hold() -> None:
        async with lock:
            await giambio.sleep_forever()

    first, second = (giambio.EventLoop(driver=driver) for _ in range(2))
    task = first.begin(hold)
    while not lock.locked():
        first.turn(0)
    with pytest.raises(
        RuntimeError, match=r"hold' of another loop holds this Lock; use each object in one loop"
    ):
        second.start(take, lock)
    task.cancel()
    while not task.done():
        first.turn()
    with pytest.raises(giambio.TaskCancelled):
        first.end()
    assert not lock.locked()


# -- a task that ends with a lock ----------------------------------------------------------------


def test_a_task_that_returns_with_a_lock_fails(run: Run) -> None:
    """Rule 10.1: exiting while holding one is an error that names both."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(take, giambio.Lock(), name="careless")

    with pytest.raises(RuntimeError) as caught:
        run(main)
    assert str(caught.value) == (
        "task 'careless' ended while it held <giambio.Lock held by task 'careless', 0 waiting>; "
        "use `async with lock:`"
    )


def test_the_main_task_may_not_keep_one_either(run: Run) -> None:
    with pytest.raises(RuntimeError, match=r"take' ended while it held <giambio\.Lock"):
        run(take, giambio.Lock())


def test_a_failure_says_that_the_task_held_a_lock(run: Run) -> None:
    """Rule 10.1: the failure is what counts; the lock is noted on it."""

    async def fail(lock: giambio.Lock) -> None:
        await lock.acquire()
        raise KeyError("the failure")

    lock = giambio.Lock()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail, lock, name="careless")

    with pytest.raises(KeyError, match="the failure") as caught:
        run(main)
    assert caught.value.__notes__ == [
        "task 'careless' ended while it held <giambio.Lock held by task 'careless', 0 waiting>; "
        "use `async with lock:`"
    ]
    assert not lock.locked()


def test_a_cancelled_task_that_held_a_lock_fails(run: Run) -> None:
    """Rule 10.1: to be cancelled is no excuse: what the lock protects may be half done."""

    async def hold(lock: giambio.Lock) -> None:
        await lock.acquire()
        await giambio.sleep_forever()

    async def main() -> giambio.Task[None]:
        lock = giambio.Lock()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, hold, lock, names="a")
            task.cancel()
        return task

    with pytest.raises(RuntimeError, match="task 'a' ended while it held"):
        run(main)


def test_two_locks_are_both_named_in_the_order_they_were_taken(run: Run) -> None:
    async def hold_two(lock: giambio.Lock, condition: giambio.Condition) -> None:
        await condition.acquire()
        await lock.acquire()
        async with giambio.Lock():
            pass

    lock, condition = giambio.Lock(), giambio.Condition()

    async def main() -> None:
        async with giambio.TaskManager() as manager, lock:
            await in_line(manager, hold_two, lock, condition, names="a")
            await in_line(manager, take_and_give_back, lock, names="b")

    with pytest.raises(RuntimeError) as caught:
        run(main)
    assert str(caught.value) == (
        "task 'a' ended while it held <giambio.Lock held by task 'a', 0 waiting>, "
        "<giambio.Lock held by task 'a', 1 waiting>; use `async with lock:`"
    )


def test_who_waits_for_an_abandoned_lock_is_told(run: Run) -> None:
    """Rule 10.2: a `BrokenResourceError` for those who wait and those who come later."""

    async def main() -> None:
        lock = giambio.Lock()
        enough = giambio.Event()
        outcomes: list[object] = []

        async def careless() -> None:
            await lock.acquire()
            await enough.wait()

        async def wait() -> None:
            outcomes.append(await outcome_of(lock.acquire()))

        async with giambio.TaskManager() as others:
            with pytest.raises(RuntimeError, match="'c' ended while it held"):
                async with giambio.TaskManager() as manager:
                    await in_line(manager, careless, names="c")
                    await in_line(others, wait, names="xy")
                    enough.set()
            await settled()
        outcomes.append(await outcome_of(lock.acquire()))
        outcomes.append(await outcome_of(take_and_give_back(lock)))
        for attempt in (lock.acquire_nowait, lock.release):
            with pytest.raises(giambio.BrokenResourceError) as caught:
                attempt()
            outcomes.append(caught.value)
        assert {type(outcome) for outcome in outcomes} == {giambio.BrokenResourceError}
        assert {str(outcome) for outcome in outcomes} == {
            "task 'c' ended while it held this Lock, so what the Lock protects may be half done"
        }
        assert len(outcomes) == 6
        assert repr(lock) == "<giambio.Lock abandoned by task 'c', 0 waiting>"
        assert lock.statistics() == (False, None, 0)

    run(main)


def test_a_cancelled_waiter_of_an_abandoned_lock_is_cancelled(run: Run) -> None:
    """The failure of the one cancels the other, which stands in the line."""

    async def main() -> giambio.Task[None]:
        lock = giambio.Lock()
        enough = giambio.Event()

        async def careless() -> None:
            await lock.acquire()
            await enough.wait()

        with pytest.raises(RuntimeError, match="'c' ended while it held"):
            async with giambio.TaskManager() as manager:
                await in_line(manager, careless, names="c")
                (waiter,) = await in_line(manager, take_and_give_back, lock, names="a")
                enough.set()
        return waiter

    assert run(main).cancelled()


def test_who_got_it_by_hand_over_may_abandon_it_just_the_same(run: Run) -> None:
    async def main() -> None:
        lock = giambio.Lock()
        async with giambio.TaskManager() as manager:
            await lock.acquire()
            (a,) = await in_line(manager, take, lock, names="a")
            lock.release()
            assert lock.statistics().owner is a

    with pytest.raises(RuntimeError, match="task 'a' ended while it held"):
        run(main)


def test_a_task_that_gave_all_back_ends_as_usual(run: Run) -> None:
    async def main() -> str:
        one, two = giambio.Lock(), giambio.Lock()
        await one.acquire()
        await two.acquire()
        one.release()
        await one.acquire()
        two.release()
        one.release()
        return "fine"

    assert run(main) == "fine"


# -- a loop that is stopped ----------------------------------------------------------------------


def test_a_lock_in_a_finally_can_be_released_when_the_loop_is_stopped(run: Run) -> None:
    """A second Ctrl-C closes the tasks from outside: no task is the calling one then."""
    lock = giambio.Lock()
    released = []

    async def hold() -> None:
        await lock.acquire()
        try:
            await giambio.sleep_forever()
        finally:
            lock.release()
            released.append(True)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, names="a")
            await in_line(manager, take_and_give_back, lock, names="b")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert released == [True]
    assert lock.statistics() == (False, None, 0)


def test_a_lock_that_nobody_can_give_back_any_more_is_abandoned(run: Run) -> None:
    """Or the next loop would wait for a task that was closed, for ever."""
    lock = giambio.Lock()

    async def hold() -> None:
        await lock.acquire()
        await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, hold, names="a")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    with pytest.raises(giambio.BrokenResourceError, match=r"^task 'a' ended while it held"):
        run(take, lock)


# -- other ways to hold one ----------------------------------------------------------------------


def test_an_async_generator_gives_its_lock_back_when_it_is_closed(run: Run) -> None:
    async def main() -> bool:
        lock = giambio.Lock()

        async def numbers() -> Any:
            async with lock:
                yield 1
                yield 2

        generator = numbers()
        assert await generator.__anext__() == 1
        assert lock.locked()
        await generator.aclose()
        return lock.locked()

    assert run(main) is False
