"""Barriers: tasks wait for each other."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

import giambio
from support.sync import in_line, in_thread, outcome_of, settled, stop_the_loop, watch_wakes

Run = Callable[..., Any]

TURNED_AWAY = "this Barrier was aborted or reset, so not all tasks will come"


async def wait(barrier: giambio.Barrier) -> int:
    return await barrier.wait()


async def indexes(barrier: giambio.Barrier, names: str) -> list[int]:
    """What the barrier gives to tasks that come in this order."""
    async with giambio.TaskManager() as manager:
        tasks = await in_line(manager, wait, barrier, names=names)
    return [task.result() for task in tasks]


# -- coming and passing --------------------------------------------------------------------------


def test_they_pass_when_the_last_one_has_come(run: Run) -> None:
    async def main() -> None:
        barrier = giambio.Barrier(3)
        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, wait, barrier, names="ab")
            assert barrier.n_waiting == 2
            assert not any(task.done() for task in tasks)
            woken = watch_wakes()
            assert await barrier.wait() == 2
            assert woken.names == ["a", "b"]
            assert barrier.n_waiting == 0
        assert [task.result() for task in tasks] == [0, 1]

    run(main)


def test_it_can_be_passed_again_and_again(run: Run) -> None:
    async def main() -> list[int]:
        barrier = giambio.Barrier(3)
        found = await indexes(barrier, "abc")
        found += await indexes(barrier, "abcdef")
        assert (barrier.n_waiting, barrier.broken) == (0, False)
        return found

    assert run(main) == [0, 1, 2] * 3


def test_tasks_that_come_back_at_once_wait_for_the_next_time(run: Run) -> None:
    """Nobody overtakes: who has passed can come again while the others have not run yet."""

    async def main() -> list[list[int]]:
        barrier = giambio.Barrier(5)
        rounds: list[list[int]] = [[], [], []]

        async def runner() -> None:
            for found in rounds:
                found.append(await barrier.wait())
                assert len(found) <= 5

        async with giambio.TaskManager() as manager:
            for _ in range(5):
                await manager.spawn(runner)
        return [sorted(found) for found in rounds]

    assert run(main) == [[0, 1, 2, 3, 4]] * 3


def test_a_barrier_for_one_lets_everybody_pass(run: Run) -> None:
    async def main() -> list[int]:
        barrier = giambio.Barrier(1)
        async with barrier as index:
            return [index, await barrier.wait(), barrier.n_waiting]

    assert run(main) == [0, 0, 0]


def test_a_block_begins_when_all_have_come_and_its_end_does_nothing(run: Run) -> None:
    async def main() -> list[int]:
        barrier = giambio.Barrier(3)
        inside = []

        async def runner() -> None:
            async with barrier as index:
                inside.append(index)
                assert barrier.n_waiting == 0
                await giambio.checkpoint()

        async with giambio.TaskManager() as manager:
            await in_line(manager, runner, names="ab")
            assert inside == []
            await in_line(manager, runner, names="c")
        return sorted(inside)

    assert run(main) == [0, 1, 2]


def test_leaving_a_block_is_no_checkpoint(run: Run) -> None:
    """Rule 4.13: neither is leaving the block of a barrier."""

    async def main() -> str:
        with giambio.CancelScope() as scope:
            async with giambio.Barrier(1):
                scope.cancel()
            return "left as usual"

    assert run(main) == "left as usual"


# -- cancellation --------------------------------------------------------------------------------


def test_a_cancelled_waiter_leaves_and_the_others_wait_for_another_one(run: Run) -> None:
    """Rule 10.5: a cancelled operation did not happen; the barrier is whole."""

    async def main() -> list[int]:
        barrier = giambio.Barrier(3)
        async with giambio.TaskManager() as manager:
            a, b = await in_line(manager, wait, barrier, names="ab")
            a.cancel()
            assert barrier.n_waiting == 1
            (c,) = await in_line(manager, wait, barrier, names="c")
            assert not b.done()
            (d,) = await in_line(manager, wait, barrier, names="d")
        assert a.cancelled()
        assert not barrier.broken
        return [task.result() for task in (b, c, d)]

    assert run(main) == [0, 1, 2]


def test_passed_and_cancelled_at_once_it_has_passed(run: Run) -> None:
    """Rule 5.3: the others went on because of it, so it keeps its result."""

    async def main() -> list[int]:
        barrier = giambio.Barrier(2)
        record = []

        async def runner() -> None:
            record.append(await barrier.wait())
            await giambio.checkpoint()
            record.append(-1)

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, runner, names="a")
            record.append(await barrier.wait())
            task.cancel()
        assert task.cancelled()
        return record

    assert run(main) == [1, 0]


def test_a_pending_cancellation_does_not_come(run: Run) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> None:
        barrier = giambio.Barrier(2)
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, wait, barrier, names="a")
            with giambio.CancelScope() as scope:
                scope.cancel()
                await barrier.wait()
            assert scope.cancelled_caught
            await settled()
            assert not task.done()
            await barrier.wait()

    run(main)


def test_a_wait_that_is_shielded_again_in_time_goes_on(run: Run) -> None:
    """Rule 3.8: a withdrawn cancellation does not disturb."""

    async def main() -> bool:
        barrier = giambio.Barrier(2)
        inner = giambio.CancelScope()

        async def runner() -> None:
            with inner:
                await barrier.wait()

        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, runner, names="a")
            task.cancel()
            inner.shield = True
            await settled()
            await barrier.wait()
        return inner.cancelled_caught

    assert run(main) is False


# -- abort and reset -----------------------------------------------------------------------------


def test_abort_sends_all_away_and_all_who_come_later(run: Run) -> None:
    async def main() -> None:
        barrier = giambio.Barrier(3)
        outcomes = []

        async def runner() -> None:
            outcomes.append(await outcome_of(barrier.wait()))

        async with giambio.TaskManager() as manager:
            await in_line(manager, runner, names="ab")
            barrier.abort()
            assert barrier.broken
            assert barrier.statistics() == (0, 3, True)
            await in_line(manager, runner, names="c")
        assert [type(one) for one in outcomes] == [giambio.BrokenResourceError] * 3
        assert {str(one) for one in outcomes} == {TURNED_AWAY}
        barrier.abort()
        with pytest.raises(giambio.BrokenResourceError):
            async with barrier:
                raise AssertionError("unreachable")

    run(main)


def test_reset_sends_those_away_who_wait_and_begins_anew(run: Run) -> None:
    async def main() -> list[int]:
        barrier = giambio.Barrier(3)
        barrier.reset()
        again = []

        async def runner() -> None:
            with pytest.raises(giambio.BrokenResourceError, match=f"^{TURNED_AWAY}$"):
                await barrier.wait()
            again.append(await barrier.wait())

        async with giambio.TaskManager() as manager:
            await in_line(manager, runner, names="ab")
            barrier.reset()
            assert barrier.statistics() == (0, 3, False)
            await settled()
            assert barrier.n_waiting == 2
            again.append(await barrier.wait())
        return sorted(again)

    assert run(main) == [0, 1, 2]


def test_reset_makes_an_aborted_barrier_whole(run: Run) -> None:
    async def main() -> list[int]:
        barrier = giambio.Barrier(2)
        barrier.abort()
        barrier.reset()
        assert not barrier.broken
        return await indexes(barrier, "ab")

    assert run(main) == [0, 1]


@pytest.mark.parametrize("how", ["abort", "reset"])
def test_who_has_passed_already_is_not_sent_away(run: Run, how: str) -> None:
    """Even if it has not run since: the last one had come."""

    async def main() -> list[int]:
        barrier = giambio.Barrier(3)
        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, wait, barrier, names="ab")
            await barrier.wait()
            getattr(barrier, how)()
        return [task.result() for task in tasks]

    assert run(main) == [0, 1]


@pytest.mark.parametrize("how", ["abort", "reset"])
def test_of_those_who_have_passed_only_those_who_came_back_are_sent_away(
    run: Run, how: str
) -> None:
    async def main() -> str:
        barrier = giambio.Barrier(4)
        sent_away: list[str] = []

        async def runner(come_back: bool) -> None:
            await barrier.wait()
            if come_back:
                with pytest.raises(giambio.BrokenResourceError):
                    await barrier.wait()
                sent_away.append(giambio.current_task().name)

        async with giambio.TaskManager() as manager:
            await in_line(manager, runner, True, names="ab")
            await in_line(manager, runner, False, names="xy")
            await settled()
            assert barrier.n_waiting == 2
            getattr(barrier, how)()
        assert barrier.statistics() == (0, 4, how == "abort")
        return "".join(sorted(sent_away))

    assert run(main) == "ab"


def test_one_who_fails_can_tell_the_others_and_they_can_begin_anew(run: Run) -> None:
    """As with `threading.Barrier`: abort, meet at another barrier, reset, go on."""

    async def main() -> list[str]:
        barrier, meeting = giambio.Barrier(5), giambio.Barrier(5)
        record: list[str] = []

        async def runner() -> None:
            if await barrier.wait() == 2:
                barrier.abort()
                record.append("aborted")
            else:
                with pytest.raises(giambio.BrokenResourceError):
                    await barrier.wait()
                record.append("told")
            if await meeting.wait() == 2:
                assert barrier.broken
                barrier.reset()
            await meeting.wait()
            await barrier.wait()
            record.append("passed")

        async with giambio.TaskManager() as manager:
            for _ in range(5):
                await manager.spawn(runner)
        assert (barrier.broken, barrier.n_waiting) == (False, 0)
        return record

    record = run(main)
    assert sorted(record[:5]) == ["aborted"] + ["told"] * 4
    assert record[5:] == ["passed"] * 5


def test_sent_away_and_cancelled_at_once_it_is_cancelled(run: Run) -> None:
    """Rule 5.4: one that transferred nothing raises."""

    async def main() -> bool:
        barrier = giambio.Barrier(2)
        async with giambio.TaskManager() as manager:
            (task,) = await in_line(manager, wait, barrier, names="a")
            barrier.abort()
            task.cancel()
        return task.cancelled()

    assert run(main) is True


def test_the_failure_of_one_of_a_managers_children_frees_the_others(run: Run) -> None:
    """With a `TaskManager` around them, nobody waits in vain: no `abort` is needed."""

    async def fail() -> None:
        raise KeyError("will not come")

    async def main() -> None:
        barrier = giambio.Barrier(3)
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, barrier, names="ab")
            await manager.spawn(fail)

    with pytest.raises(KeyError, match="will not come"):
        run(main)


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.0, "1", None, True, nan, inf, b"1", [1]], ids=repr)
def test_what_is_no_number_of_parties_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^Barrier\(\) needs a whole number for parties, not "):
        giambio.Barrier(value)


@pytest.mark.parametrize("value", [0, -4])
def test_a_barrier_for_nobody_is_refused(value: int) -> None:
    with pytest.raises(
        ValueError, match=rf"^Barrier\(\) needs a number from 1 up for parties, not {value}$"
    ):
        giambio.Barrier(value)


@pytest.mark.parametrize("how", ["abort", "reset"])
def test_waking_from_another_thread_is_refused_while_tasks_wait(run: Run, how: str) -> None:
    """Rule 10.10: the fix is in the message, and nobody was sent away."""

    async def main() -> None:
        barrier = giambio.Barrier(2)
        assert in_thread(getattr(barrier, how)) is None
        barrier.reset()
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, barrier, names="a")
            error = in_thread(getattr(barrier, how))
            assert isinstance(error, RuntimeError)
            assert f"Barrier.{how}() was called from another thread" in str(error)
            assert barrier.statistics() == (1, 2, False)
            await barrier.wait()

    run(main)


@pytest.mark.parametrize("parties", [2, 3])
def test_tasks_of_two_loops_cannot_wait_for_each_other(driver: str, parties: int) -> None:
    """Rule 10.10: an object of another loop; the last one is no exception."""
    barrier = giambio.Barrier(parties)
    first, second = (giambio.EventLoop(driver=driver) for _ in range(2))
    task = first.begin(wait, barrier)
    while barrier.n_waiting == 0:
        first.turn(0)
    with pytest.raises(
        RuntimeError,
        match=r"^Barrier\.wait\(\): tasks of another loop wait for this object already; use each",
    ):
        second.start(wait, barrier)
    assert barrier.n_waiting == 1
    barrier.abort()
    while not task.done():
        first.turn()
    with pytest.raises(giambio.BrokenResourceError):
        first.end()


def test_it_is_no_plain_context_manager_and_cannot_be_awaited(run: Run) -> None:
    async def main() -> int:
        barrier: Any = giambio.Barrier(1)
        with pytest.raises(TypeError), barrier:
            pass
        with pytest.raises(TypeError):
            await barrier
        return barrier.n_waiting

    assert run(main) == 0


# -- what can be seen ----------------------------------------------------------------------------


def test_its_repr_tells_how_many_have_come(run: Run) -> None:
    async def main() -> list[str]:
        barrier = giambio.Barrier(3)
        texts = [repr(barrier)]
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, barrier, names="ab")
            texts.append(repr(barrier))
            await barrier.wait()
        barrier.abort()
        texts.append(repr(barrier))
        return texts

    assert run(main) == [
        "<giambio.Barrier 0 of 3 waiting>",
        "<giambio.Barrier 2 of 3 waiting>",
        "<giambio.Barrier broken, 0 of 3 waiting>",
    ]


def test_a_deadlock_names_the_barrier(run: Run) -> None:
    """Rule 11.2: the tree says who waits on what."""
    with pytest.raises(
        giambio.DeadlockError, match=r"Barrier\.wait\(\) on <giambio\.Barrier 1 of 2 waiting>"
    ):
        run(wait, giambio.Barrier(2))


def test_a_loop_that_is_stopped_leaves_nobody_in_the_line(run: Run) -> None:
    barrier = giambio.Barrier(3)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await in_line(manager, wait, barrier, names="ab")
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert barrier.statistics() == (0, 3, False)


def test_it_can_be_referenced_weakly_and_keeps_nothing_alive(run: Run) -> None:
    async def main() -> Any:
        barrier = giambio.Barrier(2)
        await indexes(barrier, "ab")
        return weakref.ref(barrier)

    reference = run(main)
    gc.collect()
    assert reference() is None
