"""The stream transport of the drop-in loop where it is misused, and where the system refuses.

That it does the same as asyncio's is the subject of test_transport_fuzz.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import os
import resource
import socket
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import giambio.asyncio
from giambio.asyncio.transports.stream_transport import StreamTransport

#: More than the system takes at once.
BIG = b"big." * 1_000_000

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.data = b""
        self.transport: Any = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append(("lost", exc))
        self.lost.set_result(None)


@pytest.fixture
def loop(driver: str) -> Iterator[giambio.asyncio.EventLoop]:
    loop = giambio.asyncio.EventLoop(driver=driver)
    yield loop
    loop.close()


@pytest.fixture
def on_loop(loop: giambio.asyncio.EventLoop) -> Callable[..., Any]:
    """Runs a coroutine function; an error that is reported to the loop fails the test."""

    def run(main: Callable[[], Any]) -> Any:
        reported: list[Any] = []
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        try:
            return loop.run_until_complete(main())
        finally:
            assert not reported

    return run


async def connected(factory: Callable[[], Any] = Recorder) -> tuple[Any, socket.socket]:
    """A protocol with its transport, and the other end."""
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    ours.setblocking(False)
    _, protocol = await asyncio.get_running_loop().create_connection(factory, sock=ours)
    assert type(protocol.transport) is StreamTransport
    return protocol, peer


# -- what it is ------------------------------------------------------------------------


def test_it_is_a_transport_to_isinstance(on_loop: Any) -> None:
    """Rule 25.1: libraries ask."""

    async def main() -> None:
        protocol, peer = await connected()
        transport = protocol.transport
        assert isinstance(transport, asyncio.Transport)
        assert not isinstance(transport, asyncio.DatagramTransport)
        assert repr(transport).startswith("<StreamTransport reading fd=")
        assert transport.get_extra_info("socket").fileno() >= 0
        assert transport.get_extra_info("nonsense", 7) == 7
        transport.close()
        assert "closing" in repr(transport)
        await protocol.lost
        await asyncio.sleep(0)
        assert "closed" in repr(transport)
        peer.close()

    on_loop(main)


def test_protocols_are_called_in_the_context_of_the_connection(on_loop: Any) -> None:
    """Rule 25.2: that of the code that has made it."""

    class Asking(Recorder):
        def data_received(self, data: bytes) -> None:
            self.calls.append(variable.get())
            variable.set("changed")

    async def main() -> None:
        variable.set("mine")
        protocol, peer = await connected(Asking)
        for _ in range(2):
            peer.send(b"x")
            seen = len(protocol.calls)
            while len(protocol.calls) == seen:
                await asyncio.sleep(0)
        assert protocol.calls == ["made", "mine", "changed"]
        assert variable.get() == "mine"
        protocol.transport.abort()
        await protocol.lost
        peer.close()

    on_loop(main)


# -- reading ---------------------------------------------------------------------------


def test_a_storm_of_pauses_loses_nothing(on_loop: Any) -> None:
    """Rule 25.1: each byte is delivered once, in order."""

    async def main() -> None:
        protocol, peer = await connected()
        sent = b""
        for i in range(300):
            data = b"%d." % i
            peer.send(data)
            sent += data
            for _ in range(i % 5):
                protocol.transport.pause_reading()
                protocol.transport.resume_reading()
            if i % 3:
                protocol.transport.pause_reading()
                before = protocol.data
                await asyncio.sleep(0)
                assert protocol.data == before
                protocol.transport.resume_reading()
            while i % 10 == 9 and protocol.data != sent:
                await asyncio.sleep(0)
        protocol.transport.close()
        await protocol.lost
        peer.close()

    on_loop(main)


def test_a_busy_connection_leaves_the_others_their_turns(on_loop: Any) -> None:
    """Rule 25.3: a transport receives once in a turn."""

    class Flood(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(BIG)

        def resume_writing(self) -> None:
            self.transport.write(BIG)

    async def main() -> None:
        flood, peer = await connected(Flood)
        peer_protocol = Recorder()
        await asyncio.get_running_loop().create_connection(lambda: peer_protocol, sock=peer)
        protocol, other = await connected()
        for _ in range(20):
            other.send(b"hi")
            before = len(peer_protocol.data)
            protocol.data = b""
            while not protocol.data:
                await asyncio.sleep(0)
            assert len(peer_protocol.data) - before < 20 * len(BIG)
        for one in (flood, peer_protocol, protocol):
            one.transport.abort()
            await one.lost
        other.close()

    on_loop(main)


# -- writing ---------------------------------------------------------------------------


def test_what_is_queued_does_not_change(on_loop: Any) -> None:
    """Rule 25.4: a mutable object may be used again as soon as `write` returns."""

    async def main() -> None:
        protocol, peer = await connected()
        data = bytearray(BIG)
        protocol.transport.write(data)
        data[:] = b"!" * len(data)
        data.clear()  # no view is left on it
        protocol.transport.writelines([BIG, b"", memoryview(BIG), bytearray(b"end")])
        protocol.transport.close()
        got = b""
        while not got.endswith(b"end"):
            try:
                got += peer.recv(1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0)
        assert got == BIG * 3 + b"end"
        await protocol.lost
        assert protocol.calls == ["made", "pause", "resume", ("lost", None)]
        peer.close()

    on_loop(main)


def test_many_parts_are_sent_by_few_calls_in_order(on_loop: Any) -> None:
    """Rule 25.4: also more than the system takes at once."""

    async def main() -> None:
        protocol, peer = await connected()
        parts = [b"%d." % i for i in range(1000)]
        protocol.transport.writelines(parts)
        protocol.transport.write_eof()
        got = b""
        while not got.endswith(b"999."):
            try:
                got += peer.recv(1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0)
        assert got == b"".join(parts)
        protocol.transport.close()
        await protocol.lost
        peer.close()

    on_loop(main)


@pytest.mark.parametrize("views", ["i", "H"])
def test_a_view_of_numbers_is_written_as_its_bytes(on_loop: Any, views: str) -> None:
    """Rule 25.4: what counts is bytes, not items."""

    async def main() -> None:
        protocol, peer = await connected()
        view = memoryview(BIG).cast(views)
        protocol.transport.write(view[:10])
        protocol.transport.write(view[:20:2])
        protocol.transport.close()
        await protocol.lost
        assert peer.recv(1000) == view[:10].tobytes() + view[:20:2].tobytes()
        peer.close()

    on_loop(main)


# -- misuse ----------------------------------------------------------------------------


def test_a_transport_that_is_closed_can_be_called(on_loop: Any) -> None:
    """Rule 25.5: nothing happens, as on asyncio."""

    async def main() -> None:
        protocol, peer = await connected()
        transport = protocol.transport
        transport.close()
        for _ in range(2):
            transport.close()
            transport.abort()
            transport.pause_reading()
            transport.resume_reading()
            transport.write(b"lost")
            transport.writelines([b"lost"])
            transport.write_eof()
            assert transport.is_closing()
            assert not transport.is_reading()
            assert transport.get_write_buffer_size() == 0
            await protocol.lost
            await asyncio.sleep(0)
        assert protocol.calls == ["made", ("lost", None)]
        assert peer.recv(10) == b""
        peer.close()

    on_loop(main)


def test_wrong_arguments_raise_at_the_call(on_loop: Any) -> None:
    """Rule 25.5: and harm nothing."""

    async def main() -> None:
        protocol, peer = await connected()
        transport = protocol.transport
        with pytest.raises(TypeError, match="bytes-like object, not 'str'"):
            transport.write("text")
        with pytest.raises(TypeError):
            transport.writelines([b"good", "text"])
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"write\(\) after write_eof"):
            transport.write(b"late")
        with pytest.raises(RuntimeError, match=r"writelines\(\) after write_eof"):
            transport.writelines([b"late"])
        assert peer.recv(10) == b""
        transport.close()
        await protocol.lost
        peer.close()

    on_loop(main)


@pytest.mark.parametrize("callback", ["connection_made", "data_received", "eof_received"])
def test_a_protocol_that_raises_is_reported(loop: giambio.asyncio.EventLoop, callback: str) -> None:
    """Rule 25.5: to the loop's exception handler, and others go on."""
    reported: list[str] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context["message"]))

    async def main() -> None:
        class Raising(Recorder):
            pass

        def fail(self: Any, *args: Any) -> None:
            raise ZeroDivisionError(callback)

        fail.__qualname__ = callback
        other, other_peer = await connected()
        setattr(Raising, callback, fail)
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        transport, protocol = await loop.create_connection(Raising, sock=ours)
        peer.send(b"data")
        peer.shutdown(socket.SHUT_WR)
        other_peer.send(b"data")
        while len(other.data) < 4 or not reported:
            await asyncio.sleep(0)
        transport.abort()
        other.transport.abort()
        await protocol.lost
        await other.lost
        peer.close()
        other_peer.close()

    loop.run_until_complete(main())
    assert len(reported) == 1
    assert callback in reported[0]


def test_the_end_comes_once_also_where_resume_writing_ends_it(on_loop: Any) -> None:
    """Rule 25.5: `connection_lost` is called once, whatever is called before."""

    class Ending(Recorder):
        def resume_writing(self) -> None:
            self.transport.abort()

    async def main() -> None:
        protocol, peer = await connected(Ending)
        protocol.transport.write(BIG)
        protocol.transport.close()
        while not protocol.lost.done():
            try:
                peer.recv(1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert protocol.calls == ["made", "pause", ("lost", None)]
        peer.close()

    on_loop(main)


def test_system_exit_leaves_the_loop_and_its_other_connections_usable(
    loop: giambio.asyncio.EventLoop,
) -> None:
    """Rule 25.5: no event is lost."""

    class Exiting(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            raise SystemExit(3)

    async def begin() -> list[Any]:
        return [await connected(kind) for kind in (Exiting, Recorder, Exiting, Recorder)]

    pairs = loop.run_until_complete(begin())

    async def wait() -> None:
        while not all(protocol.data for protocol, _ in pairs):
            await asyncio.sleep(0)
        for protocol, peer in pairs:
            protocol.transport.abort()
            await protocol.lost
            peer.close()

    for _, peer in pairs:
        peer.send(b"data")
    waiting = loop.create_task(wait())
    for _ in range(2):
        with pytest.raises(SystemExit):
            loop.run_until_complete(waiting)
    loop.run_until_complete(waiting)
    assert [protocol.data for protocol, _ in pairs] == [b"data"] * 4


# -- the system ------------------------------------------------------------------------


def test_a_socket_closed_behind_its_back_is_an_error_of_the_connection(on_loop: Any) -> None:
    """Rule 25.6: nothing is sent to the next one with its number."""

    async def main() -> None:
        protocol, peer = await connected()
        sock = protocol.transport._sock
        number = sock.fileno()
        sock.close()
        one, two = socket.socketpair()
        assert number in (one.fileno(), two.fileno())
        protocol.transport.write(b"secret")
        await protocol.lost
        assert protocol.calls[-1][1].errno == errno.EBADF
        for end in (one, two):
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(10)
        for end in (one, two, peer):
            end.close()

    on_loop(main)


def test_a_server_outlives_a_shortage_of_descriptors(loop: giambio.asyncio.EventLoop) -> None:
    """Rule 25.6: it goes on to accept when there are some again."""
    reported: list[Any] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context))

    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.read(10))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        client = socket.socket()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = [os.open(os.devnull, os.O_RDONLY)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare[0] + 1, limits[1]))
        try:
            client.connect(server.sockets[0].getsockname())
            while not reported:
                await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            os.close(spare[0])
        assert reported[0]["exception"].errno == errno.EMFILE
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_a_forgotten_transport_warns_and_is_closed(loop: giambio.asyncio.EventLoop) -> None:
    """Rule 25.6: as asyncio's."""

    async def main() -> None:
        protocol, peer = await connected()
        protocol.transport.pause_reading()  # else the loop holds it
        gone = weakref.ref(protocol.transport)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del protocol
            gc.collect()
        assert "unclosed transport <StreamTransport paused" in str([one.message for one in caught])
        caught.clear()  # which holds it, by the `source` of the warning
        gc.collect()
        assert gone() is None
        assert peer.recv(10) == b""
        peer.close()

    loop.run_until_complete(main())
