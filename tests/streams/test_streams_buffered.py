"""`BufferedStream`: by length, by delimiter, by line; and no byte is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giambio
from support.net import half_wrapped, turns, wrapped
from support.streams import raises

Run = Callable[..., Any]


class Pieces(giambio.ReceiveStream):
    """A stream that gives out what it was made with, piece by piece, and then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.asked: list[int] = []

    async def receive(self, max_size: int = 65536) -> bytes:
        await giambio.checkpoint()
        self.asked.append(max_size)
        if not self.pieces:
            return b""
        piece = self.pieces[0][:max_size]
        self.pieces[0] = self.pieces[0][max_size:]
        if not self.pieces[0]:
            del self.pieces[0]
        return piece

    def close_now(self) -> None:
        self.pieces.clear()


def in_pieces(data: bytes, dice: random.Random) -> list[bytes]:
    """The data, cut anywhere."""
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(10)))
    ends = [*cuts, len(data)]
    return [
        piece for start, end in zip([0, *cuts], ends, strict=True) if (piece := data[start:end])
    ]


# -- by length ---------------------------------------------------------------------------


def test_exactly_so_many_bytes(run: Run) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"he", b"llo wor", b"ld"))
        assert await stream.receive_exactly(5) == b"hello"
        assert stream.buffer == b" wor"
        assert await stream.receive_exactly(0) == b""
        assert await stream.receive_exactly(6) == b" world"

    run(main)


def test_a_stream_that_ends_too_early(run: Run) -> None:
    """Rule 17.9: the exception has what came, and the buffer still has it too."""

    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"hel"))
        for _ in range(2):
            error = await raises(giambio.IncompleteRead, stream.receive_exactly, 5)
            assert error.partial == b"hel"
            assert str(error) == ("the stream ended before the 5 bytes that were asked for; 3 came")
        assert isinstance(error, giambio.EndOfStream)
        assert await stream.receive() == b"hel"
        assert await stream.receive() == b""
        error = await raises(giambio.IncompleteRead, stream.receive_exactly, 1)
        assert error.partial == b""

    run(main)


def test_much_is_asked_for_at_once(run: Run) -> None:
    async def main() -> None:
        below = Pieces(bytes(1 << 20))
        stream = giambio.BufferedStream(below)
        assert await stream.receive_exactly(1 << 20) == bytes(1 << 20)
        assert below.asked == [1 << 20]

    run(main)


# -- by delimiter ------------------------------------------------------------------------


def test_up_to_a_delimiter_that_is_cut_anywhere(run: Run) -> None:
    async def main() -> None:
        for cut in range(1, 9):
            data = b"key\r\n\r\nbody"
            stream = giambio.BufferedStream(Pieces(data[:cut], data[cut:]))
            assert await stream.receive_until(b"\r\n\r\n", 100) == b"key"
            assert await stream.receive_exactly(4) == b"body"

    run(main)


def test_a_delimiter_one_byte_at_a_time(run: Run) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(*(bytes([byte]) for byte in b"aaaaab--")))
        assert await stream.receive_until(b"aab", 100) == b"aaa"
        assert await stream.receive_until(b"--", 100) == b""

    run(main)


@pytest.mark.parametrize("size", [5, 6, 100])
def test_what_is_before_the_delimiter_may_be_as_long_as_allowed(run: Run, size: int) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"12345--rest"))
        assert await stream.receive_until(b"--", size) == b"12345"
        assert stream.buffer == b"rest"

    run(main)


def test_lines_and_pieces_have_the_same_limit_by_default(run: Run) -> None:
    """Rule 17.9."""

    async def main() -> None:
        for size in (65536, 65537):
            for until in (b"\n", b"--"):
                stream = giambio.BufferedStream(Pieces(b"x" * size, until, b"rest"))
                piece = partial(stream.receive_until, until)
                receive = stream.receive_line if until == b"\n" else piece
                if size > 65536:
                    await raises(giambio.DelimiterNotFound, receive)
                else:
                    assert len((await receive()).rstrip()) == size

    run(main)


@pytest.mark.parametrize("pieces", [(b"12345--rest",), (b"1", b"2345", b"-", b"-", b"rest")])
def test_a_delimiter_that_comes_too_late(run: Run, pieces: tuple[bytes, ...]) -> None:
    """Rule 17.9: the bytes stay in the buffer."""

    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(*pieces))
        error = await raises(giambio.DelimiterNotFound, stream.receive_until, b"--", 4)
        assert str(error) == (
            "b'--' did not come within 4 bytes; allow more with max_size, "
            "or take what is there with receive()"
        )
        assert await stream.receive_until(b"--", 5) == b"12345"

    run(main)


def test_a_stream_that_ends_before_the_delimiter(run: Run) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"12", b"345-"))
        error = await raises(giambio.IncompleteRead, stream.receive_until, b"--", 100)
        assert error.partial == b"12345-"
        assert str(error) == "the stream ended before b'--'; 6 came"
        assert await stream.receive() == b"12345-"

    run(main)


def test_looking_for_a_delimiter_takes_time_in_proportion(run: Run) -> None:
    """What was searched once is not searched again: counted, not timed."""

    class Counting(bytearray):
        searched = 0

        def find(self, mark: Any, start: Any = 0, end: Any = None) -> int:
            Counting.searched += min(len(self), end) - start
            return super().find(mark, start, end)

    async def main() -> None:
        pieces = [b"x" * 10] * 2000
        stream = giambio.BufferedStream(Pieces(*pieces, b"--"))
        stream._buffer = Counting()
        assert len(await stream.receive_until(b"--", 1 << 20)) == 20_000
        assert Counting.searched < 4 * 20_000

    run(main)


# -- by line -----------------------------------------------------------------------------


def test_lines_keep_their_ends_and_the_last_one_need_not_have_one(run: Run) -> None:
    """Rule 17.12: as the lines of a file."""

    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"one\ntwo\r\n\nthr", b"ee"))
        lines = [await stream.receive_line() for _ in range(6)]
        assert lines == [b"one\n", b"two\r\n", b"\n", b"three", b"", b""]

    run(main)


def test_lines_of_a_loop(run: Run) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"one\ntwo\nthree"))
        assert [line async for line in stream] == [b"one\n", b"two\n", b"three"]

    run(main)


def test_a_line_that_is_too_long(run: Run) -> None:
    """Rule 17.9: a line longer than its limit."""

    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"12345\n"))
        await raises(giambio.DelimiterNotFound, stream.receive_line, 4)
        assert await stream.receive_line(5) == b"12345\n"
        endless = giambio.BufferedStream(Pieces(*[bytes(10_000)] * 10))
        await raises(giambio.DelimiterNotFound, endless.receive_line)
        assert len(endless.buffer) < 100_000

    run(main)


# -- beside each other ---------------------------------------------------------------------


def test_receive_gives_what_is_in_the_buffer_first(run: Run) -> None:
    async def main() -> None:
        below = Pieces(b"line\nrest", b"more")
        stream = giambio.BufferedStream(below)
        await stream.receive_line()
        assert await stream.receive(2) == b"re"
        assert await stream.receive() == b"st"
        assert below.asked == [65536]
        assert await stream.receive(2) == b"mo"
        assert await stream.receive(100) == b"re"

    run(main)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), seed=st.integers(0, 10**6))
def test_whatever_is_asked_for_in_whatever_order_all_bytes_come(data: bytes, seed: int) -> None:
    dice = random.Random(seed)

    async def main() -> bytes:
        stream = giambio.BufferedStream(Pieces(*in_pieces(data, dice)))
        received = bytearray()
        while True:
            before = len(received)
            match dice.randrange(4):
                case 0:
                    received += await stream.receive(dice.randrange(1, 50))
                case 1:
                    received += await stream.receive_line(400)
                case 2:
                    try:
                        received += await stream.receive_exactly(dice.randrange(1, 50))
                    except giambio.IncompleteRead:
                        received += await stream.receive(1)
                case 3:
                    mark = bytes(dice.choice(data or b"x") for _ in range(dice.randrange(1, 3)))
                    try:
                        received += await stream.receive_until(mark, dice.randrange(1, 50)) + mark
                    except (giambio.IncompleteRead, giambio.DelimiterNotFound):
                        received += await stream.receive(1)
            if len(received) == before:
                return bytes(received)

    assert giambio.run(main) == data


@pytest.mark.parametrize("how", ["exactly", "until", "line", "receive"])
def test_cancelled_it_loses_nothing(run: Run, how: str) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    data = b"".join(b"%06d\n" % number for number in range(1000))
    dice = random.Random(how)

    async def send(stream: giambio.AsyncSocket) -> None:
        for piece in in_pieces(data, random.Random(1)):
            for start in range(0, len(piece), 37):
                await stream.send_all(piece[start : start + 37])
                await turns(dice.randrange(2))

    async def main() -> None:
        left, right = wrapped()
        async with left, giambio.BufferedStream(right) as stream:
            calls: dict[str, Callable[[], Any]] = {
                "exactly": lambda: stream.receive_exactly(50),
                "until": lambda: stream.receive_until(b"\n", 100),
                "line": lambda: stream.receive_line(),
                "receive": lambda: stream.receive(33),
            }
            received = bytearray()
            cancelled = 0
            async with giambio.TaskManager() as manager:
                manager.start_soon(send, left)
                while len(received) < len(data):
                    async with giambio.TaskManager() as inner:
                        task = await inner.spawn(calls[how])
                        await turns(dice.randrange(4))
                        task.cancel()
                    if task.cancelled():
                        cancelled += 1
                    else:
                        received += task.result() + (b"\n" if how == "until" else b"")
            assert bytes(received) == data
            assert cancelled > 10

    run(main)


def test_sending_goes_through(run: Run) -> None:
    async def main() -> None:
        ours, theirs = half_wrapped()
        with theirs:
            async with giambio.BufferedStream(ours) as stream:
                await stream.send_all(b"hello")
                assert await stream.send(b"!") == 1
                await stream.send_eof()
                assert stream.transport_stream is ours
            assert theirs.recv(100) == b"hello!"
            assert ours.fileno() == -1

    run(main)


def test_two_that_receive_are_refused_also_in_different_ways(run: Run) -> None:
    async def main() -> None:
        left, right = wrapped()
        async with left, giambio.BufferedStream(right) as stream, giambio.TaskManager() as manager:
            first = await manager.spawn(stream.receive_exactly(3))
            await turns()
            for call, *args in [
                (stream.receive,),
                (stream.receive_exactly, 1),
                (stream.receive_until, b"x", 1),
                (stream.receive_line,),
            ]:
                await raises(giambio.BusyResourceError, call, *args)
            await left.send_all(b"abc")
            assert await first == b"abc"

    run(main)


def test_closed_it_gives_out_nothing_more(run: Run) -> None:
    async def main() -> None:
        for close in ("close", "close_now"):
            left, right = wrapped()
            with left:
                await left.send_all(b"line\nrest")
                stream = giambio.BufferedStream(right)
                await stream.receive_line()
                getattr(stream, close)()
                assert stream.buffer == b""
                for call, *args in [
                    (stream.receive,),
                    (stream.receive_exactly, 0),
                    (stream.receive_until, b"x", 1),
                    (stream.receive_line,),
                ]:
                    await raises(giambio.ClosedResourceError, call, *args)

    run(main)


def test_each_call_is_a_checkpoint_also_with_a_full_buffer(run: Run) -> None:
    """Rules 4.1, 4.2: a pending cancellation raises and nothing was done."""

    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"first\nline\n:rest"))
        await stream.receive_line()
        for call, *args in [
            (stream.receive,),
            (stream.receive_exactly, 1),
            (stream.receive_until, b":", 100),
            (stream.receive_line,),
        ]:
            with giambio.CancelScope() as scope:
                scope.cancel()
                await call(*args)
            assert scope.cancelled_caught
        assert stream.buffer == b"line\n:rest"

    run(main)


def test_a_busy_reader_of_lines_lets_others_run(run: Run) -> None:
    """Rule 4.3: an empty budget yields."""

    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"\n" * 5000))

        async def read() -> int:
            return len([line async for line in stream])

        async with giambio.TaskManager() as manager:
            reading = await manager.spawn(read)
            seen = 0
            while not reading.done():
                await giambio.checkpoint()
                seen += 1
        assert reading.result() == 5000
        assert seen > 10

    run(main)


# -- mistakes ----------------------------------------------------------------------------


def test_it_needs_a_stream() -> None:
    with pytest.raises(TypeError, match="needs a stream to receive from"):
        giambio.BufferedStream("text")  # type: ignore[arg-type]
    there, _ = giambio.memory_stream_one_way_pair()
    with pytest.raises(TypeError, match="needs a stream to receive from"):
        giambio.BufferedStream(there)  # type: ignore[arg-type]


def test_what_can_only_receive_cannot_send() -> None:
    stream = giambio.BufferedStream(Pieces())
    for call, *args in [(stream.send_all, b"x"), (stream.send, b"x"), (stream.send_eof,)]:
        with pytest.raises(TypeError, match="is no SendStream"):
            call(*args)


@pytest.mark.parametrize("bad", ["1", 1.5, None])
def test_sizes_are_whole_numbers(run: Run, bad: Any) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"x"))
        for call, *args in [
            (stream.receive_exactly, bad),
            (stream.receive_until, b"x", bad),
            (stream.receive_line, bad),
        ]:
            error = await raises(TypeError, call, *args)
            assert "needs a whole number of bytes" in str(error)

    run(main)


def test_sizes_are_positive(run: Run) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"x"))
        await raises(ValueError, stream.receive_exactly, -1)
        await raises(ValueError, stream.receive_until, b"x", 0)
        await raises(ValueError, stream.receive_line, 0)

    run(main)


def test_a_delimiter_is_bytes_that_are_not_empty(run: Run) -> None:
    async def main() -> None:
        stream = giambio.BufferedStream(Pieces(b"x"))
        error = await raises(TypeError, stream.receive_until, "x", 1)
        assert "encode text first" in str(error)
        error = await raises(ValueError, stream.receive_until, b"", 1)
        assert "not empty" in str(error)

    run(main)
