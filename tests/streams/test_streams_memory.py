"""Streams in memory, and stapled streams: their own rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import turns
from support.streams import raises, receive_to_the_end

Run = Callable[..., Any]


# -- in memory ---------------------------------------------------------------------------


def test_a_sender_waits_until_there_is_room(run: Run) -> None:
    async def main() -> None:
        there, here = giambio.memory_stream_one_way_pair(4)
        assert await there.send(b"123456") == 4
        async with giambio.TaskManager() as manager:
            sending = await manager.spawn(there.send(b"abc"))
            await turns()
            assert not sending.done()
            assert await here.receive(1) == b"1"
            assert await sending == 1
        assert await here.receive() == b"234a"

    run(main)


def test_the_size_of_the_buffer_is_a_number_of_bytes() -> None:
    for make in (giambio.memory_stream_pair, giambio.memory_stream_one_way_pair):
        with pytest.raises(ValueError, match=r"_pair\(\) needs a number of bytes from 1 up"):
            make(0)
        with pytest.raises(TypeError, match=r"_pair\(\) needs a whole number of bytes"):
            make(1.5)  # type: ignore[operator]


def test_one_way_is_one_way(run: Run) -> None:
    async def main() -> None:
        there, here = giambio.memory_stream_one_way_pair()
        assert isinstance(there, giambio.SendStream)
        assert not isinstance(there, giambio.ReceiveStream)
        assert isinstance(here, giambio.ReceiveStream)
        assert not isinstance(here, giambio.SendStream)
        await there.send_all(b"hello")
        there.close()
        there.close()
        await raises(giambio.ClosedResourceError, there.send_all, b"x")
        await raises(giambio.ClosedResourceError, there.send_eof)
        assert await receive_to_the_end(here) == b"hello"
        here.close()
        await raises(giambio.ClosedResourceError, here.receive)

    run(main)


def test_a_receiver_that_closes_breaks_a_one_way_stream(run: Run) -> None:
    async def main() -> None:
        there, here = giambio.memory_stream_one_way_pair()
        here.close()
        await raises(giambio.BrokenResourceError, there.send_all, b"x")
        await raises(giambio.BrokenResourceError, there.send_eof)

    run(main)


def test_who_waits_for_nobody_is_noticed(run: Run) -> None:
    """Rule 11.1: nothing outside the loop could wake it."""

    async def main() -> None:
        left, _ = giambio.memory_stream_pair()
        await left.receive()

    with pytest.raises(giambio.DeadlockError):
        run(main)


# -- stapled -----------------------------------------------------------------------------


class Recorder(giambio.ByteStream):
    """Writes down what is done with it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    async def receive(self, max_size: int = 65536) -> bytes:
        self.log.append(f"{self.name}: receive {max_size}")
        return b"received"

    async def send_all(self, data: Any) -> None:
        self.log.append(f"{self.name}: send_all {data!r}")

    async def send_eof(self) -> None:
        self.log.append(f"{self.name}: send_eof")

    def close_now(self) -> None:
        self.log.append(f"{self.name}: close_now")
        if self.name == "refuses":
            raise OSError("it refuses")


def test_each_direction_goes_to_its_own_stream(run: Run) -> None:
    log: list[str] = []

    async def main() -> None:
        out, into = Recorder("out", log), Recorder("into", log)
        stream = giambio.StapledStream(out, into)
        assert stream.send_stream is out
        assert stream.receive_stream is into
        assert await stream.receive(5) == b"received"
        await stream.send_all(b"x")
        assert await stream.send(b"yz") == 2
        await stream.send_eof()
        await stream.close()

    run(main)
    assert log == [
        "into: receive 5",
        "out: send_all b'x'",
        "out: send_all b'yz'",
        "out: send_eof",
        "out: close_now",
        "into: close_now",
    ]


def test_both_are_closed_whatever_one_of_them_does(run: Run) -> None:
    log: list[str] = []

    async def main() -> None:
        stream = giambio.StapledStream(Recorder("refuses", log), Recorder("into", log))
        with pytest.raises(OSError, match="it refuses"):
            stream.close()
        with pytest.raises(OSError, match="it refuses"):
            stream.close_now()

    run(main)
    assert log == ["refuses: close_now", "into: close_now"] * 2


def test_a_stream_that_goes_one_way_only_is_ended_by_closing_it(run: Run) -> None:
    log: list[str] = []

    class Out(giambio.SendStream):
        async def send_all(self, data: Any) -> None: ...

        def close_now(self) -> None:
            log.append("closed")

    async def main() -> None:
        _, here = giambio.memory_stream_one_way_pair()
        await giambio.StapledStream(Out(), here).send_eof()

    run(main)
    assert log == ["closed"]


def test_it_needs_one_stream_of_each_kind() -> None:
    there, here = giambio.memory_stream_one_way_pair()
    with pytest.raises(TypeError, match="needs a stream to send on first"):
        giambio.StapledStream(here, there)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs a stream to receive from second"):
        giambio.StapledStream(there, there)  # type: ignore[arg-type]


# -- the interfaces -----------------------------------------------------------------------


def test_an_interface_cannot_be_used_by_itself() -> None:
    for interface in (
        giambio.ByteStream,
        giambio.Listener,
        giambio.ReceiveStream,
        giambio.SendStream,
    ):
        with pytest.raises(TypeError, match="abstract"):
            interface()  # type: ignore[abstract]


def test_what_a_user_derives_has_blocks_and_closing(run: Run) -> None:
    log: list[str] = []

    async def main() -> None:
        with Recorder("a", log):
            pass
        async with Recorder("b", log):
            pass
        await Recorder("c", log).aclose()
        Recorder("d", log).close()

    run(main)
    assert log == [f"{name}: close_now" for name in "abcd"]


def test_a_socket_is_a_stream_and_a_listener() -> None:
    assert issubclass(giambio.AsyncSocket, giambio.ByteStream)
    assert issubclass(giambio.AsyncSocket, giambio.Listener)
