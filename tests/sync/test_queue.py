"""Queues: asyncio's vocabulary, three orders, and a close that wakes all waiting tasks."""

from __future__ import annotations

import gc
import heapq
import math
import random
import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import giambio
from support.sync import in_line, in_thread, outcome_of, settled, stop_the_loop

Run = Callable[..., Any]
QUEUES = [giambio.Queue, giambio.PriorityQueue, giambio.LifoQueue]

every_queue = pytest.mark.parametrize("make", QUEUES, ids=lambda cls: cls.__name__)


# -- putting and getting -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "order"),
    [
        (giambio.Queue, [1, 3, 2]),
        (giambio.PriorityQueue, [1, 2, 3]),
        (giambio.LifoQueue, [2, 3, 1]),
    ],
)
def test_items_come_out_in_the_order_of_the_queue(run: Run, make: Any, order: list[int]) -> None:
    async def main() -> None:
        queue = make()
        for number in 1, 3, 2:
            await queue.put(number)
        assert [await queue.get() for _ in range(3)] == order
        for number in 1, 3, 2:
            queue.put_nowait(number)
        assert [queue.get_nowait() for _ in range(3)] == order
        for number in 1, 3, 2:
            queue.put_nowait(number)
        queue.close()
        assert [number async for number in queue] == order

    run(main)


@every_queue
def test_a_queue_tells_how_full_it_is(make: Any) -> None:
    queue = make(2)
    assert (queue.maxsize, queue.qsize(), queue.empty(), queue.full()) == (2, 0, True, False)
    queue.put_nowait(1)
    assert (queue.maxsize, queue.qsize(), queue.empty(), queue.full()) == (2, 1, False, False)
    queue.put_nowait(2)
    assert (queue.maxsize, queue.qsize(), queue.empty(), queue.full()) == (2, 2, False, True)
    queue.get_nowait()
    assert (queue.maxsize, queue.qsize(), queue.empty(), queue.full()) == (2, 1, False, False)


@every_queue
def test_without_a_limit_a_queue_is_never_full(make: Any) -> None:
    queue = make()
    assert queue.maxsize == 0
    for number in range(1000):
        queue.put_nowait(number)
    assert not queue.full()
    assert queue.qsize() == 1000


@every_queue
def test_nowait_refuses_when_full_or_empty(make: Any) -> None:
    queue = make(1)
    name = make.__name__
    with pytest.raises(giambio.WouldBlock, match=f"this {name} is empty"):
        queue.get_nowait()
    queue.put_nowait(1)
    with pytest.raises(giambio.WouldBlock, match=f"this {name} is full, with 1 items"):
        queue.put_nowait(2)
    assert queue.get_nowait() == 1


@every_queue
def test_putting_waits_while_the_queue_is_full(run: Run, make: Any) -> None:
    async def put_three(queue: Any, done: list[int]) -> None:
        for number in range(3):
            await queue.put(number)
            done.append(number)

    async def main() -> None:
        queue = make(2)
        done: list[int] = []
        async with giambio.TaskManager() as manager:
            await manager.spawn(put_three, queue, done)
            await settled()
            assert done == [0, 1]
            first = await queue.get()
            await settled()
            assert done == [0, 1, 2]
            assert sorted([first, await queue.get(), await queue.get()]) == [0, 1, 2]

    run(main)


@every_queue
def test_getting_waits_while_the_queue_is_empty(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(queue.get)
            await settled()
            assert not task.done()
            giambio.current_loop().call_soon(queue.put_nowait, 1)
            assert await task == 1
            task = await manager.spawn(queue.get)
            await settled()
            await queue.put(2)
            assert await task == 2

    run(main)


@every_queue
def test_many_producers_and_consumers_get_everything_through(run: Run, make: Any) -> None:
    async def produce(queue: Any, first: int) -> None:
        for number in range(first, first + 20):
            await queue.put(number)

    async def consume(queue: Any, items: list[int]) -> None:
        async for item in queue:
            items.append(item)

    async def main() -> list[int]:
        queue = make(1)
        items: list[int] = []
        async with giambio.TaskManager() as consumers:
            for _ in range(3):
                consumers.start_soon(consume, queue, items)
            async with giambio.TaskManager() as producers:
                for first in range(0, 100, 20):
                    producers.start_soon(produce, queue, first)
            queue.close()
        return items

    assert sorted(run(main)) == list(range(100))


# -- fairness and cancellation -------------------------------------------------------------


@every_queue
def test_nobody_takes_away_what_was_handed_to_a_waiting_getter(run: Run, make: Any) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> None:
        queue = make()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(queue.get)
            await settled()
            queue.put_nowait("first")
            assert queue.empty()
            with pytest.raises(giambio.WouldBlock):
                queue.get_nowait()
            queue.put_nowait("another")
            assert await task == "first"
            assert queue.get_nowait() == "another"

    run(main)


@every_queue
def test_nobody_takes_the_room_that_a_waiting_putter_was_given(run: Run, make: Any) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> None:
        queue = make(1)
        queue.put_nowait(1)
        async with giambio.TaskManager() as manager:
            await manager.spawn(queue.put, 2)
            await settled()
            assert queue.get_nowait() == 1
            assert queue.full()
            with pytest.raises(giambio.WouldBlock):
                queue.put_nowait(3)
            assert await queue.get() == 2

    run(main)


@every_queue
def test_those_who_wait_get_their_turns_in_order(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make(1)
        async with giambio.TaskManager() as manager:
            getters = await in_line(manager, queue.get, names="abcd")
            getters[1].cancel()
            for number in range(3):
                queue.put_nowait(number)
            await settled()
            assert [getters[index].result() for index in (0, 2, 3)] == [0, 1, 2]
            putters = []
            for number in range(4):
                putters.append(await manager.spawn(queue.put, number))
                await settled()
            putters[1].cancel()
            assert [await queue.get() for _ in range(3)] == [0, 2, 3]

    run(main)


@every_queue
def test_a_cancelled_put_or_get_did_not_happen(run: Run, make: Any) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        queue = make(1)
        with giambio.move_on_after(0.01) as scope:
            await queue.get()
        assert scope.cancelled_caught
        with giambio.CancelScope() as scope:
            scope.cancel()
            await queue.put("there is room, but the scope is cancelled")
        assert scope.cancelled_caught
        queue.put_nowait("kept")
        with giambio.move_on_after(0.01) as scope:
            await queue.put("no room")
        assert scope.cancelled_caught
        with giambio.CancelScope() as scope:
            scope.cancel()
            await queue.get()
        assert scope.cancelled_caught
        assert queue.statistics() == (1, 1, 1, 0, 0, 0)
        assert queue.get_nowait() == "kept"

    run(main)


@every_queue
def test_what_was_handed_over_is_kept_when_a_cancellation_comes_too(run: Run, make: Any) -> None:
    """Rule 5.3: it keeps its result, and the next checkpoint raises."""

    async def take(queue: Any, got: list[str]) -> None:
        got.append(await queue.get())
        await giambio.checkpoint()
        raise AssertionError("the checkpoint did not raise")

    async def give(queue: Any, gone: list[str]) -> None:
        await queue.put("out")
        gone.append("out")
        await giambio.checkpoint()
        raise AssertionError("the checkpoint did not raise")

    async def main() -> None:
        queue = make(1)
        got: list[str] = []
        gone: list[str] = []
        async with giambio.TaskManager() as manager:
            taking = await manager.spawn(take, queue, got)
            await settled()
            queue.put_nowait("in")
            taking.cancel()
        queue.put_nowait("full")
        async with giambio.TaskManager() as manager:
            giving = await manager.spawn(give, queue, gone)
            await settled()
            assert queue.get_nowait() == "full"
            giving.cancel()
        assert (got, gone, queue.get_nowait()) == (["in"], ["out"], "out")
        assert taking.cancelled()
        assert giving.cancelled()

    run(main)


@every_queue
def test_a_getter_that_is_cancelled_first_leaves_the_item_to_the_next(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make()
        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, queue.get, names="abc")
            tasks[0].cancel()
            queue.put_nowait(1)
            queue.put_nowait(2)
        assert [task.result() for task in tasks[1:]] == [1, 2]
        assert tasks[0].cancelled()

    run(main)


@every_queue
def test_of_many_getters_one_may_be_cancelled_after_the_items_came(run: Run, make: Any) -> None:
    """Rule 5.3: an operation that transferred something keeps its result."""

    async def get(queue: Any, got: list[int]) -> None:
        got.append(await queue.get())
        await giambio.checkpoint()

    async def main() -> None:
        queue = make()
        got: list[int] = []
        async with giambio.TaskManager() as manager:
            tasks = await in_line(manager, get, queue, got, names="abc")
            queue.put_nowait(1)
            queue.put_nowait(2)
            tasks[0].cancel()
            await settled()
            assert [task.done() for task in tasks] == [True, True, False]
            queue.put_nowait(3)
        assert sorted(got) == [1, 2, 3]
        assert tasks[0].cancelled()

    run(main)


@every_queue
def test_emptying_a_queue_lets_all_in_who_wait(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make(2)
        async with giambio.TaskManager() as manager:
            for number in range(4):
                await manager.spawn(queue.put, number)
                await settled()
            got = {queue.get_nowait() for _ in range(queue.qsize())}
            assert queue.qsize() == 2
            got |= {queue.get_nowait() for _ in range(queue.qsize())}
            assert got == {0, 1, 2, 3}

    run(main)


@every_queue
def test_a_getter_closed_from_outside_gives_back_what_it_was_handed(run: Run, make: Any) -> None:
    """Rule 5.7: nothing is lost, not even when the loop is torn down."""
    queue = make()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(queue.get)
            await settled()
            queue.put_nowait(1)
            assert queue.empty()
            queue.put_nowait(2)
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert [queue.get_nowait(), queue.get_nowait()] == [1, 2]


# -- closing -------------------------------------------------------------------------------


@every_queue
def test_after_closing_what_is_left_can_be_got_and_then_comes_the_end(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make()
        for number in range(3):
            queue.put_nowait(number)
        queue.close()
        got = [await queue.get(), queue.get_nowait(), await queue.get()]
        assert sorted(got) == [0, 1, 2]
        message = f"this {make.__name__} is closed and empty"
        for _ in range(2):
            with pytest.raises(giambio.EndOfStream, match=message):
                await queue.get()
            with pytest.raises(giambio.EndOfStream, match=message):
                queue.get_nowait()
        assert [item async for item in queue] == []
        assert await anext(queue, "default") == "default"

    run(main)


@every_queue
def test_nothing_can_be_put_into_a_closed_queue(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make()
        queue.close()
        message = f"this {make.__name__} is closed, so nothing can be put in"
        with pytest.raises(giambio.ClosedResourceError, match=message):
            await queue.put(1)
        with pytest.raises(giambio.ClosedResourceError, match=message):
            queue.put_nowait(1)
        assert queue.empty()

    run(main)


@every_queue
def test_closing_ends_those_who_wait(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make(1)
        async with giambio.TaskManager() as manager:
            getters = [await manager.spawn(outcome_of, queue.get()) for _ in range(2)]
            await settled()
            queue.close()
        assert all(isinstance(task.result(), giambio.EndOfStream) for task in getters)

        queue = make(1)
        queue.put_nowait("kept")
        async with giambio.TaskManager() as manager:
            putters = [await manager.spawn(outcome_of, queue.put(n)) for n in range(2)]
            await settled()
            queue.close()
            # At once, whatever happens before they have their turn.
            assert queue.get_nowait() == "kept"
        assert all(isinstance(task.result(), giambio.ClosedResourceError) for task in putters)
        assert queue.empty()

    run(main)


@every_queue
def test_an_immediate_shutdown_drops_the_items(run: Run, make: Any) -> None:
    """Rule 10.11: they count as done, so `join` ends once those that were got are done."""

    async def main() -> None:
        queue = make(3)
        for number in range(3):
            queue.put_nowait(number)
        await queue.get()
        async with giambio.TaskManager() as manager:
            queue.put_nowait(3)
            putter = await manager.spawn(outcome_of, queue.put(4))
            joiner = await manager.spawn(queue.join)
            await settled()
            queue.shutdown(immediate=True)
            assert queue.empty()
            assert queue.statistics().unfinished_tasks == 1
            with pytest.raises(giambio.EndOfStream):
                await queue.get()
            await settled()
            assert not joiner.done()
            queue.task_done()
        assert isinstance(putter.result(), giambio.ClosedResourceError)
        with pytest.raises(ValueError, match="more often than items were put"):
            queue.task_done()

    run(main)


def test_a_shutdown_may_become_immediate(run: Run) -> None:
    """Rule 10.11: and is harmless where the queue is empty."""

    async def main() -> None:
        queue: giambio.Queue[int] = giambio.Queue()
        queue.put_nowait(1)
        queue.put_nowait(2)
        queue.shutdown()
        assert await queue.get() == 1
        for _ in range(2):
            queue.shutdown(immediate=True)
            with pytest.raises(giambio.EndOfStream):
                await queue.get()
        queue.task_done()
        await queue.join()

    run(main)


def test_an_immediate_shutdown_compares_no_items(run: Run) -> None:
    """Rule 10.11: it works whatever the items are."""

    class Bad(int):
        def __lt__(self, other: object) -> bool:
            if queue.statistics().qsize == 3:
                raise ZeroDivisionError
            return False

    queue: giambio.PriorityQueue[Bad] = giambio.PriorityQueue()
    for number in range(3):
        queue.put_nowait(Bad(number))
    queue.shutdown(immediate=True)
    assert queue.empty()


@every_queue
def test_an_item_that_a_get_gives_back_is_dropped_too(run: Run, make: Any) -> None:
    """Rule 10.11: nobody would get it, and `join` would wait for ever."""
    queue = make()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(queue.get)
            await settled()
            queue.put_nowait(1)
            queue.shutdown(immediate=True)
            assert queue.statistics().unfinished_tasks == 1
            await stop_the_loop()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert queue.statistics().unfinished_tasks == 0
    with pytest.raises(giambio.EndOfStream):
        queue.get_nowait()


HOW_TO_CLOSE = ["close", "await close", "await aclose", "with", "async with", "shutdown"]


@pytest.mark.parametrize("how", HOW_TO_CLOSE)
def test_a_queue_can_be_closed_in_six_ways(run: Run, how: str) -> None:
    """Rules 5.11, 5.14: closing is idempotent; leaving a `with` block closes at once."""

    async def close(queue: Any) -> None:
        if how == "close":
            queue.close()
        elif how == "await close":
            await queue.close()
        elif how == "await aclose":
            await queue.aclose()
        elif how == "shutdown":
            queue.shutdown()
        elif how == "with":
            with queue as same:
                assert same is queue
        else:
            async with queue as same:
                assert same is queue

    async def main() -> None:
        queue: giambio.Queue[int] = giambio.Queue()
        for _ in range(2):
            await close(queue)
            with pytest.raises(giambio.EndOfStream):
                queue.get_nowait()

    run(main)


# -- join ----------------------------------------------------------------------------------


@every_queue
def test_join_waits_until_everything_is_done(run: Run, make: Any) -> None:
    async def work(queue: Any, total: list[int]) -> None:
        async for number in queue:
            await giambio.checkpoint()
            total[0] += number
            queue.task_done()

    async def main() -> None:
        queue = make()
        total = [0]
        for number in range(100):
            queue.put_nowait(number)
        async with giambio.TaskManager() as manager:
            for _ in range(2):
                await manager.spawn(work, queue, total)
            await queue.join()
            assert total == [sum(range(100))]
            queue.close()

    run(main)


@every_queue
def test_join_of_a_queue_with_nothing_to_do_does_not_wait(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make()
        await queue.join()
        await queue.join()
        with giambio.CancelScope() as scope:
            scope.cancel()
            await queue.join()
        assert scope.cancelled_caught  # it is a checkpoint all the same

    run(main)


@every_queue
def test_an_item_handed_over_counts_as_unfinished(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make(1)
        async with giambio.TaskManager() as manager:
            getting = await manager.spawn(queue.get)
            await settled()
            queue.put_nowait("handed over")
            queue.put_nowait("put in")
            await manager.spawn(queue.put, "waits for room")
            await settled()
            assert queue.statistics().unfinished_tasks == 2
            joining = await manager.spawn(queue.join)
            await settled()
            await getting
            queue.task_done()
            await queue.get()
            assert queue.statistics().unfinished_tasks == 2
            queue.task_done()
            await queue.get()
            await settled()
            assert not joining.done()
            queue.task_done()
            await joining

    run(main)


def test_join_does_not_miss_the_moment_in_which_all_was_done(run: Run) -> None:
    async def main() -> None:
        queue: giambio.Queue[int] = giambio.Queue()
        queue.put_nowait(1)
        async with giambio.TaskManager() as manager:
            joining = await manager.spawn(queue.join)
            await settled()
            queue.task_done()
            queue.put_nowait(2)  # before the task has had its turn
            await joining
            later = await manager.spawn(queue.join)
            await settled()
            assert not later.done()
            queue.task_done()

    run(main)


@every_queue
def test_closing_does_not_end_join(run: Run, make: Any) -> None:
    async def main() -> None:
        queue = make()
        queue.put_nowait("work")
        async with giambio.TaskManager() as manager:
            joining = await manager.spawn(queue.join)
            await settled()
            queue.close()
            await settled()
            assert not joining.done()
            assert await queue.get() == "work"
            queue.task_done()
            await joining
            with pytest.raises(ValueError):
                queue.task_done()

    run(main)


@every_queue
def test_task_done_too_often_is_an_error(make: Any) -> None:
    queue = make()
    with pytest.raises(
        ValueError, match=r"more often than items were put into this " + make.__name__
    ):
        queue.task_done()
    queue.put_nowait(1)
    queue.task_done()
    with pytest.raises(ValueError):
        queue.task_done()


# -- priorities ----------------------------------------------------------------------------


class Ranked:
    """Compares by rank, by ``<`` and by nothing else; a rank below zero cannot be compared."""

    def __init__(self, rank: int, name: str = "") -> None:
        self.rank = rank
        self.name = name

    def __lt__(self, other: Ranked) -> bool:
        if self.rank < 0 or other.rank < 0:
            raise ZeroDivisionError("no rank")
        return self.rank < other.rank

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared by ==")

    __hash__ = None  # type: ignore[assignment]
    __gt__ = __le__ = __ge__ = __eq__


@given(st.lists(st.one_of(st.integers(0, 5), st.none()), max_size=200))
def test_of_equal_items_the_first_comes_out_first(ranks: list[int | None]) -> None:
    """A rank puts such an item in, None takes one out."""
    queue: giambio.PriorityQueue[Ranked] = giambio.PriorityQueue()
    model: list[tuple[int, int]] = []
    for number, rank in enumerate(ranks):
        if rank is not None:
            queue.put_nowait(Ranked(rank, str(number)))
            heapq.heappush(model, (rank, number))
        elif model:
            assert queue.get_nowait().name == str(heapq.heappop(model)[1])
    queue.close()
    left = [queue.get_nowait().name for _ in range(queue.qsize())]
    assert left == [str(number) for _, number in sorted(model)]


def names_of(queue: giambio.PriorityQueue[Ranked]) -> list[int]:
    """The ranks of the items, in their order; the queue is empty then."""
    return [queue.get_nowait().rank for _ in range(queue.qsize())]


def test_an_item_that_cannot_be_compared_is_not_put_in(run: Run) -> None:
    async def main() -> None:
        queue: giambio.PriorityQueue[Ranked] = giambio.PriorityQueue()
        for rank in 3, 1, 2, 5, 4:
            queue.put_nowait(Ranked(rank))
        with pytest.raises(ZeroDivisionError):
            await queue.put(Ranked(-1))
        with pytest.raises(ZeroDivisionError):
            queue.put_nowait(Ranked(-1))
        assert queue.statistics() == (5, 0, 5, 0, 0, 0)
        assert names_of(queue) == [1, 2, 3, 4, 5]

    run(main)


def test_when_getting_fails_to_compare_all_items_are_still_there(run: Run) -> None:
    async def main() -> None:
        queue: giambio.PriorityQueue[Ranked] = giambio.PriorityQueue()
        items = [Ranked(rank) for rank in (1, 4, 2, 6, 5, 3)]
        for item in items:
            queue.put_nowait(item)
        items[2].rank = -1
        with pytest.raises(ZeroDivisionError):
            await queue.get()
        with pytest.raises(ZeroDivisionError):
            queue.get_nowait()
        assert queue.qsize() == 6
        items[2].rank = 2
        assert names_of(queue) == [1, 2, 3, 4, 5, 6]

    run(main)


def test_an_item_that_cannot_be_compared_is_the_problem_of_who_put_it(run: Run) -> None:
    """Room has come, and the next in line has an item that cannot be put in."""

    async def main() -> None:
        queue: giambio.PriorityQueue[Ranked] = giambio.PriorityQueue(2)
        queue.put_nowait(Ranked(1))
        queue.put_nowait(Ranked(2))
        async with giambio.TaskManager() as manager:
            bad = await manager.spawn(outcome_of, queue.put(Ranked(-1)))
            await settled()
            good = await manager.spawn(outcome_of, queue.put(Ranked(0)))
            await settled()
            assert (await queue.get()).rank == 1
        error = bad.result()
        assert isinstance(error, ZeroDivisionError)
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames == ["outcome_of", "__lt__"]
        assert good.result() is None
        assert names_of(queue) == [0, 2]
        assert queue.statistics().unfinished_tasks == 3

    run(main)


def test_an_error_of_comparing_shows_the_users_frames_only(run: Run) -> None:
    """Rule 8.17: tracebacks contain no frame of ours between the user's."""

    async def main() -> None:
        queue: giambio.PriorityQueue[Ranked] = giambio.PriorityQueue()
        queue.put_nowait(Ranked(1))
        try:
            await queue.put(Ranked(-1))
        except ZeroDivisionError as exc:
            frames = [frame.name for frame in traceback.extract_tb(exc.__traceback__)]
            assert frames == ["main", "__lt__"]

    run(main)


def test_items_that_have_no_order_are_refused_as_python_does(run: Run) -> None:
    async def main() -> None:
        queue: giambio.PriorityQueue[Any] = giambio.PriorityQueue()
        await queue.put({})
        for bad in {}, None, "text":
            with pytest.raises(TypeError, match="'<' not supported between"):
                await queue.put(bad)
        assert queue.qsize() == 1

    run(main)


def test_comparing_cannot_change_the_queue() -> None:
    queue: giambio.PriorityQueue[Any] = giambio.PriorityQueue()

    class Meddler:
        def __lt__(self, other: object) -> bool:
            meddle()
            return True

    for _ in range(3):
        queue.put_nowait(0)
    for attempt in (lambda: queue.put_nowait(0), queue.get_nowait):
        meddle: Callable[[], object] = attempt
        with pytest.raises(RuntimeError, match="is used by the `<` of an item that it compares"):
            queue.put_nowait(Meddler())
    assert [queue.get_nowait() for _ in range(queue.qsize())] == [0, 0, 0]


# -- mistakes and reports ------------------------------------------------------------------


@every_queue
@pytest.mark.parametrize("maxsize", [1.3, math.inf, "5", None, True])
def test_maxsize_is_a_whole_number(make: Any, maxsize: Any) -> None:
    message = f"{make.__name__}() needs a whole number of items for maxsize (0 is no limit), not "
    with pytest.raises(TypeError, match=re.escape(message + repr(maxsize))):
        make(maxsize)


@every_queue
def test_maxsize_is_not_negative(make: Any) -> None:
    with pytest.raises(
        ValueError, match=r"a number of items from 0 up for maxsize \(0 is no limit\), not -1"
    ):
        make(-1)


def test_maxsize_may_be_larger_than_any_list() -> None:
    queue: giambio.Queue[int] = giambio.Queue(10**30)
    queue.put_nowait(1)
    assert (queue.maxsize, queue.full(), queue.get_nowait()) == (10**30, False, 1)


@every_queue
def test_operations_that_were_never_awaited_warn_and_do_nothing(run: Run, make: Any) -> None:
    """Rule 3.13: an operation object that was never awaited warns."""

    async def main() -> None:
        queue = make()
        queue.put_nowait(1)
        for name, operation in (
            ("put", lambda: queue.put(2)),
            ("get", queue.get),
            ("join", queue.join),
        ):
            message = rf"^{make.__name__}\.{name}\(\) was never awaited$"
            with pytest.warns(RuntimeWarning, match=message):
                operation()
                gc.collect()
        assert queue.qsize() == 1

    run(main)


def test_an_operation_cannot_be_awaited_twice(run: Run) -> None:
    """Rule 3.12: awaiting an operation twice is an error."""

    async def main() -> None:
        queue: giambio.Queue[int] = giambio.Queue()
        putting = queue.put(1)
        await putting
        getting = queue.get()
        await getting
        for operation, name in (putting, "put"), (getting, "get"):
            with pytest.raises(RuntimeError, match=rf"this Queue.{name}\(\) was awaited already"):
                await operation

    run(main)


@every_queue
def test_waking_tasks_from_another_thread_is_refused(run: Run, make: Any) -> None:
    async def main() -> None:
        name = make.__name__
        queue = make(1)
        async with giambio.TaskManager() as manager:
            getting = await manager.spawn(queue.get)
            await settled()
            for misuse, what in (lambda: queue.put_nowait(1), "put_nowait"), (queue.close, "close"):
                refusal = in_thread(misuse)
                assert isinstance(refusal, RuntimeError)
                assert str(refusal).startswith(f"{name}.{what}() was called from another thread")
            assert not getting.done()
            queue.put_nowait(1)
            await getting
            queue.put_nowait(2)
            joining = await manager.spawn(queue.join)
            putting = await manager.spawn(queue.put, 3)
            await settled()
            for misuse, what in (
                (queue.get_nowait, "get_nowait"),
                (queue.task_done, "task_done"),
                (queue.close, "close"),
            ):
                refusal = in_thread(misuse)
                assert isinstance(refusal, RuntimeError)
                assert str(refusal).startswith(f"{name}.{what}() was called from another thread")
            assert queue.statistics() == (1, 1, 2, 1, 0, 1)
            assert await queue.get() == 2
            await putting
            joining.cancel()

    run(main)


def test_two_loops_cannot_meet_at_one_queue(run: Run) -> None:
    async def main() -> None:
        queue: giambio.Queue[int] = giambio.Queue(1)
        async with giambio.TaskManager() as manager:
            for operation in queue.get, lambda: queue.put(1):
                task = await manager.spawn(outcome_of, operation())
                await settled()
                if task.done():  # there was room
                    task = await manager.spawn(outcome_of, queue.put(2))
                    await settled()
                for misuse in lambda: giambio.run(queue.get), lambda: giambio.run(queue.put, 1):
                    refusal = in_thread(misuse)
                    assert isinstance(refusal, RuntimeError)
                    assert "tasks of another loop wait for this object already" in str(refusal)
                assert not task.done()
                task.cancel()
                await settled()

    run(main)


def test_statistics_tell_how_many_wait_for_what(run: Run) -> None:
    async def main() -> None:
        queue: giambio.Queue[int] = giambio.Queue(1)
        async with giambio.TaskManager() as manager:
            await manager.spawn(queue.get)
            await settled()
            assert queue.statistics() == (0, 1, 0, 0, 1, 0)
            manager.cancel()
        async with giambio.TaskManager() as manager:
            queue.put_nowait(1)
            await manager.spawn(queue.put, 2)
            await manager.spawn(queue.join)
            await settled()
            assert queue.statistics()._asdict() == {
                "qsize": 1,
                "maxsize": 1,
                "unfinished_tasks": 1,
                "tasks_waiting_put": 1,
                "tasks_waiting_get": 0,
                "tasks_waiting_join": 1,
            }
            manager.cancel()
        assert queue.statistics() == (1, 1, 1, 0, 0, 0)

    run(main)


@every_queue
def test_a_queue_describes_itself(run: Run, make: Any) -> None:
    async def main() -> None:
        name = make.__name__
        queue = make(3)
        queue.put_nowait(1)
        text = f"<giambio.{name} 1 of 3 items, 0 waiting to put, 0 waiting to get"
        assert repr(queue) == f"{text}>"
        queue.close()
        assert repr(queue) == f"{text}, closed>"
        queue = make()
        async with giambio.TaskManager() as manager:
            await manager.spawn(queue.get)
            await settled()
            assert repr(queue) == f"<giambio.{name} 0 items, 0 waiting to put, 1 waiting to get>"
            manager.cancel()

    run(main)


@pytest.mark.parametrize("operation", ["put", "get", "join"])
def test_a_deadlock_names_the_queue(run: Run, operation: str) -> None:
    """Rule 11.2: `DeadlockError` with the tree of who waits on what."""

    async def main() -> None:
        queue: giambio.PriorityQueue[int] = giambio.PriorityQueue(1)
        if operation != "get":
            queue.put_nowait(1)
        await getattr(queue, operation)(*[2] if operation == "put" else [])

    message = rf"PriorityQueue.{operation}\(\) on <giambio.PriorityQueue . of 1 items"
    with pytest.raises(giambio.DeadlockError, match=message):
        run(main)


@every_queue
def test_the_kind_of_items_can_be_told_to_type_checkers(make: Any) -> None:
    alias = make[int]
    assert alias.__args__ == (int,)
    assert alias.__origin__ is make
    assert type(alias(1)) is make


@every_queue
def test_a_queue_works_outside_of_a_loop_and_in_one_after_another(run: Run, make: Any) -> None:
    queue = make()
    queue.put_nowait(1)
    assert run(queue.get) == 1
    run(queue.put, 2)
    assert queue.get_nowait() == 2


# -- compared with a model -----------------------------------------------------------------


@every_queue
@pytest.mark.parametrize("maxsize", [0, 1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_in_a_crowd_nothing_is_lost_or_doubled(
    run: Run, make: Any, maxsize: int, seed: int
) -> None:
    """Rule 10.9: cancelled at random; what each task did is accounted for."""
    dice = random.Random(seed)
    put: list[tuple[int, int]] = []
    got: list[tuple[int, int]] = []

    async def produce(queue: Any, name: int) -> None:
        for number in range(30):
            with giambio.CancelScope() as scope:
                if dice.random() < 0.2:
                    giambio.current_loop().call_soon(scope.cancel)
                await queue.put((number, name))
                put.append((number, name))
            if dice.random() < 0.3:
                await giambio.checkpoint()

    async def consume(queue: Any) -> None:
        while True:
            with giambio.CancelScope() as scope:
                if dice.random() < 0.2:
                    giambio.current_loop().call_soon(scope.cancel)
                try:
                    got.append(await queue.get())
                    queue.task_done()
                except giambio.EndOfStream:
                    return
            if dice.random() < 0.3:
                await giambio.checkpoint()

    async def main() -> None:
        queue = make(maxsize)
        async with giambio.TaskManager() as consumers:
            for _ in range(3):
                consumers.start_soon(consume, queue)
            async with giambio.TaskManager() as producers:
                for name in range(4):
                    producers.start_soon(produce, queue, name)
            await queue.join()
            queue.close()

    run(main, seed=seed)
    assert len(put) > 60
    assert sorted(got) == sorted(put)
