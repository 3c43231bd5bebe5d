"""The promises of every byte stream: one suite, for sockets, TLS, memory streams and wrappers."""

from __future__ import annotations

import array
import contextlib
import random
import types
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import turns
from support.streams import (
    CLOSED_TO_END,
    KINDS,
    Pair,
    raises,
    receive_exactly,
    receive_to_the_end,
    send_in_part,
)
from support.tls import Certificates

Run = Callable[..., Any]
Open = Callable[[], Any]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of stream; a test that uses it runs once for each."""
    name: str = request.param
    return name


@pytest.fixture
def connect(kind: str, certificates: Certificates) -> Callable[[], Any]:
    """Makes a connected pair of that kind, as a block that closes it."""

    @contextlib.asynccontextmanager
    async def connected() -> Any:
        left, right = await KINDS[kind](certificates)
        with left, right:
            yield left, right

    return connected


@pytest.fixture
def many(kind: str) -> int:
    """A number of bytes that does not fit into the buffers of a connection."""
    return 3000 if kind == "memory of 10 bytes" else 12 << 20


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# -- bytes through ------------------------------------------------------------------------


def test_it_is_what_the_interfaces_say(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, _):
            assert isinstance(left, giambio.ByteStream)
            assert isinstance(left, giambio.ReceiveStream)
            assert isinstance(left, giambio.SendStream)

    run(main)


def test_what_is_sent_is_received_in_both_directions(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(b"ping")
            assert await receive_exactly(right, 4) == b"ping"
            await right.send_all(b"pong")
            assert await receive_exactly(left, 4) == b"pong"

    run(main)


def test_receive_returns_no_more_than_it_is_asked_for(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(b"12345678")
            assert await right.receive(3) == b"123"
            assert await right.receive(1) == b"4"
            assert await receive_exactly(right, 4) == b"5678"

    run(main)


@pytest.mark.parametrize(
    "data",
    [bytearray(b"hello!"), memoryview(b"hello!"), array.array("H", b"hello!")],
    ids=["bytearray", "memoryview", "array"],
)
def test_anything_bytes_like_can_be_sent(run: Run, connect: Open, data: Any) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(data)
            assert await receive_exactly(right, 6) == b"hello!"
            assert 0 < await left.send(data) <= 6
            assert await right.receive(1) == b"h"

    run(main)


def test_sending_nothing_sends_nothing(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(b"")
            await left.send_all(b"x")
            assert await right.receive() == b"x"

    run(main)


def test_both_directions_at_once_with_pieces_of_any_size(
    run: Run, connect: Open, many: int
) -> None:
    """Rule 15.16: one task may receive while another one sends."""
    there, back = random_bytes(many, 1), random_bytes(many, 2)

    async def send(stream: giambio.ByteStream, data: bytes, dice: random.Random) -> None:
        offset = 0
        while offset < len(data):
            size = dice.choice((1, 10, 1000, 16384, 100_000, 1_000_000))
            await stream.send_all(data[offset : offset + size])
            offset += size

    async def receive(stream: giambio.ByteStream, size: int, dice: random.Random) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += await stream.receive(dice.choice((1, 100, 16384, 65536, 300_000)))
        return bytes(data)

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            tasks = [
                await manager.spawn(receive(left, many, random.Random(3))),
                await manager.spawn(receive(right, many, random.Random(4))),
                await manager.spawn(send(left, there, random.Random(5))),
                await manager.spawn(send(right, back, random.Random(6))),
            ]
        assert tasks[0].result() == back
        assert tasks[1].result() == there

    run(main)


def test_a_slow_reader_slows_the_sender_down(run: Run, connect: Open, many: int) -> None:
    """Rule 17.10: backpressure."""

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            data = random_bytes(many)
            sending = await manager.spawn(left.send_all(data))
            half = await receive_exactly(right, many // 4)
            await turns(50)
            assert not sending.done()
            assert half + await receive_exactly(right, many - many // 4) == data

    run(main)


# -- the end -----------------------------------------------------------------------------


def test_the_end_comes_after_the_bytes_and_comes_again(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(b"last")
            await left.close()
            assert await receive_to_the_end(right) == b"last"
            assert await right.receive() == b""
            assert await right.receive(1) == b""

    run(main)


def test_one_direction_can_be_ended_alone(run: Run, connect: Open, kind: str) -> None:
    if kind == "TLS 1.2":
        pytest.skip("TLS 1.2 cannot; that it says so is tested with TLS")

    async def main() -> None:
        async with connect() as (left, right):
            await right.send_all(b"unread")
            await left.send_all(b"question")
            await left.send_eof()
            await left.send_eof()
            assert await receive_to_the_end(right) == b"question"
            await right.send_all(b"late")
            assert await receive_exactly(left, 10) == b"unreadlate"
            closed = giambio.ClosedResourceError
            ended = closed if kind in CLOSED_TO_END else giambio.BrokenResourceError
            await raises(ended, left.send_all, b"more")
            await right.send_eof()
            assert await left.receive() == b""

    run(main)


def test_one_who_waits_is_told_of_the_end(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            receiving = await manager.spawn(right.receive())
            await turns()
            await left.close()
            assert await receiving == b""

    run(main)


def test_sending_to_one_who_has_closed_fails(run: Run, connect: Open, many: int) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            await right.close()

            async def send() -> None:
                while True:  # the system takes a few before it knows
                    await left.send_all(bytes(many))

            await raises(giambio.BrokenResourceError, send)

    run(main)


def test_one_who_waits_for_room_is_told_that_the_other_side_closed(
    run: Run, connect: Open, many: int
) -> None:
    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            sending = await manager.spawn(
                raises(giambio.BrokenResourceError, left.send_all, bytes(many))
            )
            await right.receive(1)
            right.close()
            await sending

    run(main)


def test_closing_with_bytes_unread_breaks_the_connection(
    run: Run, connect: Open, kind: str
) -> None:
    if "TLS" in kind or kind in ("stapled", "pipes"):
        pytest.skip("TLS has said goodbye properly; the halves of a stapled stream are strangers")

    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(b"unread")
            await right.send_all(b"said")
            await right.receive(1)
            await right.close()
            assert await receive_exactly(left, 4) == b"said"
            for _ in range(2):  # a system tells this only once
                await raises(giambio.BrokenResourceError, left.receive)

    run(main)


# -- closing -----------------------------------------------------------------------------


def test_a_closed_stream_says_so(run: Run, connect: Open, kind: str) -> None:
    """Rule 15.17: a closed stream."""

    async def main() -> None:
        async with connect() as (left, _):
            await left.close()
            await left.aclose()
            left.close()
            await raises(giambio.ClosedResourceError, left.receive)
            await raises(giambio.ClosedResourceError, left.send_all, b"x")
            await raises(giambio.ClosedResourceError, left.send, b"x")
            if kind not in CLOSED_TO_END:
                await raises(giambio.ClosedResourceError, left.send_eof)

    run(main)


def test_closing_need_not_be_awaited(run: Run, connect: Open) -> None:
    """Rule 5.12: a forgotten `await` on `close` leaks nothing."""

    async def main() -> None:
        async with connect() as (left, right):
            left.close()
            await raises(giambio.ClosedResourceError, left.receive)
            with contextlib.suppress(giambio.BrokenResourceError):  # of TLS over TLS, see there
                assert await right.receive() == b""

    run(main)


def test_closing_gets_those_out_who_wait(run: Run, connect: Open, many: int) -> None:
    """Rule 15.17: those that wait get out."""

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            closed = giambio.ClosedResourceError
            receiving = await manager.spawn(raises(closed, left.receive))
            sending = await manager.spawn(raises(closed, left.send_all, bytes(many)))
            await right.receive(1)
            await left.close()
            await receiving
            await sending

    run(main)


def test_closing_in_a_cancelled_scope_closes_and_then_raises(run: Run, connect: Open) -> None:
    """Rule 5.13: `close` releases first, also inside a cancelled scope."""

    async def main() -> None:
        async with connect() as (left, right):
            with giambio.CancelScope() as scope:
                scope.cancel()
                await left.close()
                raise AssertionError("not a checkpoint")
            await raises(giambio.ClosedResourceError, left.receive)
            with contextlib.suppress(giambio.BrokenResourceError):  # TLS skips its goodbye
                assert await right.receive() == b""

    run(main)


@pytest.mark.parametrize("cancelled", [False, True])
def test_leaving_a_block_closes_and_keeps_what_the_block_raised(
    run: Run, connect: Open, cancelled: bool
) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            with giambio.CancelScope() as scope, pytest.raises(ValueError, match="mine"):
                async with left:
                    if cancelled:
                        scope.cancel()
                    raise ValueError("mine")
            with pytest.raises(ValueError, match="mine"), right:
                raise ValueError("mine")
            await raises(giambio.ClosedResourceError, left.receive)
            await raises(giambio.ClosedResourceError, right.receive)

    run(main)


@types.coroutine
def suspend() -> Any:
    yield


def test_a_block_whose_coroutine_is_closed_closes_at_once(run: Run, connect: Open) -> None:
    async def main() -> None:
        async with connect() as (left, _):

            async def block() -> None:
                async with left:
                    await suspend()

            coro = block()
            coro.send(None)
            coro.close()
            await raises(giambio.ClosedResourceError, left.receive)

    run(main)


# -- one task at each end -----------------------------------------------------------------


def test_a_second_receiver_is_refused(run: Run, connect: Open) -> None:
    """Rule 15.16: a second receiver."""

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            first = await manager.spawn(right.receive())
            await turns()
            error = await raises(giambio.BusyResourceError, right.receive)
            assert "another task is receiving" in str(error)
            await left.send_all(b"x")
            assert await first == b"x"

    run(main)


def test_a_second_sender_is_refused(run: Run, connect: Open, kind: str, many: int) -> None:
    """Rule 15.16: a second sender."""

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            await manager.spawn(left.send_all(bytes(many)))
            await right.receive(1)
            await turns()
            error = await raises(giambio.BusyResourceError, left.send_all, b"y")
            assert "another task is sending" in str(error)
            await raises(giambio.BusyResourceError, left.send, b"y")
            if kind not in CLOSED_TO_END:
                await raises(giambio.BusyResourceError, left.send_eof)
            assert await receive_exactly(right, many - 1) == bytes(many - 1)

    run(main)


# -- checkpoints and cancellation ---------------------------------------------------------


def test_what_could_go_on_notices_cancellation_first(run: Run, connect: Open, kind: str) -> None:
    """Rule 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> None:
        async with connect() as (left, right):
            await left.send_all(b"there")
            assert await right.receive(1) == b"t"
            calls: list[Any] = [
                (right.receive,),
                (left.send_all, b"not sent"),
                (left.send, b"not sent"),
            ]
            if kind not in CLOSED_TO_END:
                calls.append((left.send_eof,))
            for call, *args in calls:
                with giambio.CancelScope() as scope:
                    scope.cancel()
                    await call(*args)
                assert scope.cancelled_caught, call
            await left.send_all(b"!")
            assert await receive_exactly(right, 5) == b"here!"

    run(main)


def test_one_who_always_can_go_on_lets_others_run(run: Run, connect: Open) -> None:
    """Rule 4.3: an empty budget yields."""

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:

            async def talk() -> None:
                for _ in range(1000):
                    await left.send_all(b"x")
                    await right.receive(1)

            talking = await manager.spawn(talk)
            seen = 0
            while not talking.done():
                await giambio.checkpoint()
                seen += 1
            assert seen > 10

    run(main)


def test_a_cancelled_receive_loses_nothing(run: Run, connect: Open) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    dice = random.Random(7)
    data = random_bytes(20_000)

    async def send(stream: giambio.ByteStream) -> None:
        offset = 0
        while offset < len(data):
            size = dice.randrange(1, 300)
            await stream.send_all(data[offset : offset + size])
            offset += size
            await turns(dice.randrange(3))

    async def main() -> None:
        async with connect() as (left, right), giambio.TaskManager() as manager:
            manager.start_soon(send, left)
            received = bytearray()
            cancelled = 0
            while len(received) < len(data):
                with giambio.CancelScope() as scope:
                    async with giambio.TaskManager() as inner:
                        task = await inner.spawn(right.receive(dice.randrange(1, 400)))
                        await turns(dice.randrange(4))
                        task.cancel()
                assert not scope.cancelled_caught
                if task.cancelled():
                    cancelled += 1
                else:
                    received += task.result()
            assert bytes(received) == data
            assert cancelled > 10

    run(main)


def test_after_a_send_that_was_cut_short_no_other_follows(
    run: Run, connect: Open, kind: str
) -> None:
    """Rule 5.9: after a cancelled `send_all` that sent something, sends raise."""

    async def main() -> None:
        async with connect() as (left, right):
            await send_in_part(left, right)
            error = await raises(giambio.BrokenResourceError, left.send_all, b"more")
            assert "cancelled" in str(error)
            await raises(giambio.BrokenResourceError, left.send, b"more")
            if kind not in CLOSED_TO_END:
                await raises(giambio.BrokenResourceError, left.send_eof)
            await right.send_all(b"goes on")
            assert await receive_exactly(left, 7) == b"goes on"

    run(main)


# -- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["1", 1.0, None, b"1"])
def test_a_size_is_a_whole_number(run: Run, connect: Open, size: Any) -> None:
    async def main() -> None:
        async with connect() as (left, _):
            error = await raises(TypeError, left.receive, size)
            assert "receive() needs a whole number of bytes" in str(error)

    run(main)


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_is_at_least_one(run: Run, connect: Open, size: int) -> None:
    async def main() -> None:
        async with connect() as (left, _):
            error = await raises(ValueError, left.receive, size)
            assert "receive() needs a number of bytes from 1 up" in str(error)

    run(main)


@pytest.mark.parametrize("data", ["text", None, 5, memoryview(b"with gaps")[::2]])
def test_what_is_sent_is_bytes(run: Run, connect: Open, data: Any) -> None:
    async def main() -> None:
        async with connect() as (left, right):
            error = await raises(TypeError, left.send_all, data)
            assert "needs a" in str(error)
            assert not isinstance(data, str) or "data.encode()" in str(error)
            await raises(TypeError, left.send, data)
            await left.send_all(b"fine")
            assert await receive_exactly(right, 4) == b"fine"

    run(main)


def test_the_suite_looks_at_streams_of_every_kind(run: Run, certificates: Certificates) -> None:

    async def main() -> None:
        names = set()
        for make in KINDS.values():
            pair: Pair = await make(certificates)
            names.update(type(stream).__name__ for stream in pair)
            for stream in pair:
                stream.close()
        ours = {"AsyncSocket", "TLSStream", "BufferedStream", "StapledStream", "MemoryStream"}
        assert names == ours | {"Plain"}

    run(main)
