"""The datagram transport: random programs as on asyncio's own, misuse, and full queues."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import giambio.asyncio
from giambio.asyncio.transports.datagram_transport import DatagramTransport
from support.stateful import EXAMPLES

#: So many turns come between two steps: more than anything here takes.
TURNS = 12
#: A queue of Unix datagrams takes fewer.
MANY = 40
#: Some versions of asyncio count bytes that are never subtracted, so protocols stay paused.
COUNTS_RIGHT = sys.version_info < (3, 12)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

STEPS = st.lists(
    st.one_of(
        st.sampled_from(["send", "send_many", "peer_send", "peer_send", "peer_drain"]),
        st.sampled_from(["send_view", "low_limits", "new_protocol", "send_nonsense"]),
        st.sampled_from(["close", "abort", "peer_close", "send_elsewhere"]),
    ),
    max_size=20,
)
REACTIONS = st.dictionaries(
    st.sampled_from(["connection_made", "data", "error", "pause_writing", "resume_writing"]),
    st.sampled_from(["raise", "close", "abort", "send", "exit"]),
    max_size=2,
)


class Recorder(asyncio.DatagramProtocol):
    """Writes down each call of the transport, and may do something then."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def note(self, what: str, *details: Any) -> None:
        self.program.log.append((what, *details))
        reaction = self.program.reactions.pop(what, None)
        if reaction == "raise":
            raise ZeroDivisionError(what)
        if reaction == "exit":
            raise SystemExit(what)
        if reaction is not None:
            self.program.do(reaction)

    def connection_made(self, transport: Any) -> None:
        self.program.transport = transport
        self.note("connection_made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert type(data) is bytes
        self.note("data", data, addr == self.program.peer_name)

    def error_received(self, exc: OSError) -> None:
        self.note("error", type(exc))

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.note("connection_lost", type(exc))


class Program:
    """One run of a random program."""

    def __init__(self, loop: Any, pair: Any, reactions: dict[str, str]) -> None:
        self.loop = loop
        self.reactions = dict(reactions)
        self.log: list[Any] = []
        self.got: list[bytes] = []
        self.sent = 0
        self.transport: Any = None
        ours, self.peer, self.to = pair()
        self.peer_name = self.peer.getsockname()
        for sock in (ours, self.peer):
            sock.setblocking(False)
        loop.set_exception_handler(self.note_error)
        self.begun = loop.create_task(
            loop.create_datagram_endpoint(lambda: Recorder(self), sock=ours)
        )
        self.settle()

    def note_error(self, loop: Any, context: dict[str, Any]) -> None:
        self.log.append(("reported", type(context.get("exception"))))

    def settle(self) -> None:
        for _ in range(TURNS):
            self.loop.call_soon(self.loop.stop)
            try:
                self.loop.run_forever()
            except SystemExit as exc:
                self.log.append(("exit", str(exc)))

    def step(self, what: str) -> None:
        try:
            self.do(what)
        except (Exception, SystemExit) as exc:
            self.log.append((what, type(exc)))
        self.settle()
        closing = self.transport.is_closing()
        # After abort(), asyncio's own still counts what it has dropped.
        waiting = COUNTS_RIGHT and not closing and self.transport.get_write_buffer_size() > 0
        self.log.append((what, closing, waiting))

    def do(self, what: str) -> None:
        transport = self.transport
        if what.startswith("peer_"):
            if self.peer.fileno() >= 0:
                getattr(self, what)()
        elif what.startswith(("send", "low")) and transport.is_closing():
            pass  # asyncio's own still sends without an address, and counts what it has dropped
        elif what == "send":
            transport.sendto(self.content(), self.to)
        elif what == "send_many":
            for _ in range(MANY):
                transport.sendto(self.content(), self.to)
        elif what == "send_view":
            data = bytearray(self.content())
            transport.sendto(memoryview(data), self.to)
            data[:] = bytes(len(data))
        elif what == "send_nonsense":
            transport.sendto("text", self.to)
        elif what == "send_elsewhere":
            transport.sendto(b"x", ("127.0.0.1", 1) if isinstance(self.to, tuple) else self.to)
        elif what == "low_limits":
            if COUNTS_RIGHT:
                transport.set_write_buffer_limits(high=20)
        elif what == "new_protocol":
            transport.set_protocol(Recorder(self))
        else:
            getattr(transport, what)()

    def content(self) -> bytes:
        """Bytes that are not the same twice."""
        self.sent += 1
        return b"%d" % self.sent

    def peer_send(self) -> None:
        try:
            self.peer.sendto(self.content(), self.name)
        except OSError as exc:
            self.log.append(("peer", type(exc)))

    @property
    def name(self) -> Any:
        return self.transport.get_extra_info("sockname")

    def peer_close(self) -> None:
        self.peer.close()

    def peer_drain(self) -> None:
        """Receive all that comes."""
        while True:
            try:
                self.got.append(self.peer.recv(1 << 16))
            except BlockingIOError:
                self.settle()
                try:
                    self.got.append(self.peer.recv(1 << 16))
                except BlockingIOError:
                    return

    def end(self) -> Any:
        """Close both ends; return the log, and what the peer has received."""
        self.transport.close()
        self.settle()
        if self.peer.fileno() >= 0:
            self.peer_drain()
            self.peer.close()
        self.settle()
        if not any(what[0] == "connection_lost" for what in self.log):
            self.transport.abort()
            self.settle()
        if not self.begun.done():
            self.begun.cancel()
            self.settle()
        return self.log, self.got


def udp_pair() -> tuple[socket.socket, socket.socket, Any]:
    """Two sockets, and the address of the second."""
    one, two = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    one.bind(("127.0.0.1", 0))
    two.bind(("127.0.0.1", 0))
    return one, two, two.getsockname()


def connected_udp_pair() -> tuple[socket.socket, socket.socket, Any]:
    """Two sockets, the first connected to the second."""
    one, two, name = udp_pair()
    one.connect(name)
    return one, two, None


def outcome(loop: Any, steps: list[str], *options: Any) -> Any:
    """Run a program on a loop, and close that."""
    program = Program(loop, *options)
    try:
        for what in steps:
            program.step(what)
        return program.end()
    finally:
        program.peer.close()
        loop.close()


@pytest.fixture
def unix_pair(tmp_path: Path) -> Callable[[], Any]:
    """Makes two Unix sockets, the first connected to the second, whose queue is short."""

    def make() -> tuple[socket.socket, socket.socket, Any]:
        one, two = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
        for name, sock in (("one", one), ("two", two)):
            (tmp_path / name).unlink(missing_ok=True)
            sock.bind(str(tmp_path / name))
        one.connect(str(tmp_path / "two"))
        return one, two, None

    return make


@pytest.mark.parametrize("kind", ["udp", "connected udp", "unix"])
def test_the_same_program_does_the_same_as_on_asyncio(
    driver: str, kind: str, unix_pair: Callable[[], Any]
) -> None:
    """Rules 25.9, 25.10: the same datagrams, and the same calls of the protocol in order."""
    pair = {"udp": udp_pair, "connected udp": connected_udp_pair, "unix": unix_pair}[kind]

    @settings(
        max_examples=max(1, EXAMPLES // 4),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS, REACTIONS)
    def same(steps: list[str], reactions: dict[str, str]) -> None:
        theirs = outcome(asyncio.SelectorEventLoop(), steps, pair, reactions)
        ours = outcome(giambio.asyncio.EventLoop(driver=driver), steps, pair, reactions)
        assert ours == theirs

    same()


# -- beyond what asyncio does ------------------------------------------------------------


class Receiving(asyncio.DatagramProtocol):
    """Keeps what it receives, and the context in which it does."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.errors: list[OSError] = []
        self.seen: list[str] = []
        self.lost = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.append(data)
        self.seen.append(variable.get())

    def error_received(self, exc: Exception) -> None:
        assert isinstance(exc, OSError)
        self.errors.append(exc)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.set_result(exc)


@pytest.fixture
def on_loop(driver: str) -> Iterator[Callable[..., Any]]:
    loop = giambio.asyncio.EventLoop(driver=driver)
    yield lambda main: loop.run_until_complete(main())
    loop.close()


async def endpoint(sock: socket.socket) -> tuple[Any, Receiving]:
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Receiving, sock=sock)
    assert type(transport) is DatagramTransport
    return transport, protocol


def test_it_is_a_datagram_transport_to_isinstance(on_loop: Any) -> None:
    """Rules 25.2, 25.9: libraries ask; and the context is that of who has made it."""

    async def main() -> None:
        variable.set("mine")
        one, two, name = udp_pair()
        transport, protocol = await endpoint(one)
        variable.set("later")
        assert isinstance(transport, asyncio.DatagramTransport)
        assert repr(transport).startswith("<DatagramTransport reading fd=")
        two.sendto(b"", transport.get_extra_info("sockname"))
        two.sendto(b"x", transport.get_extra_info("sockname"))
        while len(protocol.got) < 2:
            await asyncio.sleep(0)
        assert (protocol.got, protocol.seen) == ([b"", b"x"], ["mine", "mine"])
        transport.sendto(b"", name)
        assert two.recv(10) == b""
        transport.close()
        transport.close()
        await protocol.lost
        await asyncio.sleep(0)
        assert "closed" in repr(transport)
        transport.sendto(b"x", name)
        transport.abort()
        two.close()

    on_loop(main)


def test_reading_can_be_paused(on_loop: Any) -> None:
    """Rule 25.9: what comes meanwhile stays in the system."""

    async def main() -> None:
        one, two, _ = udp_pair()
        transport, protocol = await endpoint(one)
        transport.pause_reading()
        two.sendto(b"x", transport.get_extra_info("sockname"))
        await asyncio.sleep(0.01)
        assert not protocol.got
        transport.resume_reading()
        while not protocol.got:
            await asyncio.sleep(0)
        transport.close()
        await protocol.lost
        two.close()

    on_loop(main)


def test_all_is_sent_to_a_unix_socket_that_was_full(on_loop: Any) -> None:
    """Rule 25.9: also if it is not connected, when the system does not tell of room."""

    async def main() -> None:
        one, two = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
        with two:
            two.bind("")  # an abstract name
            two.setblocking(False)
            transport, protocol = await endpoint(one)
            for number in range(MANY):
                transport.sendto(b"%d" % number, two.getsockname())
            transport.close()
            got = []
            while len(got) < MANY:
                try:
                    got.append(int(two.recv(10)))
                except BlockingIOError:
                    await asyncio.sleep(0.001)
            assert got == list(range(MANY))
            assert await protocol.lost is None

    on_loop(main)


def test_a_socket_that_somebody_closes_ends_its_transport(on_loop: Any) -> None:
    """Rule 25.10: instead of telling the protocol for ever."""

    async def main() -> None:
        one, two, name = udp_pair()
        transport, protocol = await endpoint(one)
        one.close()
        transport.sendto(b"x", name)
        assert isinstance(await protocol.lost, OSError)
        assert not protocol.errors
        two.close()

    on_loop(main)


def test_only_one_address_is_taken_where_there_is_one(on_loop: Any) -> None:
    """Rule 25.5: wrong arguments raise at the call."""

    async def main() -> None:
        one, two, name = udp_pair()
        one.close()
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(Receiving, remote_addr=name)
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            transport.sendto(b"x", ("127.0.0.1", 1))
        with pytest.raises(TypeError, match="must be a bytes-like object, not 'str'"):
            transport.sendto("x")
        transport.sendto(b"x")
        assert two.recv(10) == b"x"
        transport.abort()
        await protocol.lost
        two.close()

    on_loop(main)


def test_a_forgotten_one_warns(on_loop: Any) -> None:
    """Rule 25.6: and is closed."""

    async def main() -> None:
        one, two, _ = udp_pair()
        transport, _ = await endpoint(one)
        transport.pause_reading()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del transport
            gc.collect()
        assert "unclosed transport <DatagramTransport paused" in str([w.message for w in caught])
        assert one.fileno() == -1
        two.close()

    on_loop(main)
