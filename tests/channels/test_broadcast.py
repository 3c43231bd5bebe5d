"""Broadcasts: every subscription gets every item, and the sender waits for the slowest."""

from __future__ import annotations

import gc
import math
import random
import re
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.sync import in_thread, outcome_of, settled, stop_the_loop

Run = Callable[..., Any]


# -- sending and receiving -----------------------------------------------------------------


def test_everybody_gets_every_item_in_order(run: Run) -> None:
    async def listen(news: giambio.Subscription[int]) -> list[int]:
        with news:
            return [item async for item in news]

    async def main() -> list[list[int]]:
        async with giambio.TaskManager() as manager:
            with giambio.Broadcast[int](3) as broadcast:
                tasks = [await manager.spawn(listen, broadcast.subscribe()) for _ in range(4)]
                for number in range(20):
                    assert await broadcast.send(number) == 4
        return [task.result() for task in tasks]

    assert run(main) == [list(range(20))] * 4


def test_a_subscription_begins_with_the_next_item(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(5) as broadcast:
            assert await broadcast.send("to nobody") == 0
            with broadcast.subscribe() as early:
                assert await broadcast.send("one") == 1
                with broadcast.subscribe() as late:
                    assert broadcast.send_nowait("two") == 2
                    assert late.receive_nowait() == "two"
                    with pytest.raises(giambio.WouldBlock):
                        late.receive_nowait()
                assert [await early.receive(), await early.receive()] == ["one", "two"]

    run(main)


def test_the_sender_waits_for_the_slowest(run: Run) -> None:
    """Rule 10.7: the slowest subscriber sets the pace."""

    async def main() -> None:
        with giambio.Broadcast(2) as broadcast:
            slow, quick = broadcast.subscribe(), broadcast.subscribe()
            with slow, quick:
                await broadcast.send(1)
                await broadcast.send(2)
                assert [await quick.receive(), await quick.receive()] == [1, 2]
                async with giambio.TaskManager() as manager:
                    sending = await manager.spawn(broadcast.send, 3)
                    await settled()
                    assert not sending.done()
                    # Sent to all or to nobody, so that all see the same order.
                    with pytest.raises(giambio.WouldBlock, match="no item waits"):
                        quick.receive_nowait()
                    assert await slow.receive() == 1
                    assert await sending == 2
                assert await quick.receive() == 3
                assert [await slow.receive(), await slow.receive()] == [2, 3]

    run(main)


def test_nowait_sends_to_all_or_to_nobody() -> None:
    with giambio.Broadcast(1) as broadcast:
        slow, quick = broadcast.subscribe(), broadcast.subscribe()
        with slow, quick:
            assert broadcast.send_nowait(1) == 2
            assert quick.receive_nowait() == 1
            with pytest.raises(giambio.WouldBlock, match="1 of 2 subscriptions are full"):
                broadcast.send_nowait(2)
            with pytest.raises(giambio.WouldBlock):
                quick.receive_nowait()
            assert slow.receive_nowait() == 1
            assert broadcast.send_nowait(3) == 2
            assert [slow.receive_nowait(), quick.receive_nowait()] == [3, 3]


def test_an_unlimited_broadcast_never_makes_a_sender_wait() -> None:
    with giambio.Broadcast[int](math.inf) as broadcast, broadcast.subscribe() as news:
        for number in range(1000):
            broadcast.send_nowait(number)
        assert [news.receive_nowait() for _ in range(1000)] == list(range(1000))


def test_a_waiting_receiver_is_handed_the_item(run: Run) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as news:
            async with giambio.TaskManager() as manager:
                first = await manager.spawn(news.receive)
                await settled()
                second = await manager.spawn(news.receive)
                await settled()
                broadcast.send_nowait("a")
                with pytest.raises(giambio.WouldBlock):
                    news.receive_nowait()
                assert await first == "a"
                assert not second.done()
                # Who shares a subscription shares its items.
                await broadcast.send("b")
                assert await second == "b"

    run(main)


def test_senders_get_their_turns_in_order(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as news:
            async with giambio.TaskManager() as manager:
                tasks = []
                for number in range(5):
                    tasks.append(await manager.spawn(broadcast.send, number))
                    await settled()
                tasks[2].cancel()
                assert [await news.receive() for _ in range(4)] == [0, 1, 3, 4]

    run(main)


def test_who_subscribes_while_a_sender_waits_gets_its_item(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as slow:
            await broadcast.send(1)
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(broadcast.send, 2)
                await settled()
                with broadcast.subscribe() as late:
                    assert await slow.receive() == 1
                    assert await sending == 2
                    assert late.receive_nowait() == 2

    run(main)


# -- subscriptions that are not waited for -------------------------------------------------


@pytest.mark.parametrize(
    ("overflow", "kept", "counts"),
    [("drop_oldest", [3, 4], [1] * 5), ("drop_newest", [0, 1], [1, 1, 0, 0, 0])],
)
def test_a_full_subscription_drops_items_and_counts_them(
    run: Run, overflow: Any, kept: list[int], counts: list[int]
) -> None:
    """Rule 10.12: the oldest or the newest; who sends is told how many got an item."""

    async def main() -> None:
        broadcast = giambio.Broadcast[int](2)
        with broadcast, broadcast.subscribe(overflow=overflow) as news:
            assert [await broadcast.send(number) for number in range(5)] == counts
            assert news.dropped == 3
            assert repr(news).endswith(", 3 dropped>")
            broadcast.close()
            assert [item async for item in news] == kept
            assert news.dropped == 3

    run(main)


def test_a_disconnected_subscription_gives_what_it_has_and_says_why(run: Run) -> None:
    """Rule 10.12: the error names the ways out, comes each time, and nothing is sent there."""

    async def main() -> None:
        broadcast = giambio.Broadcast(2)
        news = broadcast.subscribe(overflow="disconnect")
        assert [await broadcast.send(number) for number in range(4)] == [1, 1, 0, 0]
        assert broadcast.statistics().open_subscriptions == 0
        assert [await news.receive(), news.receive_nowait()] == [0, 1]
        assert news.dropped == 1
        said = (
            "this subscription was 2 items behind when another one was sent, so it was "
            "disconnected: receive faster, make the Broadcast larger, or subscribe with another "
            "overflow= than 'disconnect'"
        )
        for _ in range(2):
            with pytest.raises(giambio.BrokenResourceError) as caught:
                await news.receive()
            assert str(caught.value) == said
            names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
            assert names == ["main"]
            with pytest.raises(giambio.BrokenResourceError, match="was disconnected"):
                news.receive_nowait()
            with pytest.raises(giambio.BrokenResourceError, match="was disconnected"):
                async for _ in news:
                    raise AssertionError("nothing is left")
        broadcast.close()
        with pytest.raises(giambio.BrokenResourceError, match="was disconnected"):
            await news.receive()
        news.close()
        with pytest.raises(giambio.ClosedResourceError):
            await news.receive()

    run(main)


def test_each_subscription_has_a_policy_of_its_own(run: Run) -> None:
    """Rules 10.7, 10.12: senders wait for those that want it, and for no other."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as all_of_it:
            oldest = broadcast.subscribe(overflow="drop_oldest")
            newest = broadcast.subscribe(overflow="drop_newest")
            gone = broadcast.subscribe(overflow="disconnect")
            with oldest, newest, gone:
                assert await broadcast.send("a") == 4
                with pytest.raises(giambio.WouldBlock, match="1 of 4 subscriptions are full"):
                    broadcast.send_nowait("b")
                async with giambio.TaskManager() as manager:
                    sending = await manager.spawn(broadcast.send, "b")
                    await settled()
                    assert not sending.done()
                    assert oldest.dropped == newest.dropped == gone.dropped == 0
                    assert all_of_it.receive_nowait() == "a"
                    assert await sending == 2
                assert [sub.dropped for sub in (all_of_it, oldest, newest, gone)] == [0, 1, 1, 1]
                assert [sub.receive_nowait() for sub in (all_of_it, oldest, newest)] == [
                    "b",
                    "b",
                    "a",
                ]
                assert gone.receive_nowait() == "a"
                assert await broadcast.send("c") == 3
                assert [sub.receive_nowait() for sub in (all_of_it, oldest, newest)] == ["c"] * 3

    run(main)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "disconnect"])
def test_a_subscription_that_keeps_up_misses_nothing(run: Run, overflow: Any) -> None:
    """Rules 4.11, 10.12: an item goes to a task that waits, and the buffer is not asked."""

    async def main() -> None:
        with giambio.Broadcast[int](1) as broadcast:
            news = broadcast.subscribe(overflow=overflow)

            async def listen() -> list[int]:
                with news:
                    return [item async for item in news]

            async with giambio.TaskManager() as manager:
                task = await manager.spawn(listen)
                for number in range(10):
                    await settled()
                    assert await broadcast.send(number) == 1
                broadcast.close()
            assert task.result() == list(range(10))
            assert news.dropped == 0

    run(main)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "disconnect"])
def test_a_cancelled_receive_of_a_full_subscription_loses_nothing(run: Run, overflow: Any) -> None:
    """Rules 5.3, 10.9: what was handed over is kept, also where others may be dropped."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe(overflow=overflow) as news:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(news.receive)
                await settled()
                broadcast.send_nowait(1)
                broadcast.send_nowait(2)
                task.cancel()
            assert await task == 1
            assert news.receive_nowait() == 2
            assert news.dropped == 0

    run(main)


def test_an_unknown_policy_is_refused() -> None:
    """Rule 19.1: the error lists those that there are."""
    with giambio.Broadcast(1) as broadcast:
        for value in ("block", None, ["wait"]):
            with pytest.raises(
                ValueError, match=r"is one of wait, drop_oldest, .*, not "
            ) as caught:
                broadcast.subscribe(overflow=value)  # type: ignore[arg-type]
            assert str(caught.value).endswith(f"not {value!r}")
        with pytest.raises(TypeError):
            broadcast.subscribe("wait")  # type: ignore[misc]


def test_a_disconnected_subscription_can_be_dropped_quietly(run: Run) -> None:
    """Rule 10.6: nobody could miss it."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast:
            news = broadcast.subscribe(overflow="disconnect")
            broadcast.send_nowait(1)
            broadcast.send_nowait(2)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                del news
                gc.collect()

    run(main)


def test_a_dropped_item_may_send_when_it_is_deleted() -> None:
    """Rule 10.9: the subscription is in order when code of the program runs."""
    with giambio.Broadcast[Any](1) as broadcast:

        class Item:
            def __del__(self) -> None:
                sent.append(broadcast.send_nowait("last words"))

        sent: list[int] = []
        with broadcast.subscribe(overflow="drop_oldest") as news:
            broadcast.send_nowait(Item())
            broadcast.send_nowait("next")
            gc.collect()
            assert sent == [1]
            assert news.receive_nowait() == "last words"
            with pytest.raises(giambio.WouldBlock):
                news.receive_nowait()
            assert news.dropped == 2


@pytest.mark.parametrize("seed", range(20))
def test_policies_agree_with_a_model(seed: int) -> None:
    """Rules 10.7, 10.9, 10.12: random senders and receivers, beside one list for each."""
    chance = random.Random(seed)
    size = chance.randint(1, 3)
    policies: list[Any] = ["wait", "drop_oldest", "drop_newest", "disconnect"]
    with giambio.Broadcast[int](size) as broadcast:
        subscriptions: list[giambio.Subscription[int]] = []
        kept: list[list[int]] = []
        dropped: list[int] = []
        gone: set[int] = set()
        for policy in policies:
            subscriptions.append(broadcast.subscribe(overflow=policy))
            kept.append([])
            dropped.append(0)
        for number in range(200):
            if chance.random() < 0.5:
                if len(kept[0]) == size:
                    with pytest.raises(giambio.WouldBlock):
                        broadcast.send_nowait(number)
                    continue
                takers = 0
                for index, policy in enumerate(policies):
                    if index in gone:
                        continue
                    if len(kept[index]) < size or policy == "drop_oldest":
                        takers += 1
                        kept[index].append(number)
                    if len(kept[index]) > size:
                        del kept[index][0]
                        dropped[index] += 1
                    elif policy != "drop_oldest" and kept[index][-1] != number:
                        dropped[index] += 1
                        if policy == "disconnect":
                            gone.add(index)
                assert broadcast.send_nowait(number) == takers
            else:
                index = chance.randrange(4)
                if kept[index]:
                    assert subscriptions[index].receive_nowait() == kept[index].pop(0)
                else:
                    error = giambio.BrokenResourceError if index in gone else giambio.WouldBlock
                    with pytest.raises(error):
                        subscriptions[index].receive_nowait()
            assert [one.dropped for one in subscriptions] == dropped
        for one in subscriptions:
            one.close()


# -- cancellation --------------------------------------------------------------------------


def test_a_cancelled_send_reaches_nobody(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as news:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await broadcast.send("cancelled at once")
            await broadcast.send("kept")
            with giambio.move_on_after(0.01) as scope:
                await broadcast.send("cancelled later")
            assert scope.cancelled_caught
            assert broadcast.statistics() == (1, 1, 1, 0, 0)
            assert news.receive_nowait() == "kept"
            with pytest.raises(giambio.WouldBlock):
                news.receive_nowait()

    run(main)


def test_a_cancelled_receive_lost_nothing(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as news:
            with giambio.move_on_after(0.01) as scope:
                await news.receive()
            assert scope.cancelled_caught
            assert broadcast.statistics().tasks_waiting_receive == 0
            await broadcast.send("hello")
            with giambio.CancelScope() as scope:
                scope.cancel()
                await news.receive()
            assert await news.receive() == "hello"

    run(main)


def test_what_was_handed_over_is_kept_when_a_cancellation_comes_too(run: Run) -> None:
    """Rule 5.3: an operation that transferred something keeps its result."""

    async def take(news: giambio.Subscription[str], got: list[str]) -> None:
        got.append(await news.receive())
        await giambio.checkpoint()
        raise AssertionError("the checkpoint did not raise")

    async def give(broadcast: giambio.Broadcast[str], got: list[int]) -> None:
        got.append(await broadcast.send("out"))
        await giambio.checkpoint()
        raise AssertionError("the checkpoint did not raise")

    async def main() -> None:
        got: list[Any] = []
        with giambio.Broadcast[str](1) as broadcast, broadcast.subscribe() as news:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(take, news, got)
                await settled()
                broadcast.send_nowait("in")
                task.cancel()
            broadcast.send_nowait("full")
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(give, broadcast, got)
                await settled()
                assert news.receive_nowait() == "full"
                task.cancel()
            assert news.receive_nowait() == "out"
        assert got == ["in", 1]

    run(main)


def test_a_receiver_closed_from_outside_gives_back_what_it_was_handed(run: Run) -> None:
    """Rule 5.7: nothing is lost, not even when the loop is torn down."""
    broadcast = giambio.Broadcast(1)
    news = broadcast.subscribe()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(news.receive)
            await settled()
            broadcast.send_nowait("hello")
            await stop_the_loop()

    with broadcast, news:
        with pytest.raises(KeyboardInterrupt):
            run(main)
        with pytest.raises(giambio.WouldBlock):
            broadcast.send_nowait("it is full")
        assert news.receive_nowait() == "hello"
        broadcast.send_nowait("and now it is not")


def test_a_subscription_with_more_than_it_holds_can_be_closed(run: Run) -> None:
    """What is given back comes on top of a full buffer; nobody need wait for that any more."""
    broadcast = giambio.Broadcast(1)
    news = broadcast.subscribe()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(news.receive)
            await settled()
            broadcast.send_nowait("handed over")
            broadcast.send_nowait("and one that waits")
            await stop_the_loop()

    with broadcast:
        with news, pytest.raises(KeyboardInterrupt):
            run(main)
        with broadcast.subscribe() as others:
            broadcast.send_nowait("there is room")
            assert others.receive_nowait() == "there is room"


# -- closing -------------------------------------------------------------------------------


def test_after_the_end_subscriptions_are_read_to_their_end(run: Run) -> None:
    async def main() -> None:
        broadcast = giambio.Broadcast(2)
        with broadcast.subscribe() as news:
            await broadcast.send(1)
            await broadcast.send(2)
            await broadcast.close()
            assert await news.receive() == 1
            assert news.receive_nowait() == 2
            for _ in range(2):
                with pytest.raises(giambio.EndOfStream, match="the broadcast is closed"):
                    await news.receive()
                with pytest.raises(giambio.EndOfStream, match="the broadcast is closed"):
                    news.receive_nowait()
            assert [item async for item in news] == []
            assert await anext(news, "default") == "default"

    run(main)


def test_closing_ends_those_who_wait(run: Run) -> None:
    async def main() -> None:
        broadcast = giambio.Broadcast(1)
        with broadcast.subscribe() as full, broadcast.subscribe() as news:
            await broadcast.send(1)
            assert await news.receive() == 1
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(outcome_of, broadcast.send(2))
                receiving = await manager.spawn(outcome_of, news.receive())
                await settled()
                broadcast.close()
            assert isinstance(sending.result(), giambio.ClosedResourceError)
            assert isinstance(receiving.result(), giambio.EndOfStream)
            assert [item async for item in full] == [1]

    run(main)


def test_what_is_closed_cannot_be_used(run: Run) -> None:
    async def main() -> None:
        broadcast = giambio.Broadcast(1)
        news = broadcast.subscribe()
        news.close()
        broadcast.close()
        with pytest.raises(giambio.ClosedResourceError, match="this Broadcast is closed"):
            await broadcast.send(1)
        with pytest.raises(giambio.ClosedResourceError, match="this Broadcast is closed"):
            broadcast.send_nowait(1)
        with pytest.raises(giambio.ClosedResourceError, match="this Broadcast is closed"):
            broadcast.subscribe()
        with pytest.raises(giambio.ClosedResourceError, match="this Subscription is closed"):
            await news.receive()
        with pytest.raises(giambio.ClosedResourceError, match="this Subscription is closed"):
            news.receive_nowait()
        with pytest.raises(giambio.ClosedResourceError, match="this Subscription is closed"):
            async for _ in news:
                pass

    run(main)


def test_closing_a_subscription_lets_the_sender_go_on(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as quick:
            slow = broadcast.subscribe()
            await broadcast.send(1)
            assert await quick.receive() == 1
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(broadcast.send, 2)
                await settled()
                async with slow:
                    assert not sending.done()
                assert await sending == 1
            assert await quick.receive() == 2
            assert broadcast.statistics().open_subscriptions == 1

    run(main)


def test_when_the_last_subscription_is_closed_all_senders_go_on(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast:
            slow = broadcast.subscribe()
            await broadcast.send(0)
            async with giambio.TaskManager() as manager:
                tasks = [await manager.spawn(broadcast.send, n) for n in range(3)]
                await settled()
                with broadcast.subscribe():
                    pass  # this one was not full
                await settled()
                assert broadcast.statistics().tasks_waiting_send == 3
                slow.close()
            assert [task.result() for task in tasks] == [0, 0, 0]

    run(main)


def test_closing_a_subscription_tells_those_who_wait_at_it(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as other:
            news = broadcast.subscribe()
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(outcome_of, news.receive())
                unharmed = await manager.spawn(other.receive)
                await settled()
                news.close()
                news.close()
                await broadcast.send("hello")
            assert isinstance(task.result(), giambio.ClosedResourceError)
            assert unharmed.result() == "hello"

    run(main)


def test_dropping_a_subscription_lets_the_sender_go_on(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast:
            news = broadcast.subscribe()
            await broadcast.send(1)
            async with giambio.TaskManager() as manager:
                sending = await manager.spawn(broadcast.send, 2)
                await settled()
                with pytest.warns(ResourceWarning, match=f"Subscription 1 of 1.*{__file__}"):
                    del news
                    gc.collect()
                assert await sending == 0

    run(main)


def test_dropping_the_broadcast_ends_its_subscriptions(run: Run) -> None:
    async def main() -> None:
        broadcast = giambio.Broadcast(1)
        with broadcast.subscribe() as news:
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(outcome_of, news.receive())
                await settled()
                with pytest.warns(ResourceWarning, match="<giambio.Broadcast 1 subscriptions"):
                    del broadcast
                    gc.collect()
            assert isinstance(receiving.result(), giambio.EndOfStream)

    run(main)


def test_dropping_what_nobody_can_miss_is_quiet(run: Run) -> None:
    async def main() -> None:
        giambio.Broadcast(1)
        broadcast = giambio.Broadcast(1)
        news = broadcast.subscribe()
        broadcast.close()
        del news
        gc.collect()
        await settled()

    run(main)


def test_dropped_in_a_garbage_cycle_it_prevents_a_deadlock(run: Run) -> None:
    """Rule 11.15: `gc.collect()` runs once first."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast:
            cycle: list[object] = [broadcast.subscribe()]
            cycle.append(cycle)
            await broadcast.send(1)
            del cycle
            assert await broadcast.send(2) == 0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run(main)


# -- mistakes and reports ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1.5, "5", None, math.nan, False])
def test_a_size_is_a_whole_number_or_infinity(size: Any) -> None:
    with pytest.raises(
        TypeError, match=re.escape("Broadcast() needs a whole number of items for size (math.inf")
    ):
        giambio.Broadcast(size)


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_is_at_least_one(size: int) -> None:
    message = f"needs a number of items from 1 up for size (math.inf is no limit), not {size}"
    with pytest.raises(ValueError, match=re.escape(message)):
        giambio.Broadcast(size)


def test_a_subscription_is_not_made_by_hand() -> None:
    with pytest.raises(TypeError, match=r"made by the subscribe\(\) of a giambio.Broadcast"):
        giambio.Subscription()
    with pytest.raises(TypeError):
        giambio.Broadcast()  # type: ignore[call-arg]


def test_operations_that_were_never_awaited_warn_and_do_nothing(run: Run) -> None:
    """Rule 3.13: an operation object that was never awaited warns."""

    async def main() -> None:
        with giambio.Broadcast(5) as broadcast, broadcast.subscribe() as news:
            broadcast.send_nowait("kept")
            with pytest.warns(RuntimeWarning, match=r"Broadcast\.send\(\) was never awaited"):
                broadcast.send("lost")
                gc.collect()
            with pytest.warns(RuntimeWarning, match=r"Subscription\.receive\(\) was never awaited"):
                news.receive()
                gc.collect()
            assert broadcast.statistics().longest_backlog == 1

    run(main)


def test_waking_tasks_from_another_thread_is_refused(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast:
            idle, news = broadcast.subscribe(), broadcast.subscribe()
            with idle, news:
                async with giambio.TaskManager() as manager:
                    receiving = await manager.spawn(news.receive)
                    await settled()
                    for misuse, name in (
                        (lambda: broadcast.send_nowait(1), "Broadcast.send_nowait()"),
                        (broadcast.close, "Broadcast.close()"),
                        (news.close, "Subscription.close()"),
                    ):
                        refusal = in_thread(misuse)
                        assert isinstance(refusal, RuntimeError)
                        assert str(refusal).startswith(f"{name} was called from another thread")
                    assert not receiving.done()
                    assert broadcast.statistics().longest_backlog == 0  # nor to the idle one
                    await broadcast.send("from here")
                    assert await receiving == "from here"
                    sending = await manager.spawn(broadcast.send, "full")
                    await settled()
                    refusal = in_thread(idle.receive_nowait)
                    assert "Subscription.receive_nowait() was called" in str(refusal)
                    assert idle.receive_nowait() == "from here"
                    await sending

    run(main)


def test_two_loops_cannot_meet_at_one_broadcast(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe() as news:
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(news.receive)
                await settled()

                for misuse in (
                    lambda: giambio.run(broadcast.send, 1),
                    lambda: giambio.run(news.receive),
                ):
                    refusal = in_thread(misuse)
                    assert isinstance(refusal, RuntimeError)
                    assert "tasks of another loop wait for this object already" in str(refusal)
                assert not receiving.done()
                receiving.cancel()

    run(main)


def test_errors_come_without_frames_of_ours(run: Run) -> None:
    """Rule 8.17: tracebacks contain no frame of ours between the user's."""

    async def main() -> None:
        broadcast = giambio.Broadcast(1)
        with broadcast.subscribe() as news:
            broadcast.close()
            for operation in (news.receive, lambda: broadcast.send(1)):
                try:
                    await operation()
                except giambio.GiambioError as exc:
                    frames = traceback.extract_tb(exc.__traceback__)
                    assert [frame.name for frame in frames] == ["main"]

    run(main)


def test_statistics_tell_how_far_the_slowest_is_behind(run: Run) -> None:
    async def main() -> None:
        with giambio.Broadcast(2) as broadcast:
            with broadcast.subscribe() as slow, broadcast.subscribe() as quick:
                await broadcast.send(1)
                await broadcast.send(2)
                await quick.receive()
                await quick.receive()
                async with giambio.TaskManager() as manager:
                    await manager.spawn(broadcast.send, 3)
                    await manager.spawn(quick.receive)
                    await settled()
                    assert broadcast.statistics()._asdict() == {
                        "longest_backlog": 2,
                        "max_buffer_size": 2,
                        "open_subscriptions": 2,
                        "tasks_waiting_send": 1,
                        "tasks_waiting_receive": 1,
                    }
                    assert (
                        repr(broadcast) == "<giambio.Broadcast 2 subscriptions, 1 waiting to send>"
                    )
                    assert repr(slow) == "<giambio.Subscription 2 of 2 items, 0 waiting to receive>"
                    await slow.receive()
                assert broadcast.statistics() == (2, 2, 2, 0, 0)
            assert repr(slow) == "<giambio.Subscription closed>"
        assert repr(broadcast) == "<giambio.Broadcast closed>"

    run(main)


def test_a_deadlock_names_the_broadcast(run: Run) -> None:
    """Rule 11.2: `DeadlockError` with the tree of who waits on what."""

    async def main() -> None:
        with giambio.Broadcast(1) as broadcast, broadcast.subscribe():
            await broadcast.send(1)
            await broadcast.send(2)

    with pytest.raises(giambio.DeadlockError, match=r"Broadcast.send\(\) on <giambio.Broadcast 1"):
        run(main)


def test_the_kind_of_items_can_be_told_to_type_checkers() -> None:
    with giambio.Broadcast[int](1) as broadcast:
        assert type(broadcast) is giambio.Broadcast
    assert giambio.Subscription[int].__args__ == (int,)


@pytest.mark.parametrize("size", [1, 3, math.inf])
@pytest.mark.parametrize("seed", range(8))
def test_in_a_crowd_everybody_hears_the_same_in_the_same_order(
    run: Run, size: float, seed: int
) -> None:
    """Listeners that come and go, senders and receivers that are cancelled at random."""
    dice = random.Random(seed)
    sent: list[tuple[int, int]] = []
    heard: list[list[tuple[int, int]]] = []
    complete: list[list[tuple[int, int]]] = []

    async def listen(news: giambio.Subscription[tuple[int, int]], items: int) -> None:
        mine: list[tuple[int, int]] = []
        heard.append(mine)
        with news:
            while len(mine) < items:
                with giambio.CancelScope() as scope:
                    if dice.random() < 0.2:
                        giambio.current_loop().call_soon(scope.cancel)
                    try:
                        mine.append(await news.receive())
                    except giambio.EndOfStream:
                        complete.append(mine)
                        return
                if dice.random() < 0.3:
                    await giambio.checkpoint()

    async def produce(broadcast: giambio.Broadcast[tuple[int, int]], name: int) -> None:
        for number in range(30):
            with giambio.CancelScope() as scope:
                if dice.random() < 0.2:
                    giambio.current_loop().call_soon(scope.cancel)
                await broadcast.send((name, number))
                sent.append((name, number))

    async def main() -> None:
        async with giambio.TaskManager() as listeners:
            with giambio.Broadcast[tuple[int, int]](size) as broadcast:
                for items in 1000, 1000, 1000, 5, 20:
                    listeners.start_soon(listen, broadcast.subscribe(), items)
                async with giambio.TaskManager() as manager:
                    for name in range(3):
                        manager.start_soon(produce, broadcast, name)

    run(main, seed=seed)
    assert len(complete) == 3
    assert len(sent) > 45
    for mine in complete:
        assert mine == complete[0]
        assert sorted(mine) == sorted(sent)
    for mine in heard:
        assert mine == complete[0][: len(mine)]
