"""Conditions: waiting for a change, under a lock. The lock itself is tested in test_exclusion."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Callable
from math import nan
from typing import Any

import pytest

import giambio
from support.sync import in_line, in_thread, outcome_of, settled, stop_the_loop, watch_wakes

Run = Callable[..., Any]


async def wait(condition: giambio.Condition) -> None:
    async with condition:
        await condition.wait()


async def notify(condition: giambio.Condition, n: int = 1) -> None:
    async with condition:
        condition.notify(n)


def done(tasks: list[giambio.Task[Any]]) -> str:
    """The names of those that have ended."""
    return "".join(task.name for task in tasks if task.done())


# -- waiting and notifying -----------------------------------------------------------------------


def test_waiting_releases_the_lock_and_takes_it_again(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()

        async def waiter() -> None:
            async with condition:
                assert await condition.wait() is None
                assert condition.statistics().lock_statistics.owner is giambio.current_task()

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            assert not condition.locked()
            async with condition:
                condition.notify()
                await settled()
                assert not task.done()  # this task still holds the lock
            await settled()
            assert task.done()
        assert not condition.locked()

    run(main)


def test_notify_wakes_so_many_in_the_order_they_came(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()
        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, wait, condition, names="abcdefg")
            for n, expected in ((1, "a"), (0, "a"), (2, "abc")):
                await notify(condition, n)
                await settled()
                assert done(tasks) == expected
            async with condition:
                condition.notify()
                condition.notify()
            await settled()
            assert done(tasks) == "abcde"
            await notify(condition, 2048)

    run(main)


def test_notify_all_wakes_all_one_by_one(run: Run) -> None:
    async def main() -> list[str]:
        condition = giambio.Condition()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, condition, names="abcd")
            woken = watch_wakes()
            async with condition:
                condition.notify_all()
                assert woken.names == []
                await settled()
                assert woken.names == []  # they are woken once, when they have the lock
        return woken.names[:4]

    assert run(main) == ["a", "b", "c", "d"]


def test_a_notification_that_nobody_waits_for_is_gone(run: Run) -> None:
    async def main() -> bool:
        condition = giambio.Condition()
        async with condition:
            condition.notify()
            condition.notify_all()
            with giambio.move_on_after(0.01) as scope:
                await condition.wait()
        return scope.cancelled_caught

    assert run(main) is True


def test_who_is_notified_stands_in_line_behind_those_who_wait_for_the_lock(run: Run) -> None:
    """Rule 4.11: nobody barges in."""

    async def main() -> list[str]:
        condition = giambio.Condition()
        order: list[str] = []

        async def waiter() -> None:
            async with condition:
                await condition.wait()
                order.append(giambio.current_task().name)

        async def worker() -> None:
            async with condition:
                order.append(giambio.current_task().name)

        async with giambio.TaskManager() as manager:
            await in_line(manager, waiter, names="a")
            async with condition:
                await in_line(manager, worker, names="x")
                condition.notify()
                await in_line(manager, worker, names="y")
        return order

    assert run(main) == ["x", "a", "y"]


def test_several_conditions_can_share_a_lock(run: Run) -> None:
    async def main() -> str:
        lock = giambio.Lock()
        one, two = giambio.Condition(lock), giambio.Condition(lock)
        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, wait, one, names="ab")
            tasks += await in_line(manager, wait, two, names="xy")
            async with lock:
                assert one.locked()
                assert two.locked()
                two.notify_all()
            await settled()
            seen = done(tasks)
            async with two:
                one.notify_all()
        return seen

    assert run(main) == "xy"


@pytest.mark.parametrize("own", [True, False])
def test_the_lock_is_one_of_its_own_or_the_one_given(run: Run, own: bool) -> None:
    async def main() -> None:
        lock = giambio.Lock()
        condition = giambio.Condition() if own else giambio.Condition(lock)
        async with condition:
            assert condition.locked()
            assert lock.locked() is not own
        await condition.acquire()
        condition.release()
        condition.acquire_nowait()
        with pytest.raises(RuntimeError, match="holds this Lock already"):
            condition.acquire_nowait()
        condition.release()
        async with lock:
            assert condition.locked() is not own
        assert not condition.locked()

    run(main)


def test_statistics_and_repr_tell_who_waits_for_what(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, condition, names="abc")
            assert condition.statistics() == (3, (False, None, 0))
            async with condition:
                condition.notify(2)
                statistics = condition.statistics()
                assert statistics.tasks_waiting == 1
                assert statistics.lock_statistics.tasks_waiting == 2
                assert repr(condition).startswith("<giambio.Condition on <giambio.Lock held by ")
                assert repr(condition).endswith(", 2 waiting>, 1 waiting>")
            await settled()
            await notify(condition)
        assert repr(condition) == (
            "<giambio.Condition on <giambio.Lock free, 0 waiting>, 0 waiting>"
        )

    run(main)


# -- wait_for ------------------------------------------------------------------------------------


def test_wait_for_looks_first_and_returns_what_the_predicate_returned(run: Run) -> None:
    async def main() -> object:
        condition = giambio.Condition()
        async with condition:
            result = await condition.wait_for(lambda: [1, 2, 3])
            assert condition.locked()
        return result

    assert run(main) == [1, 2, 3]


def test_wait_for_waits_until_the_predicate_is_true(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()
        value = 0
        asked = []

        def predicate() -> str:
            asked.append((value, condition.locked(), giambio.current_task().name))
            return "enough" if value >= 2 else ""

        async def waiter() -> str:
            async with condition:
                return await condition.wait_for(predicate)

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            for _ in range(2):
                await notify(condition)
                await settled()
                assert not task.done()
                assert condition.statistics().tasks_waiting == 1
            value = 2
            await settled()
            assert not task.done()  # nobody has said so
            await notify(condition)
        assert task.result() == "enough"
        assert asked == [(0, True, "a")] * 3 + [(2, True, "a")]

    run(main)


def test_who_waits_for_something_else_goes_to_the_end_of_the_line(run: Run) -> None:
    async def main() -> str:
        condition = giambio.Condition()
        items: list[str] = []

        async def waiter() -> None:
            async with condition:
                await condition.wait_for(lambda: giambio.current_task().name in items)

        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, waiter, names="abc")
            items.append("c")
            await notify(condition)  # a, in vain
            await settled()
            await notify(condition)  # b, in vain
            await settled()
            await notify(condition)  # c
            await settled()
            seen = done(tasks)
            items.extend("ab")
            await notify(condition, 2)
        return seen

    assert run(main) == "c"


def test_what_the_predicate_raises_comes_out_with_the_lock_held(run: Run) -> None:
    """Rule 8.17: no frame of ours between the user's."""

    async def main() -> None:
        condition = giambio.Condition()
        works = True

        def predicate() -> bool:
            if works:
                return False
            raise KeyError("the predicate's")

        async def waiter() -> None:
            async with condition:
                try:
                    await condition.wait_for(predicate)
                except KeyError as exc:
                    assert condition.locked()
                    assert giambio.current_task()._parked is None
                    names = [frame.name for frame in traceback.extract_tb(exc.__traceback__)]
                    assert names == ["waiter", "predicate"]
                    assert exc.__context__ is None
                    raise

        with pytest.raises(KeyError, match="the predicate's"):
            async with giambio.TaskManager() as manager:
                await in_line(manager, waiter, names="a")
                works = False
                await notify(condition)
        with pytest.raises(KeyError, match="the predicate's"):
            await waiter()
        assert not condition.locked()

    run(main)


def test_a_predicate_that_cancels_its_own_task_is_believed(run: Run) -> None:
    async def main() -> bool:
        condition = giambio.Condition()
        with giambio.CancelScope() as scope:
            async with condition:
                await condition.wait_for(lambda: scope.cancel() and False)
        return scope.cancelled_caught and not condition.locked()

    assert run(main) is True


def test_a_predicate_that_releases_the_lock_is_an_error(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()
        await condition.acquire()
        await condition.wait_for(condition.release)

    with pytest.raises(
        RuntimeError, match=r"called Condition\.wait_for\(\), but does not hold the Lock"
    ):
        run(main)


# -- cancellation --------------------------------------------------------------------------------


def test_cancelled_it_has_the_lock_again(run: Run) -> None:
    """Rule 10.4: as in Trio and asyncio: the block around it will release it."""

    async def main() -> bool:
        condition = giambio.Condition()
        with giambio.move_on_after(0.01) as scope:
            async with condition:
                try:
                    await condition.wait()
                finally:
                    owner = condition.statistics().lock_statistics.owner
                    assert owner is giambio.current_task()
        assert not condition.locked()
        assert condition.statistics().tasks_waiting == 0
        return scope.cancelled_caught

    assert run(main) is True


def test_taking_the_lock_again_cannot_be_cancelled(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, wait, condition, names="a")
            async with condition:
                task.cancel()
                assert condition.statistics() == (0, (True, giambio.current_task(), 1))
                await settled()
                assert not task.done()
                task.cancel()
                await settled()
                assert not task.done()
            await settled()
            assert task.cancelled()
        assert not condition.locked()

    run(main)


@pytest.mark.parametrize("contended", [True, False])
def test_the_cancellation_arrives_as_it_is(run: Run, contended: bool) -> None:
    """With its reason, and nothing else around it, however long the lock took to come back."""

    async def main() -> giambio.CancelledError:
        condition = giambio.Condition()
        raised = []

        async def waiter() -> None:
            async with condition:
                try:
                    await condition.wait_for(lambda: False)
                except giambio.CancelledError as exc:
                    raised.append(exc)
                    raise

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            if contended:
                async with condition:
                    task.cancel("enough")
                    await settled()
                    assert raised == []
            else:
                task.cancel("enough")
        assert task.cancelled()
        (cancellation,) = raised
        return cancellation

    cancellation = run(main)
    assert cancellation.reason == "enough"
    assert cancellation.__context__ is None


def test_cancelled_while_it_waits_it_stands_in_line_for_the_lock(run: Run) -> None:
    async def main() -> list[str]:
        condition = giambio.Condition()
        order = []

        async def waiter() -> None:
            async with condition:
                try:
                    await condition.wait()
                finally:
                    order.append("cancelled")

        async def worker() -> None:
            async with condition:
                order.append(giambio.current_task().name)

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            async with condition:
                await in_line(manager, worker, names="x")
                task.cancel()
                await in_line(manager, worker, names="y")
        return order

    assert run(main) == ["x", "cancelled", "y"]


def test_a_cancelled_waiter_is_not_notified(run: Run) -> None:
    """Rule 5.6: the next one is woken."""

    async def main() -> tuple[bool, bool]:
        condition = giambio.Condition()
        async with giambio.TaskManager() as manager:
            a, b = await in_line(manager, wait, condition, names="ab")
            async with condition:
                a.cancel()
                condition.notify()
            await settled()
            return a.cancelled(), b.done()

    assert run(main) == (True, True)


@pytest.mark.parametrize("when", ["before it runs", "while it waits for the lock"])
def test_notified_and_cancelled_at_once_counts_as_notified(run: Run, when: str) -> None:
    """Rule 10.3: notified counts, and the next checkpoint raises."""

    async def main() -> list[str]:
        condition = giambio.Condition()
        record = []

        async def waiter() -> None:
            async with condition:
                await condition.wait()
                record.append("notified")
                await giambio.checkpoint()
                record.append("never")

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            async with condition:
                condition.notify()
                if when == "while it waits for the lock":
                    await settled()
                    task.cancel()
            if when == "before it runs":
                task.cancel()
        assert task.cancelled()
        assert not condition.locked()
        return record

    assert run(main) == ["notified"]


@pytest.mark.parametrize("when", ["while it waits for the lock", "before it runs"])
def test_no_notification_is_lost_to_a_cancelled_task(run: Run, when: str) -> None:
    """Rule 10.3: a notified task takes its item, cancelled or not; or it would stay there."""

    async def main() -> None:
        condition = giambio.Condition()
        items = 0
        taken = []

        def some_items() -> bool:
            return items > 0

        async def consumer() -> None:
            nonlocal items
            while True:
                async with condition:
                    await condition.wait_for(some_items)
                    items -= 1
                    taken.append(giambio.current_task().name)

        async with giambio.TaskManager() as manager:
            a, _ = await in_line(manager, consumer, names="ab")
            async with condition:
                items += 1
                condition.notify()
                if when == "while it waits for the lock":
                    a.cancel()
            if when == "before it runs":
                a.cancel()
            await settled()
            assert a.cancelled()
            assert (items, taken) == (0, ["a"])
            manager.cancel()

    run(main)


def test_notified_in_vain_and_cancelled_it_is_cancelled_with_the_lock_held(run: Run) -> None:
    async def main() -> giambio.Task[None]:
        condition = giambio.Condition()

        async def waiter() -> None:
            async with condition:
                try:
                    await condition.wait_for(lambda: False)
                finally:
                    assert condition.locked()

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            await notify(condition)
            task.cancel()
        assert not condition.locked()
        return task

    assert run(main).cancelled()


def test_a_pending_cancellation_does_not_even_look(run: Run) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> list[object]:
        condition = giambio.Condition()
        async with condition:
            with giambio.CancelScope() as scope:
                scope.cancel()
                return [
                    await outcome_of(condition.wait_for(lambda: 1 / 0)),
                    await outcome_of(condition.wait()),
                    condition.locked(),
                ]

    one, two, locked = run(main)
    assert isinstance(one, giambio.CancelledError)
    assert isinstance(two, giambio.CancelledError)
    assert locked


@pytest.mark.parametrize("kind", ["wait", "wait_for"])
@pytest.mark.parametrize("contended", [True, False])
def test_a_wait_that_is_shielded_again_in_time_goes_on(
    run: Run, kind: str, contended: bool
) -> None:
    """Rule 3.8: a withdrawn cancellation does not disturb.

    If somebody else had the lock meanwhile, and may have notified others, the task goes back to
    where it can look: `wait` returns, `wait_for` looks and waits on.
    """

    async def main() -> None:
        condition = giambio.Condition()
        inner = giambio.CancelScope()
        value = False

        async def waiter() -> None:
            async with condition:
                with inner:
                    if kind == "wait":
                        await condition.wait()
                    else:
                        await condition.wait_for(lambda: value)
                    await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, waiter, names="a")
            if contended:
                async with condition:
                    task.cancel()
                    inner.shield = True
            else:
                task.cancel()
                inner.shield = True
            await settled()
            if kind == "wait" and contended:
                assert task.done()
            else:
                assert condition.statistics().tasks_waiting == 1
                value = True
                await notify(condition)
        assert not inner.cancelled_caught
        assert task.result() is None
        assert not condition.locked()

    run(main)


def test_a_withdrawn_cancellation_is_forgotten(run: Run) -> None:
    """The next notification counts as any other does, whatever comes at the same time."""

    async def main() -> list[str]:
        condition = giambio.Condition()
        inner, outer = giambio.CancelScope(), giambio.CancelScope()
        value = False
        record = []

        async def waiter() -> None:
            async with condition:
                with outer, inner:
                    await condition.wait_for(lambda: value)
                    record.append("notified")

        async with giambio.TaskManager() as manager:
            await in_line(manager, waiter, names="a")
            async with condition:
                outer.cancel()
                inner.shield = True
            await settled()
            assert condition.statistics().tasks_waiting == 1
            async with condition:
                value = True
                condition.notify()
                inner.shield = False
        return record

    assert run(main) == ["notified"]


def test_cancellation_again_and_again_leaves_the_lock_usable(run: Run) -> None:
    async def main() -> None:
        condition = giambio.Condition()
        async with condition:
            for _ in range(100):
                with giambio.CancelScope() as scope:
                    giambio.current_loop().call_soon(scope.cancel)
                    await condition.wait()
                assert scope.cancelled_caught
                assert condition.locked()
        assert condition.statistics() == (0, (False, None, 0))

    run(main)


# -- a lock that is abandoned --------------------------------------------------------------------


def abandoned_by(name: str) -> str:
    """What everybody is told who has to do with a lock that a task has abandoned."""
    return (
        f"task '{name}' ended while it held this Lock, so what the Lock protects may be half done"
    )


@pytest.mark.parametrize("kind", ["wait", "wait_for"])
def test_who_waits_on_an_abandoned_lock_is_told(run: Run, kind: str) -> None:
    """Nobody can notify any more; and the block around it does not hide the error."""

    async def main() -> list[str]:
        condition = giambio.Condition()
        messages = []

        async def waiter() -> None:
            try:
                async with condition:
                    await (condition.wait() if kind == "wait" else condition.wait_for(lambda: 0))
            except giambio.BrokenResourceError as exc:
                assert exc.__context__ is None
                messages.append(str(exc))

        async def careless() -> None:
            await condition.acquire()
            condition.notify()  # so that one waits for the lock, and the other to be notified

        async with giambio.TaskManager() as others:
            await in_line(others, waiter, names="ab")
            with pytest.raises(RuntimeError, match=r"task 'c' ended while it held <giambio.Lock"):
                async with giambio.TaskManager() as manager:
                    await manager.spawn(careless, name="c")
        assert condition.statistics() == (0, (False, None, 0))
        with pytest.raises(giambio.BrokenResourceError):
            condition.notify()
        with pytest.raises(giambio.BrokenResourceError):
            condition.release()
        with pytest.raises(giambio.BrokenResourceError):
            await condition.acquire()
        with pytest.raises(giambio.BrokenResourceError):
            await condition.wait()
        return messages

    assert run(main) == [abandoned_by("c")] * 2


def test_a_task_that_is_told_in_a_block_and_goes_on_is_told_again_at_its_end(run: Run) -> None:
    """The block cannot give back what the task has not; without another error that is one."""

    async def main() -> None:
        condition = giambio.Condition()

        async def waiter() -> None:
            async with condition:
                with pytest.raises(giambio.BrokenResourceError):
                    await condition.wait()

        async with giambio.TaskManager() as others:
            await in_line(others, waiter, names="a")
            with pytest.raises(RuntimeError, match="task 'c' ended"):
                async with giambio.TaskManager() as manager:
                    await manager.spawn(condition.acquire, name="c")

    with pytest.raises(giambio.BrokenResourceError, match="task 'c' ended while it held this Lock"):
        run(main)


def test_a_task_that_takes_the_lock_by_a_condition_may_abandon_it(run: Run) -> None:
    """The lock that it has again after waiting counts as held."""

    async def main() -> None:
        condition = giambio.Condition()

        async def careless() -> None:
            await condition.acquire()
            await condition.wait()

        async with giambio.TaskManager() as manager:
            await in_line(manager, careless, names="a")
            await notify(condition)

    with pytest.raises(RuntimeError, match=r"task 'a' ended while it held <giambio.Lock held by"):
        run(main)


def test_cancelled_when_the_lock_is_abandoned_it_is_cancelled(run: Run) -> None:
    async def main() -> giambio.Task[None]:
        condition = giambio.Condition()

        async def careless() -> None:
            await condition.acquire()
            await giambio.sleep(0)

        with pytest.raises(RuntimeError, match="task 'c' ended"):
            async with giambio.TaskManager() as manager:
                (task,) = await in_line(manager, wait, condition, names="a")
                await manager.spawn(careless, name="c")
        return task

    assert run(main).cancelled()


def test_cancelled_while_all_are_told_it_does_not_get_the_lock(run: Run) -> None:
    """A hook runs in the middle of it, when nobody owns the lock and not all know why."""

    class CancelTheSleeper(giambio.Hook):
        def woken(self, task: giambio.Task[Any], by: object) -> None:
            if task.name == "lines up":
                sleeper.cancel()

    async def main() -> None:
        nonlocal sleeper
        condition = giambio.Condition()

        async def sleep() -> None:
            async with condition:
                try:
                    await condition.wait()
                finally:
                    assert not condition.locked()

        async def line_up() -> None:
            with pytest.raises(giambio.BrokenResourceError):
                await condition.acquire()

        async def careless() -> None:
            await condition.acquire()
            await settled()

        async with giambio.TaskManager() as others:
            (sleeper,) = await in_line(others, sleep, names="s")
            giambio.current_loop().add_hook(CancelTheSleeper())
            with pytest.raises(RuntimeError, match="task 'c' ended"):
                async with giambio.TaskManager() as manager:
                    await manager.spawn(careless, name="c")
                    while not condition.locked():
                        await giambio.checkpoint()
                    await others.spawn(line_up, name="lines up")
        assert sleeper.cancelled()
        assert condition.statistics() == (0, (False, None, 0))

    sleeper: giambio.Task[Any]
    run(main)


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["wait", "wait_for", "notify", "notify_all", "release"])
def test_it_needs_the_lock(run: Run, method: str) -> None:
    """Rule 19.1: the message names the call, the task, the lock's holder and the fix."""

    async def main() -> str:
        condition = giambio.Condition()

        async def careless() -> None:
            result = getattr(condition, method)(*([list] if method == "wait_for" else []))
            if result is not None:
                await result

        async with condition:
            with pytest.raises(RuntimeError) as caught:
                async with giambio.TaskManager() as manager:
                    await manager.spawn(careless, name="careless")
        return str(caught.value)

    message = run(main)
    assert message.startswith(
        f"task 'careless' called Condition.{method}(), but does not hold the Lock (task '"
    )
    assert message.endswith("main' holds it); acquire it first, best with `async with`")


def test_it_needs_the_lock_even_if_there_is_nothing_to_wait_for(run: Run) -> None:
    """A predicate looks at what the lock protects."""
    with pytest.raises(RuntimeError, match=r"called Condition\.wait_for\(\), but does not hold"):
        run(giambio.Condition().wait_for, lambda: True)


def test_outside_of_any_task_nobody_can_notify() -> None:
    condition = giambio.Condition()
    for method in (condition.notify, condition.notify_all, condition.release):
        with pytest.raises(RuntimeError, match="there is no current task"):
            method()


@pytest.mark.parametrize("value", [giambio.Semaphore(1), giambio.Lock, 1, "lock"], ids=repr)
def test_what_is_no_lock_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^Condition\(\) needs a giambio\.Lock or None, not "):
        giambio.Condition(value)


@pytest.mark.parametrize("value", [1.0, "1", None, True, nan, [1]], ids=repr)
def test_what_is_no_number_to_notify_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^Condition\.notify\(\) needs a whole number for n, not"):
        giambio.Condition().notify(value)


def test_a_negative_number_to_notify_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Condition\.notify\(\) needs a number from 0 up for n"):
        giambio.Condition().notify(-1)


def test_what_is_no_predicate_is_refused(run: Run) -> None:
    condition = giambio.Condition()
    with pytest.raises(TypeError, match=r"^Condition\.wait_for\(\) needs a function, not True$"):
        condition.wait_for(True)  # type: ignore[arg-type]

    async def predicate() -> bool:
        return False

    async def main() -> None:
        async with condition:
            await condition.wait_for(predicate)

    with pytest.raises(TypeError, match=r"needs a plain function, and <function .*async one"):
        run(main)  # that no coroutine "was never awaited" is part of the test


def test_tasks_of_another_loop_cannot_have_the_lock_of_those_who_wait(driver: str) -> None:
    """Rule 10.10: nobody could wake tasks of another loop, in another thread, from there."""
    condition = giambio.Condition()

    async def main() -> BaseException | None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, condition, names="a")
            error = in_thread(lambda: giambio.run(notify, condition, driver=driver))
            manager.cancel()
        return error

    error = giambio.run(main, driver=driver)
    assert isinstance(error, RuntimeError)
    assert str(error) == (
        "tasks of another loop wait for a Condition on this Lock; use each object in one loop"
    )
    giambio.run(notify, condition, driver=driver)


# -- a loop that is stopped ----------------------------------------------------------------------


@pytest.mark.parametrize("held", [True, False])
def test_a_stopped_loop_leaves_no_waiter_and_a_free_lock(run: Run, held: bool) -> None:
    """A second Ctrl-C closes the tasks from outside, wherever they are in a wait."""
    condition = giambio.Condition()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, condition, names="abc")
            async with condition:
                condition.notify()
                if held:
                    await stop_the_loop()
            giambio.current_loop()._stop_between_steps(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert condition.statistics() == (0, (False, None, 0))
    run(notify, condition)


def test_a_task_that_is_closed_while_it_waits_has_not_the_lock(run: Run) -> None:
    """So nothing is abandoned by it, although no `finally` gives anything back."""
    condition = giambio.Condition()

    async def waiter() -> None:
        await condition.acquire()
        await condition.wait()
        condition.release()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, waiter, names="a")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    run(notify, condition)


# -- what can be seen ----------------------------------------------------------------------------


def test_a_lock_does_not_keep_the_lines_of_its_conditions(run: Run) -> None:
    """It knows of those only in which tasks wait."""

    def lines() -> int:
        gc.collect()
        return sum(type(one).__name__ == "Line" for one in gc.get_objects())

    async def main() -> int:
        lock = giambio.Lock()
        before = lines()
        for how in ("notified", "cancelled") * 3:
            condition = giambio.Condition(lock)
            async with giambio.TaskManager() as manager:
                (task,) = await in_line(manager, wait, condition, names="a")
                if how == "notified":
                    await notify(condition)
                else:
                    task.cancel()
            del condition, task
        return lines() - before

    assert run(main) == 0


def test_a_lock_does_not_keep_its_conditions_alive(run: Run) -> None:
    async def main() -> list[Any]:
        lock = giambio.Lock()
        references = []
        for _ in range(3):
            condition = giambio.Condition(lock)
            async with giambio.TaskManager() as manager:
                tasks = await in_line(manager, wait, condition, names="abc")
                tasks[0].cancel()
                async with condition:
                    condition.notify_all()
            references.append(weakref.ref(condition))
        del condition
        gc.collect()
        return [reference() for reference in references]

    assert run(main) == [None] * 3


@pytest.mark.parametrize("kind", ["wait", "wait_for"])
def test_a_deadlock_names_the_condition(run: Run, kind: str) -> None:
    """Rule 11.2: the tree of who waits on what."""

    async def main() -> None:
        condition = giambio.Condition()
        async with condition:
            await (condition.wait() if kind == "wait" else condition.wait_for(lambda: False))

    with pytest.raises(giambio.DeadlockError) as caught:
        run(main)
    assert f"Condition.{kind}() on <giambio.Condition on <giambio.Lock free" in str(caught.value)


def test_who_was_notified_waits_for_the_lock(run: Run) -> None:
    """The task tree names what a task waits for now."""

    async def main() -> str:
        condition = giambio.Condition()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, condition, names="a")
            async with condition:
                condition.notify()
                (info,) = giambio.task_tree()[0].children
        return info.waits_for

    assert run(main).startswith("Condition.wait() on <giambio.Lock held by task '")


def test_a_forgotten_await_is_named() -> None:
    condition = giambio.Condition()
    for method, args in (("wait", ()), ("wait_for", (list,)), ("acquire", ())):
        with pytest.warns(RuntimeWarning, match=rf"^Condition\.{method}\(\) was never awaited$"):
            getattr(condition, method)(*args)
            gc.collect()
