"""`TextStream`: characters that are cut in the middle, encodings, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.streams import raises

Run = Callable[..., Any]

TEXT = "plain, Grüße, 漢字, \N{GRINNING FACE}, \N{COMBINING ACUTE ACCENT}\n"
ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "shift_jis", "utf-7"]


async def receive_to_the_end(stream: giambio.TextStream) -> str:
    parts = []
    while part := await stream.receive():
        parts.append(part)
    return "".join(parts)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_characters_come_whole_however_they_were_cut(run: Run, encoding: str, size: int) -> None:
    text = "漢字, plain\n" if encoding == "shift_jis" else TEXT

    async def main() -> None:
        left, right = giambio.memory_stream_pair(size)
        async with (
            giambio.TextStream(left, encoding) as there,
            giambio.TextStream(right, encoding) as here,
            giambio.TaskManager() as manager,
        ):
            receiving = await manager.spawn(receive_to_the_end(here))
            for _ in range(3):
                await there.send_all(text)
            await there.send_eof()
        assert receiving.result() == text * 3

    run(main)


@settings(max_examples=100, deadline=None)
@given(text=st.text(), size=st.integers(1, 5))
def test_any_text_comes_as_it_was(text: str, size: int) -> None:
    async def main() -> str:
        left, right = giambio.memory_stream_pair(size)
        async with giambio.TaskManager() as manager:
            receiving = await manager.spawn(receive_to_the_end(giambio.TextStream(right)))
            async with giambio.TextStream(left) as there:
                await there.send_all(text)
        return receiving.result()

    assert giambio.run(main) == text


def test_a_character_that_never_comes_whole_is_an_error(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        await left.send_all("aé".encode()[:-1])
        left.close()
        stream = giambio.TextStream(right)
        assert await stream.receive() == "a"
        for _ in range(2):
            error = await raises(UnicodeDecodeError, stream.receive)
            assert error.object == b"\xc3"

    run(main)


def test_what_is_no_text_is_an_error_or_replaced(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        await left.send_all(b"a\xffb")
        error = await raises(UnicodeDecodeError, giambio.TextStream(right).receive)
        assert error.object == b"a\xffb"
        await left.send_all(b"a\xffb")
        assert (
            await giambio.TextStream(right, errors="replace").receive()
            == "a\N{REPLACEMENT CHARACTER}b"
        )
        await raises(UnicodeEncodeError, giambio.TextStream(left, "ascii").send_all, "é")
        await giambio.TextStream(left, "ascii", "ignore").send_all("éa")
        assert await right.receive() == b"a"

    run(main)


def test_a_cancelled_receive_keeps_half_a_character(run: Run) -> None:
    """Rule 5.5: a cancelled operation did not happen."""

    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        stream = giambio.TextStream(right)
        for byte in "é".encode():
            async with giambio.TaskManager() as manager:
                receiving = await manager.spawn(stream.receive)
                await left.send_all(bytes([byte]))
                await wait_all_tasks_blocked()
                receiving.cancel()
        assert receiving.result() == "é"

    run(main)


def test_a_byte_order_mark_is_sent_once_and_after_a_cancelled_send_too(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        stream = giambio.TextStream(left, "utf-16")
        with giambio.CancelScope() as scope:
            scope.cancel()
            await stream.send_all("never")
        await stream.send_all("a")
        await stream.send_all("b")
        assert await right.receive() == "ab".encode("utf-16")

    run(main)


def test_one_direction_is_enough(run: Run) -> None:
    async def main() -> None:
        there, here = giambio.memory_stream_one_way_pair()
        async with giambio.TextStream(there) as out, giambio.TextStream(here) as into:
            await out.send_all("one way")
            assert await into.receive() == "one way"
            error = await raises(TypeError, out.receive)
            assert "is no ReceiveStream" in str(error)
            error = await raises(TypeError, into.send_all, "x")
            assert "is no SendStream" in str(error)

    run(main)


def test_two_that_receive_are_refused(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        async with giambio.TextStream(right) as stream, giambio.TaskManager() as manager:
            receiving = await manager.spawn(stream.receive)
            await wait_all_tasks_blocked()
            await raises(giambio.BusyResourceError, stream.receive)
            await left.send_all(b"x")
            assert await receiving == "x"

    run(main)


def test_closing_closes_what_is_below(run: Run) -> None:
    async def main() -> None:
        left, right = giambio.memory_stream_pair()
        await giambio.TextStream(left).close()
        await raises(giambio.ClosedResourceError, left.receive)
        with giambio.TextStream(right) as stream:
            assert await stream.receive() == ""
        await raises(giambio.ClosedResourceError, right.receive)

    run(main)


def test_mistakes(run: Run) -> None:
    left, _ = giambio.memory_stream_pair()
    with pytest.raises(TypeError, match="needs a stream of bytes, not 'text'"):
        giambio.TextStream("text")  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="unknown encoding: nonsense"):
        giambio.TextStream(left, "nonsense")
    with pytest.raises(LookupError, match="is not a text encoding"):
        giambio.TextStream(left, "hex")
    with pytest.raises(LookupError, match="unknown error handler"):
        giambio.TextStream(left, errors="nonsense")

    async def main() -> None:
        error = await raises(TypeError, giambio.TextStream(left).send_all, b"bytes")
        assert "needs a str, not bytes" in str(error)

    run(main)
