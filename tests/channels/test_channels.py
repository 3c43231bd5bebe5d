"""Channels: each item is handed over once, in order, and each side learns of the other's end."""

from __future__ import annotations

import gc
import math
import random
import tracemalloc
import types
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import giambio
from support.sync import in_line, outcome_of, settled, stop_the_loop

Run = Callable[..., Any]
SIZES = [0, 1, 5, math.inf]


# -- sending and receiving -----------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_items_come_out_in_the_order_in_which_they_went_in(run: Run, size: float) -> None:
    async def produce(send: giambio.SendChannel[int]) -> None:
        with send:
            for number in range(50):
                await send.send(number)

    async def main() -> list[int]:
        send, receive = giambio.open_channel[int](size)
        with receive:
            async with giambio.TaskManager() as manager:
                await manager.spawn(produce, send)
                return [item async for item in receive]

    assert run(main) == list(range(50))


def test_any_object_can_be_an_item(run: Run) -> None:
    items = [None, False, (), StopIteration(), StopAsyncIteration, ...]

    async def main() -> None:
        send, receive = giambio.open_channel(10)
        with send, receive:
            for item in items:
                await send.send(item)
                assert await receive.receive() is item
                send.send_nowait(item)
                assert receive.receive_nowait() is item
            async with giambio.TaskManager() as manager:
                for item in items:
                    task = await manager.spawn(receive.receive)
                    await settled()
                    send.send_nowait(item)
                    assert await task is item

    run(main)


def test_sending_waits_while_the_buffer_is_full(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(2)
        with send, receive:
            async with giambio.TaskManager() as manager:
                await send.send(1)
                await send.send(2)
                third = await manager.spawn(send.send, 3)
                await settled()
                assert not third.done()
                assert await receive.receive() == 1
                await third
                assert [await receive.receive(), await receive.receive()] == [2, 3]

    run(main)


def test_without_a_buffer_the_sender_waits_until_somebody_receives(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(0)
        with send, receive:
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(send.send, "hello")
                await settled()
                assert not sending.done()
                assert await receive.receive() == "hello"
                await sending
                receiving = await manager.spawn(receive.receive)
                await settled()
                await send.send("again")
                assert await receiving == "again"

    run(main)


def test_an_unlimited_channel_never_makes_a_sender_wait() -> None:
    send, receive = giambio.open_channel[int](math.inf)
    with send, receive:
        for number in range(10_000):
            send.send_nowait(number)
        assert receive.statistics().current_buffer_used == 10_000
        assert [receive.receive_nowait() for _ in range(10_000)] == list(range(10_000))


def test_nowait_sends_as_long_as_there_is_room() -> None:
    send, receive = giambio.open_channel(2)
    with send, receive:
        send.send_nowait(1)
        send.send_nowait(2)
        with pytest.raises(giambio.WouldBlock, match=r"full \(2 of 2 items\), and no task waits"):
            send.send_nowait(3)
        assert [receive.receive_nowait(), receive.receive_nowait()] == [1, 2]
        with pytest.raises(giambio.WouldBlock, match="no item waits in this channel"):
            receive.receive_nowait()


def test_without_a_buffer_nowait_needs_a_task_at_the_other_end(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(0)
        with send, receive:
            with pytest.raises(giambio.WouldBlock):
                send.send_nowait(1)
            with pytest.raises(giambio.WouldBlock):
                receive.receive_nowait()
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(receive.receive)
                await settled()
                send.send_nowait(1)
                assert await receiving == 1
                await manager.spawn(send.send, 2)
                await settled()
                assert receive.receive_nowait() == 2

    run(main)


# -- closing -------------------------------------------------------------------------------


def test_receivers_get_what_is_left_and_then_the_end(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(5)
        with receive:
            send.send_nowait("first")
            send.send_nowait("last")
            send.close()
            assert await receive.receive() == "first"
            assert receive.receive_nowait() == "last"
            for _ in range(2):
                with pytest.raises(giambio.EndOfStream, match="all sending ends of this channel"):
                    await receive.receive()
                with pytest.raises(giambio.EndOfStream, match="all sending ends of this channel"):
                    receive.receive_nowait()

    run(main)


def test_waiting_receivers_learn_of_the_end(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with receive:
            async with giambio.TaskManager() as manager:
                tasks = [await manager.spawn(outcome_of, receive.receive()) for _ in range(3)]
                await settled()
                send.close()
            assert all(isinstance(task.result(), giambio.EndOfStream) for task in tasks)

    run(main)


@pytest.mark.parametrize("size", [0, 3])
def test_when_nobody_can_receive_any_more_sending_fails(run: Run, size: int) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(size)
        with send:
            async with giambio.TaskManager() as manager:
                for _ in range(size):
                    await send.send("this one fits")
                tasks = [await manager.spawn(outcome_of, send.send("no room")) for _ in range(2)]
                await settled()
                receive.close()
            assert all(isinstance(task.result(), giambio.BrokenResourceError) for task in tasks)
            with pytest.raises(giambio.BrokenResourceError, match="all receiving ends"):
                await send.send(1)
            with pytest.raises(giambio.BrokenResourceError, match="all receiving ends"):
                send.send_nowait(1)
            # What nobody can receive any more is not kept.
            assert send.statistics().current_buffer_used == 0

    run(main)


def test_a_closed_end_cannot_be_used(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(1)
        send.close()
        receive.close()
        with pytest.raises(giambio.ClosedResourceError, match="this SendChannel is closed"):
            await send.send(1)
        with pytest.raises(giambio.ClosedResourceError, match="this SendChannel is closed"):
            send.send_nowait(1)
        with pytest.raises(giambio.ClosedResourceError, match="this SendChannel is closed"):
            send.clone()
        with pytest.raises(giambio.ClosedResourceError, match="this ReceiveChannel is closed"):
            await receive.receive()
        with pytest.raises(giambio.ClosedResourceError, match="this ReceiveChannel is closed"):
            receive.receive_nowait()
        with pytest.raises(giambio.ClosedResourceError, match="this ReceiveChannel is closed"):
            receive.clone()
        with pytest.raises(giambio.ClosedResourceError, match="this ReceiveChannel is closed"):
            async for _ in receive:
                pass

    run(main)


@pytest.mark.parametrize("end", ["send", "receive"])
@pytest.mark.parametrize("how", ["close", "aclose"])
def test_closing_tells_each_side_what_it_needs_to_know(run: Run, end: str, how: str) -> None:
    """Who waits at the end that is closed made a mistake; the other side learns that it is over."""

    async def main() -> None:
        for waiting in "send", "receive":
            send, receive = giambio.open_channel(0)
            with send, receive:
                operation = send.send(1) if waiting == "send" else receive.receive()
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(outcome_of, operation)
                    await settled()
                    closed = send if end == "send" else receive
                    await getattr(closed, how)()
                learned = {"send": giambio.BrokenResourceError, "receive": giambio.EndOfStream}
                learned[end] = giambio.ClosedResourceError
                assert type(task.result()) is learned[waiting]
                # And so it stays.
                with pytest.raises(learned["send"]):
                    await send.send(1)
                with pytest.raises(learned["send"]):
                    send.send_nowait(1)
                with pytest.raises(learned["receive"]):
                    await receive.receive()
                with pytest.raises(learned["receive"]):
                    receive.receive_nowait()

    run(main)


@pytest.mark.parametrize("how", ["close", "aclose", "await close", "with", "async with"])
def test_an_end_can_be_closed_in_five_ways(run: Run, how: str) -> None:
    """Rules 5.11, 5.14: closing is idempotent; leaving a `with` block closes at once."""

    async def close(end: Any) -> None:
        if how == "close":
            end.close()
        elif how == "aclose":
            async with aclosing(end):
                pass
        elif how == "await close":
            await end.close()
        elif how == "with":
            with end as same:
                assert same is end
        else:
            async with end as same:
                assert same is end

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        for _ in range(2):
            await close(send)
            assert receive.statistics().open_send_channels == 0
        for _ in range(2):
            await close(receive)
            assert receive.statistics().open_receive_channels == 0

    run(main)


def test_closing_in_a_cancelled_scope_closes_and_then_raises(run: Run) -> None:
    """Rule 5.13: it closes first, also in a cancelled scope, and only then raises."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with giambio.CancelScope() as scope:
            scope.cancel()
            await send.close()
        assert scope.cancelled_caught
        with giambio.CancelScope() as scope:
            scope.cancel()
            async with receive:
                pass
        assert not scope.cancelled_caught
        assert send.statistics()[2:4] == (0, 0)

    run(main)


def test_closing_a_sending_end_disturbs_only_those_who_wait_at_it(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(0)
        other = send.clone()
        with other, receive:
            async with giambio.TaskManager() as manager:
                tasks = []
                for end, item in (other, "a"), (send, "b"), (other, "c"), (send, "d"):
                    tasks.append(await manager.spawn(outcome_of, end.send(item)))
                    await settled()
                send.close()
                assert receive.statistics().tasks_waiting_send == 2
                assert [await receive.receive(), await receive.receive()] == ["a", "c"]
            outcomes = [task.result() for task in tasks]
            assert [type(one) for one in outcomes] == [
                types.NoneType,
                giambio.ClosedResourceError,
                types.NoneType,
                giambio.ClosedResourceError,
            ]

    run(main)


def test_closing_a_receiving_end_disturbs_only_those_who_wait_at_it(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(0)
        other = receive.clone()
        with send, other:
            async with giambio.TaskManager() as manager:
                tasks = []
                for end in other, receive, other, receive:
                    tasks.append(await manager.spawn(outcome_of, end.receive()))
                    await settled()
                receive.close()
                assert send.statistics().tasks_waiting_receive == 2
                await send.send("a")
                await send.send("b")
            outcomes = [task.result() for task in tasks]
            assert outcomes[::2] == ["a", "b"]
            assert [type(one) for one in outcomes[1::2]] == [giambio.ClosedResourceError] * 2

    run(main)


def test_the_end_comes_when_the_last_clone_is_closed(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(10)
        clones = [receive.clone(), receive.clone()]
        receive.close()
        clones[0].close()
        send.send_nowait(1)
        clones[1].close()
        with pytest.raises(giambio.BrokenResourceError):
            send.send_nowait(2)
        send.close()

        send, receive = giambio.open_channel(10)
        another = send.clone()
        send.close()
        with pytest.raises(giambio.WouldBlock):
            receive.receive_nowait()
        another.close()
        with pytest.raises(giambio.EndOfStream):
            receive.receive_nowait()
        receive.close()

    run(main)


def test_many_producers_each_close_their_own_clone(run: Run) -> None:
    async def produce(send: giambio.SendChannel[int], first: int) -> None:
        async with send:
            for number in range(first, first + 3):
                await send.send(number)

    async def main() -> list[int]:
        send, receive = giambio.open_channel[int](0)
        with receive:
            async with giambio.TaskManager() as manager:
                async with send:
                    for first in range(0, 30, 3):
                        manager.start_soon(produce, send.clone(), first)
                return [item async for item in receive]

    assert sorted(run(main)) == list(range(30))


def test_many_consumers_share_the_items_evenly(run: Run) -> None:
    async def consume(receive: giambio.ReceiveChannel[int], items: list[int]) -> None:
        async for item in receive:
            items.append(item)

    async def main() -> list[list[int]]:
        send, receive = giambio.open_channel[int](1)
        items: list[list[int]] = [[] for _ in range(5)]
        with receive:
            async with giambio.TaskManager() as manager, send:
                for mine in items:
                    manager.start_soon(consume, receive, mine)
                    await settled()
                for number in range(10):
                    await send.send(number)
                    await settled()
        return items

    assert run(main) == [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]


# -- fairness ------------------------------------------------------------------------------


def test_nobody_takes_away_what_was_handed_to_a_waiting_receiver(run: Run) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            send.send_nowait(1)
            assert receive.receive_nowait() == 1  # nobody waits: that is no barging in
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(receive.receive)
                await settled()
                send.send_nowait(2)
                with pytest.raises(giambio.WouldBlock):
                    receive.receive_nowait()
                assert await receiving == 2

    run(main)


def test_nobody_takes_the_room_that_a_waiting_sender_was_given(run: Run) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            send.send_nowait(1)
            async with giambio.TaskManager() as manager:
                await manager.spawn(send.send, 2)
                await settled()
                assert receive.receive_nowait() == 1
                with pytest.raises(giambio.WouldBlock):
                    send.send_nowait(3)
                assert await receive.receive() == 2

    run(main)


@pytest.mark.parametrize("size", SIZES[:3])
def test_senders_and_receivers_get_their_turns_in_order(run: Run, size: int) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(size)
        with send, receive:
            async with giambio.TaskManager() as manager:
                for number in range(size + 5):
                    await manager.spawn(send.send, number)
                    await settled()
                got = [await receive.receive() for _ in range(size + 5)]
                assert got == list(range(size + 5))
                tasks = []
                for _ in range(5):
                    tasks.append(await manager.spawn(receive.receive))
                    await settled()
                for number in range(5):
                    await send.send(number)
            assert [task.result() for task in tasks] == list(range(5))

    run(main)


def test_one_who_leaves_the_line_holds_nobody_up(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(0)
        with send, receive:
            async with giambio.TaskManager() as manager:
                tasks = []
                for number in range(4):
                    tasks.append(await manager.spawn(send.send, number))
                    await settled()
                tasks[0].cancel()
                tasks[2].cancel()
                assert [await receive.receive(), await receive.receive()] == [1, 3]
                tasks = []
                for _ in range(4):
                    tasks.append(await manager.spawn(receive.receive))
                    await settled()
                tasks[0].cancel()
                tasks[2].cancel()
                await send.send("one")
                await send.send("two")
                assert [await tasks[1], await tasks[3]] == ["one", "two"]

    run(main)


def test_a_busy_channel_does_not_starve_other_tasks(run: Run) -> None:
    """Rule 4.8: the budget counts, also when nothing has to wait."""

    async def count(turns: list[int]) -> None:
        while True:
            turns[0] += 1
            await giambio.checkpoint()

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        turns = [0]
        with send, receive:
            async with giambio.TaskManager() as manager:
                await manager.spawn(count, turns)
                for number in range(2000):
                    await send.send(number)
                    assert await receive.receive() == number
                manager.cancel()
        assert turns[0] > 20

    run(main)


# -- cancellation --------------------------------------------------------------------------


def test_a_cancelled_send_did_not_happen(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await send.send("there is room, but the scope is cancelled")
            assert scope.cancelled_caught
            assert send.statistics().current_buffer_used == 0
            send.send_nowait("first")
            with giambio.move_on_after(0.01) as scope:
                await send.send("no room")
            assert scope.cancelled_caught
            assert receive.receive_nowait() == "first"
            assert send.statistics() == (0, 1, 1, 1, 0, 0)

    run(main)


def test_a_cancelled_receive_lost_nothing(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            with giambio.move_on_after(0.01) as scope:
                await receive.receive()
            assert scope.cancelled_caught
            await send.send("hello")  # into the buffer: nobody waits any more
            assert send.statistics() == (1, 1, 1, 1, 0, 0)
            with giambio.CancelScope() as scope:
                scope.cancel()
                await receive.receive()
            assert scope.cancelled_caught
            assert receive.receive_nowait() == "hello"

    run(main)


def test_an_item_that_was_handed_over_is_kept_when_a_cancellation_comes_too(run: Run) -> None:
    """Rule 5.3: it keeps its result, and the next checkpoint raises."""

    async def take(receive: giambio.ReceiveChannel[str], got: list[str]) -> None:
        got.append(await receive.receive())
        await giambio.checkpoint()
        raise AssertionError("the checkpoint did not raise")

    async def give(send: giambio.SendChannel[str], gone: list[str]) -> None:
        await send.send("out")
        gone.append("out")
        await giambio.checkpoint()
        raise AssertionError("the checkpoint did not raise")

    async def main() -> None:
        send, receive = giambio.open_channel[str](0)
        got: list[str] = []
        gone: list[str] = []
        with send, receive:
            async with giambio.TaskManager() as manager:
                taking = await manager.spawn(take, receive, got)
                await settled()
                send.send_nowait("in")
                taking.cancel()
            async with giambio.TaskManager() as manager:
                giving = await manager.spawn(give, send, gone)
                await settled()
                assert receive.receive_nowait() == "out"
                giving.cancel()
        assert (got, gone) == (["in"], ["out"])
        assert taking.cancelled()
        assert giving.cancelled()

    run(main)


def test_a_receiver_that_is_cancelled_first_gets_nothing(run: Run) -> None:
    """Rule 5.6: the item goes to the next who waits, or into the buffer."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            async with giambio.TaskManager() as manager:
                first = await manager.spawn(receive.receive)
                await settled()
                second = await manager.spawn(receive.receive)
                await settled()
                first.cancel()
                send.send_nowait("hello")
            assert first.cancelled()
            assert second.result() == "hello"

    run(main)


def test_a_receiver_closed_from_outside_gives_back_what_it_was_handed(run: Run) -> None:
    """Rule 5.7: nothing is lost, not even when the loop is torn down."""
    send, receive = giambio.open_channel(1)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(receive.receive)
            await settled()
            send.send_nowait("hello")
            await stop_the_loop()

    with send, receive:
        with pytest.raises(KeyboardInterrupt):
            run(main)
        assert receive.receive_nowait() == "hello"


# -- iterating -----------------------------------------------------------------------------


def test_a_loop_can_be_left_and_entered_again(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(10)
        with send, receive:
            for number in range(6):
                send.send_nowait(number)
            async for number in receive:
                if number == 2:
                    break
            send.close()
            assert [number async for number in receive] == [3, 4, 5]
            assert [number async for number in receive] == []

    run(main)


def test_a_loop_in_an_async_generator_ends_too(run: Run) -> None:
    async def double(receive: giambio.ReceiveChannel[int]) -> Any:
        async for number in receive:
            yield 2 * number

    async def main() -> list[int]:
        send, receive = giambio.open_channel[int](0)
        with receive:
            async with giambio.TaskManager() as manager:
                await manager.spawn(send.send, 21)
                await settled()
                manager.start_soon(close_later, send)
                return [number async for number in double(receive)]

    async def close_later(send: giambio.SendChannel[int]) -> None:
        await settled()
        send.close()

    assert run(main) == [42]


def test_anext_takes_a_default(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with receive:
            send.send_nowait("there")
            assert await anext(receive, "default") == "there"
            async with giambio.TaskManager() as manager:

                async def ask() -> object:
                    return await anext(receive, "default")

                waiting = await in_line(manager, ask, names="abc")
                waiting[2].cancel()
                await settled()
                assert waiting[2].cancelled()
                send.send_nowait("late")
                send.close()
            assert [task.result() for task in waiting[:2]] == ["late", "default"]
            assert await anext(receive, "default") == "default"
            with pytest.raises(StopAsyncIteration):
                await anext(receive)

    run(main)


def test_anext_with_a_default_leaves_the_line_when_it_is_closed_from_outside(run: Run) -> None:
    send, receive = giambio.open_channel(1)

    async def ask() -> object:
        return await anext(receive, "default")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(ask)
            await settled()
            await stop_the_loop()

    with send, receive:
        with pytest.raises(KeyboardInterrupt):
            run(main)
        assert send.statistics().tasks_waiting_receive == 0
        send.send_nowait("hello")
        assert receive.receive_nowait() == "hello"


def test_anext_with_a_default_can_wait_for_its_turn(run: Run) -> None:
    """Rule 4.3: an empty budget yields; then the operation goes on."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            for number in range(1000):
                send.send_nowait(number)
                assert await anext(receive, None) == number

    run(main)


def test_anext_cannot_be_awaited_twice(run: Run) -> None:
    """Rule 3.12: awaiting an operation twice is an error."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            send.send_nowait(1)
            operation = anext(receive)
            assert await operation == 1
            with pytest.raises(RuntimeError, match=r"receive\(\) was awaited already"):
                await operation
            operation = anext(receive)
            async with giambio.TaskManager() as manager:
                first = await manager.spawn(operation)
                await settled()
                with pytest.raises(RuntimeError, match=r"receive\(\) was awaited already"):
                    await operation
                send.send_nowait(2)
                assert await first == 2

    run(main)


# -- compared with a model -----------------------------------------------------------------


@given(st.sampled_from([1, 2, 7, 9, 100, math.inf]), st.lists(st.integers(-30, 30), max_size=60))
def test_the_buffer_behaves_as_a_deque(size: float, bursts: list[int]) -> None:
    """A positive number sends so many items, a negative one receives so many."""
    send, receive = giambio.open_channel[int](size)
    model: deque[int] = deque()
    number = 0
    with send, receive:
        for burst in bursts:
            for _ in range(burst):
                number += 1
                if len(model) < size:
                    send.send_nowait(number)
                    model.append(number)
                else:
                    with pytest.raises(giambio.WouldBlock):
                        send.send_nowait(number)
            for _ in range(-burst):
                if model:
                    assert receive.receive_nowait() == model.popleft()
                else:
                    with pytest.raises(giambio.WouldBlock):
                        receive.receive_nowait()
            assert receive.statistics().current_buffer_used == len(model)


def test_an_item_that_was_received_is_not_kept() -> None:
    class Item:
        pass

    send, receive = giambio.open_channel[Item](1)
    with send, receive:
        send.send_nowait(Item())
        item = weakref.ref(receive.receive_nowait())
        gc.collect()
        assert item() is None


def test_a_buffer_that_was_large_gives_its_memory_back() -> None:
    send, receive = giambio.open_channel[int](math.inf)
    tracemalloc.start()
    try:
        with send, receive:
            for _ in range(3):
                for number in range(5000):
                    send.send_nowait(number)
                assert tracemalloc.get_traced_memory()[0] > 40_000
                assert all(receive.receive_nowait() == number for number in range(5000))
                assert tracemalloc.get_traced_memory()[0] < 20_000
                for number in range(3):
                    send.send_nowait(number)
                    assert receive.receive_nowait() == number
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 1, 3, math.inf])
@pytest.mark.parametrize("seed", range(8))
def test_in_a_crowd_nothing_is_lost_doubled_or_reordered(run: Run, size: float, seed: int) -> None:
    """Rule 10.9: cancelled at random; what each task did is accounted for."""
    dice = random.Random(seed)
    sent: list[tuple[int, int]] = []
    received: list[list[tuple[int, int]]] = [[], [], []]

    async def produce(send: giambio.SendChannel[tuple[int, int]], name: int) -> None:
        with send:
            for number in range(30):
                with giambio.CancelScope() as scope:
                    if dice.random() < 0.2:
                        giambio.current_loop().call_soon(scope.cancel)
                    await send.send((name, number))
                    sent.append((name, number))
                if dice.random() < 0.3:
                    await giambio.checkpoint()

    async def consume(
        receive: giambio.ReceiveChannel[tuple[int, int]], mine: list[tuple[int, int]]
    ) -> None:
        with receive:
            while True:
                with giambio.CancelScope() as scope:
                    if dice.random() < 0.2:
                        giambio.current_loop().call_soon(scope.cancel)
                    try:
                        mine.append(await receive.receive())
                    except giambio.EndOfStream:
                        return
                if dice.random() < 0.3:
                    await giambio.checkpoint()

    async def main() -> None:
        send, receive = giambio.open_channel[tuple[int, int]](size)
        with send, receive:
            async with giambio.TaskManager() as manager:
                for name in range(4):
                    manager.start_soon(produce, send.clone(), name)
                for mine in received:
                    manager.start_soon(consume, receive.clone(), mine)
                send.close()

    run(main, seed=seed)
    assert len(sent) > 60
    assert sorted(item for mine in received for item in mine) == sorted(sent)
    for mine in received:
        for name in range(4):
            numbers = [number for producer, number in mine if producer == name]
            assert numbers == sorted(numbers)
