"""Ends of channels: mistakes, dropped ends, statistics and repr."""

from __future__ import annotations

import gc
import math
import re
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.sync import in_thread, outcome_of, settled, stop_the_loop

Run = Callable[..., Any]


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1.0, 0.5, -math.inf, math.nan, "5", None, True, [1]])
def test_a_size_is_a_whole_number_or_infinity(size: Any) -> None:
    message = "needs a whole number of items for size (math.inf is no limit), not"
    with pytest.raises(TypeError, match=re.escape(f"open_channel() {message} {size!r}")):
        giambio.open_channel(size)


def test_a_size_is_not_negative() -> None:
    with pytest.raises(
        ValueError, match=r"needs a number of items from 0 up for size \(.*\), not -1"
    ):
        giambio.open_channel(-1)


def test_a_size_is_required() -> None:
    """Rule 19.1: the error says what the size means."""
    with pytest.raises(TypeError, match=r"open_channel\(\) needs a whole number of items for size"):
        giambio.open_channel()  # type: ignore[call-arg]


def test_a_size_may_be_larger_than_any_list() -> None:
    send, receive = giambio.open_channel(10**30)
    with send, receive:
        send.send_nowait(1)
        assert receive.statistics()[:2] == (1, 10**30)


@pytest.mark.parametrize("cls", [giambio.SendChannel, giambio.ReceiveChannel])
def test_an_end_is_not_made_by_hand(cls: Any) -> None:
    for arguments in ((), (5,), (None,)):
        with pytest.raises(TypeError, match=rf"{cls.__name__} is made by giambio.open_channel"):
            cls(*arguments)


@pytest.mark.parametrize("end", ["send", "receive"])
def test_an_operation_that_was_never_awaited_warns_and_does_nothing(run: Run, end: str) -> None:
    """Rule 3.13: an operation object that was never awaited warns."""

    async def main() -> None:
        send, receive = giambio.open_channel(2)
        with send, receive:
            send.send_nowait("kept")
            with pytest.warns(RuntimeWarning, match=rf"Channel\.{end}\(\) was never awaited"):
                if end == "send":
                    send.send("lost")
                else:
                    receive.receive()
                gc.collect()
            assert send.statistics().current_buffer_used == 1

    run(main)


def test_an_operation_cannot_be_awaited_twice(run: Run) -> None:
    """Rule 3.12: awaiting an operation twice is an error."""

    async def main() -> None:
        send, receive = giambio.open_channel(5)
        with send, receive:
            operation = send.send(1)
            await operation
            with pytest.raises(RuntimeError, match=r"SendChannel.send\(\) was awaited already"):
                await operation
            receiving = receive.receive()
            assert await receiving == 1
            with pytest.raises(RuntimeError, match=r"receive\(\) was awaited already"):
                await receiving

    run(main)


def test_waking_tasks_from_another_thread_is_refused(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(0)
        with send, receive:
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(receive.receive)
                await settled()
                for misuse, name in (
                    (lambda: send.send_nowait(1), r"SendChannel\.send_nowait"),
                    (send.close, r"SendChannel\.close"),
                    (receive.close, r"ReceiveChannel\.close"),
                ):
                    refusal = in_thread(misuse)
                    assert isinstance(refusal, RuntimeError)
                    assert re.match(name, str(refusal))
                    assert "call_soon_threadsafe" in str(refusal)
                await settled()
                assert not receiving.done()
                loop = giambio.current_loop()
                in_thread(lambda: loop.call_soon_threadsafe(send.send_nowait, "this way"))
                assert await receiving == "this way"
                sending = await manager.spawn(send.send, "out")
                await settled()
                refusal = in_thread(receive.receive_nowait)
                assert isinstance(refusal, RuntimeError)
                assert "ReceiveChannel.receive_nowait() was called from another" in str(refusal)
                assert receive.receive_nowait() == "out"
                await sending

    run(main)


@pytest.mark.parametrize("waiting", ["send", "receive"])
def test_two_loops_cannot_meet_at_one_channel(run: Run, waiting: str) -> None:
    send, receive = giambio.open_channel(0)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            if waiting == "send":
                task = await manager.spawn(send.send, "hello")
            else:
                task = await manager.spawn(receive.receive)
            await settled()
            for misuse in (lambda: giambio.run(send.send, 1), lambda: giambio.run(receive.receive)):
                refusal = in_thread(misuse)
                assert isinstance(refusal, RuntimeError)
                assert "tasks of another loop wait for this object already" in str(refusal)
            await settled()
            assert not task.done()
            task.cancel()

    with send, receive:
        run(main)


def test_errors_come_without_frames_of_ours(run: Run) -> None:
    """Rule 8.17: tracebacks contain no frame of ours between the user's."""

    async def main() -> None:
        send, receive = giambio.open_channel(0)
        send.close()
        for operation in (receive.receive, lambda: send.send(1)):
            try:
                await operation()
            except giambio.GiambioError as exc:
                frames = traceback.extract_tb(exc.__traceback__)
                assert [frame.name for frame in frames] == ["main"]
                assert exc.__context__ is None
        receive.close()

    run(main)


# -- ends that are dropped -----------------------------------------------------------------


def test_dropping_the_last_sending_end_ends_the_receivers(run: Run) -> None:
    """Rule 10.6: the receivers learn of the end."""

    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with receive:
            async with giambio.TaskManager() as manager:
                waiting = await manager.spawn(outcome_of, receive.receive())
                await settled()
                with pytest.warns(ResourceWarning) as caught:
                    del send
                    gc.collect()
                assert [str(one.message) for one in caught] == [
                    "<giambio.SendChannel 0 of 1 items, 0 waiting to send, 1 waiting to receive> "
                    f"made at {__file__}:{main.__code__.co_firstlineno + 1} "
                    "was dropped without being closed"
                ]
            assert isinstance(waiting.result(), giambio.EndOfStream)

    run(main)


def test_dropping_the_last_receiving_end_breaks_the_senders(run: Run) -> None:
    """Rule 10.6: the senders learn of it."""

    async def main() -> None:
        send, receive = giambio.open_channel(0)
        with send:
            async with giambio.TaskManager() as manager:
                waiting = await manager.spawn(outcome_of, send.send(1))
                await settled()
                with pytest.warns(ResourceWarning, match="ReceiveChannel .* was dropped"):
                    del receive
                    gc.collect()
            assert isinstance(waiting.result(), giambio.BrokenResourceError)

    run(main)


def test_dropping_a_clone_leaves_the_others_alone(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(1)
        with send, receive:
            with pytest.warns(ResourceWarning, match="was dropped"):
                send.clone()
                gc.collect()
            await settled()
            assert send.statistics()[2:4] == (1, 1)
            await send.send(1)
            assert await receive.receive() == 1

    run(main)


def test_dropping_an_end_that_nobody_can_miss_is_quiet(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(1)
        send.close()
        del receive
        gc.collect()
        send, receive = giambio.open_channel(1)
        receive.close()
        del send
        gc.collect()
        await settled()

    run(main)


def test_dropping_items_that_nobody_received_is_not_quiet() -> None:
    send, receive = giambio.open_channel(1)
    send.send_nowait("lost")
    send.close()
    with pytest.warns(ResourceWarning, match="1 of 1 items"):
        del receive
        gc.collect()


class Wakers(giambio.Hook):
    """The threads in which tasks were woken."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def woken(self, task: giambio.Task[Any], by: object) -> None:
        self.threads.add(threading.get_ident())


def test_an_end_may_be_dropped_in_another_thread(run: Run) -> None:
    """A finalizer runs wherever the last reference goes, but it wakes tasks in their own thread."""

    async def main() -> None:
        wakers = Wakers()
        giambio.current_loop().add_hook(wakers)
        held = [*giambio.open_channel(1)]
        receive = held.pop()
        with receive:
            async with giambio.TaskManager() as manager:
                waiting = await manager.spawn(outcome_of, receive.receive())
                await settled()
                with pytest.warns(ResourceWarning):
                    in_thread(held.clear)
                    gc.collect()
            assert isinstance(waiting.result(), giambio.EndOfStream)
        assert wakers.threads == {threading.get_ident()}

    run(main)


def test_an_end_in_a_garbage_cycle_prevents_a_deadlock(run: Run) -> None:
    """Rule 11.15: `gc.collect()` runs once first: a finalizer may close a channel."""

    async def main() -> list[int]:
        send, receive = giambio.open_channel[int](5)
        cycle: list[object] = [send]
        cycle.append(cycle)
        send.send_nowait(1)
        del send, cycle
        with receive:
            return [item async for item in receive]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert run(main) == [1]


def test_an_end_dropped_when_no_loop_runs_is_closed_at_once() -> None:
    send, receive = giambio.open_channel(5)
    giambio.run(send.send, 1)
    with receive:
        with pytest.warns(ResourceWarning):
            del send
            gc.collect()
        assert receive.receive_nowait() == 1
        with pytest.raises(giambio.EndOfStream):
            receive.receive_nowait()


def test_an_end_dropped_while_the_loop_is_torn_down_is_closed(run: Run) -> None:
    send, receive = giambio.open_channel(5)
    held = [send]
    del send

    async def hold() -> None:
        send = held.pop()
        await send.send(1)
        await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(hold)
            await settled()
            await stop_the_loop()

    with receive:
        with pytest.warns(ResourceWarning), pytest.raises(KeyboardInterrupt):
            run(main)
        gc.collect()
        assert receive.receive_nowait() == 1
        with pytest.raises(giambio.EndOfStream):
            receive.receive_nowait()


# -- seeing what happens -------------------------------------------------------------------


def test_statistics_tell_what_is_open_what_is_full_and_who_waits(run: Run) -> None:
    async def main() -> None:
        send, receive = giambio.open_channel(2)
        assert send.statistics() == receive.statistics()
        assert send.statistics()._asdict() == {
            "current_buffer_used": 0,
            "max_buffer_size": 2,
            "open_send_channels": 1,
            "open_receive_channels": 1,
            "tasks_waiting_send": 0,
            "tasks_waiting_receive": 0,
        }
        send.send_nowait(1)
        another = send.clone()
        assert send.statistics()[:4] == (1, 2, 2, 1)
        send.close()
        assert send.statistics()[:4] == (1, 2, 1, 1)
        clone = receive.clone()
        assert another.statistics()[:4] == (1, 2, 1, 2)
        clone.close()
        assert another.statistics()[:4] == (1, 2, 1, 1)
        with another, receive:
            async with giambio.TaskManager() as manager:
                another.send_nowait(2)
                await manager.spawn(another.send, 3)
                await manager.spawn(another.send, 4)
                await settled()
                assert another.statistics() == (2, 2, 1, 1, 2, 0)
                manager.cancel()
            assert another.statistics() == (2, 2, 1, 1, 0, 0)
            receive.receive_nowait()
            receive.receive_nowait()
            async with giambio.TaskManager() as manager:
                await manager.spawn(receive.receive)
                await settled()
                assert another.statistics() == (0, 2, 1, 1, 0, 1)
                manager.cancel()
            assert another.statistics() == (0, 2, 1, 1, 0, 0)

    run(main)


def test_an_end_describes_itself() -> None:
    send, receive = giambio.open_channel(5)
    send.send_nowait(1)
    state = "1 of 5 items, 0 waiting to send, 0 waiting to receive"
    assert repr(send) == f"<giambio.SendChannel {state}>"
    assert repr(receive) == f"<giambio.ReceiveChannel {state}>"
    send.close()
    receive.close()
    assert repr(send) == "<giambio.SendChannel closed>"
    assert repr(receive) == "<giambio.ReceiveChannel closed>"
    send, receive = giambio.open_channel(math.inf)
    with send, receive:
        assert "SendChannel 0 items, " in repr(send)


def test_a_deadlock_names_the_channel_and_its_size(run: Run) -> None:
    """Rule 11.2: `DeadlockError` with the tree of who waits on what."""

    async def main() -> None:
        send, receive = giambio.open_channel(7)
        with send, receive:
            await receive.receive()

    with pytest.raises(giambio.DeadlockError) as caught:
        run(main)
    assert "waits for ReceiveChannel.receive() on <giambio.ReceiveChannel 0 of 7 items" in str(
        caught.value
    ).replace("\n", " ")


def test_the_kind_of_items_can_be_told_to_type_checkers() -> None:
    send, receive = giambio.open_channel[int](1)
    with send, receive:
        assert type(send) is giambio.SendChannel
        assert type(receive) is giambio.ReceiveChannel
    assert giambio.SendChannel[int].__args__ == (int,)
    assert giambio.ReceiveChannel[int].__origin__ is giambio.ReceiveChannel
