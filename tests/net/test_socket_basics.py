"""`AsyncSocket` when nothing goes wrong, over IPv4, IPv6 and Unix sockets."""

from __future__ import annotations

import array
import contextlib
import os
import pathlib
import socket
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.net import (
    FAMILIES,
    KINDS,
    LOOPBACK,
    connected,
    fill_wrapped,
    half_wrapped,
    listening,
    receive_exactly,
    receive_to_the_end,
    turns,
    wrapped,
)

Run = Callable[..., Any]
MIB = 1 << 20


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of connection; a test that uses it runs once for each."""
    name: str = request.param
    return name


# -- connecting and accepting ------------------------------------------------------------


@pytest.mark.parametrize("kind_of_ip", ["IPv4", "IPv6"])
@pytest.mark.parametrize("form", ["pair", "string"])
def test_connect_and_accept_over_tcp(run: Run, kind_of_ip: str, form: str) -> None:
    family = FAMILIES[kind_of_ip]

    async def main() -> None:
        with listening(family) as listener, giambio.wrap_socket(socket.socket(family)) as client:
            address = listener.getsockname()
            if form == "string":
                host = LOOPBACK[family]
                address = f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
            async with giambio.TaskManager() as manager:
                accepting = await manager.spawn(listener.accept())
                await turns()
                assert await client.connect(address) is None
            connection, peer = accepting.result()
            with connection:
                assert peer == client.getsockname() == connection.getpeername()
                assert client.getpeername() == connection.getsockname() == listener.getsockname()
                assert connection.family == family
                await client.send_all(b"hello")
                assert await connection.receive(100) == b"hello"

    run(main)


def test_connect_and_accept_over_a_unix_socket(run: Run, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"

    async def main() -> None:
        with (
            giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as listener,
            giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as client,
        ):
            listener.bind(path)
            listener.listen()
            await client.connect(path)
            connection, _ = await listener.accept()
            with connection:
                assert client.getpeername() == str(path)
                await connection.send_all(b"hello")
                assert await client.receive(100) == b"hello"

    run(main)


def test_connect_to_a_unix_socket_waits_for_a_place_in_a_full_backlog(
    run: Run, tmp_path: pathlib.Path
) -> None:
    path = str(tmp_path / "socket")
    clients = 8

    async def connect() -> bytes:
        with giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as client:
            await client.connect(path)
            return await client.receive(100)

    async def main() -> None:
        with giambio.wrap_socket(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(path)
            listener.listen(1)
            async with giambio.TaskManager() as manager:
                tasks = [await manager.spawn(connect) for _ in range(clients)]
                await giambio.sleep(0.03)  # the subject: they are refused a few times
                for _ in range(clients):
                    connection, _ = await listener.accept()
                    with connection:
                        await connection.send_all(b"welcome")
            assert [task.result() for task in tasks] == [b"welcome"] * clients

    run(main)


def test_one_listener_hands_out_all_connections_of_one_event(run: Run) -> None:
    async def main() -> None:
        with listening() as listener:
            async with giambio.TaskManager() as manager:
                waiting = await manager.spawn(listener.accept())
                await turns()
                clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
                connections = [(await waiting)[0]]
                connections += [(await listener.accept())[0] for _ in clients[1:]]
            names = [connection.getpeername() for connection in connections]
            assert names == [client.getsockname() for client in clients]
            for sock in [*clients, *connections]:
                sock.close()

    run(main)


def test_a_listener_that_listened_before_it_was_wrapped(run: Run) -> None:
    async def main() -> None:
        with giambio.wrap_socket(socket.create_server(("127.0.0.1", 0))) as listener:
            client = socket.create_connection(listener.getsockname())
            connection, address = await listener.accept()
            assert address == client.getsockname()
            client.close()
            connection.close()

    run(main)


# -- bytes through -----------------------------------------------------------------------


def test_bytes_go_both_ways_at_once(run: Run, kind: str) -> None:
    payload = bytes(range(256)) * 4096

    async def main() -> None:
        left, right = wrapped(kind)
        with left, right:
            async with giambio.TaskManager() as manager:
                manager.start_soon(left.send_all, payload)
                manager.start_soon(right.send_all, payload[::-1])
                at_right = await manager.spawn(receive_exactly, right, len(payload))
                at_left = await manager.spawn(receive_exactly, left, len(payload))
            assert at_right.result() == payload
            assert at_left.result() == payload[::-1]

    run(main)


def test_receive_returns_what_has_come_and_no_more_than_asked(run: Run, kind: str) -> None:
    async def main() -> None:
        left, right = wrapped(kind)
        with left, right:
            await left.send_all(b"hello world")
            assert await right.receive(5) == b"hello"
            assert await right.receive(1) == b" "
            assert await right.receive() == b"world"

    run(main)


def test_the_end_of_the_stream_is_empty_again_and_again(run: Run, kind: str) -> None:
    async def main() -> None:
        left, right = wrapped(kind)
        with left, right:
            await left.send_all(b"last")
            await left.close()
            assert await right.receive(100) == b"last"
            assert [await right.receive(100) for _ in range(3)] == [b""] * 3
            assert await right.receive_into(bytearray(10)) == 0

    run(main)


def test_a_receive_that_waits_gets_what_comes(run: Run, kind: str) -> None:
    async def main() -> None:
        left, right = wrapped(kind)
        with left, right:
            async with giambio.TaskManager() as manager:
                for number in range(10):
                    task = await manager.spawn(right.receive(100))
                    await turns()
                    assert not task.done()
                    await left.send_all(b"%d" % number)
                    assert await task == b"%d" % number

    run(main)


@pytest.mark.parametrize(
    "make",
    [lambda: bytearray(10), lambda: array.array("B", bytes(10)), lambda: memoryview(bytearray(10))],
    ids=["bytearray", "array", "memoryview"],
)
def test_receive_into_fills_any_writable_buffer(run: Run, make: Callable[[], Any]) -> None:
    async def main() -> None:
        left, right = wrapped()
        buffer = make()
        with left, right:
            await left.send_all(b"hello")
            assert await right.receive_into(buffer) == 5
            assert bytes(buffer)[:6] == b"hello\0"
            await left.send_all(b"0123456789+")
            assert await right.receive_into(memoryview(buffer)) == 10
            assert bytes(buffer) == b"0123456789"
            assert await right.receive_into(memoryview(buffer)[3:]) == 1
            assert bytes(buffer) == b"012+456789"

    run(main)


def test_receive_into_counts_bytes_not_items(run: Run) -> None:
    async def main() -> None:
        left, right = wrapped()
        numbers = array.array("I", [0, 0, 0])
        with left, right:
            await left.send_all(array.array("I", [1, 2]))
            assert await right.receive_into(numbers) == 2 * numbers.itemsize
            assert list(numbers) == [1, 2, 0]

    run(main)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        bytearray(b"hello"),
        memoryview(b"hello"),
        memoryview(b"-hello-")[1:-1],
        array.array("B", b"hello"),
        array.array("I", [1, 2, 3]),
        memoryview(bytes(range(6))).cast("B", (2, 3)),
        b"",
        bytearray(),
        array.array("I"),
    ],
    ids=lambda data: f"{type(data).__name__}-{len(data)}",
)
def test_any_bytes_like_object_can_be_sent(run: Run, data: Any) -> None:
    plain = memoryview(data).tobytes()

    async def main() -> None:
        left, right = wrapped()
        with left, right:
            assert await left.send_all(data) is None
            assert await left.send(data) == len(plain)
            await left.send_eof()
            assert await receive_to_the_end(right) == plain * 2

    run(main)


def test_send_takes_what_there_is_room_for(run: Run, kind: str) -> None:
    async def main() -> None:
        left, theirs = half_wrapped(kind)
        with left, theirs:
            data = bytes(range(256)) * (64 * MIB // 256)
            count = await left.send(data)
            assert 0 < count < len(data)
            parts = bytearray()
            while len(parts) < count:
                parts += theirs.recv(count - len(parts))
            assert parts == data[:count]

    run(main)


def test_a_send_that_waits_goes_on_when_there_is_room(run: Run, kind: str) -> None:
    async def main() -> None:
        left, right = wrapped(kind)
        with left, right:
            total = await fill_wrapped(left)
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(left.send(b"more"))
                await turns()
                assert not task.done()
                await receive_exactly(right, total)
                assert await task == 4
            assert await right.receive(100) == b"more"

    run(main)


@pytest.mark.parametrize("type_of_data", [bytes, bytearray, memoryview])
def test_send_all_of_64_mib_to_a_slow_reader_arrives_whole(
    run: Run, kind: str, type_of_data: Callable[[bytes], Any]
) -> None:
    """Rule 15.6: readiness is a hint: every operation tries, and loops to EAGAIN."""
    size = 64 * MIB
    pattern = bytes(range(251)) * 4177  # no power of two, so that a shift by one chunk shows
    payload = (pattern * (size // len(pattern) + 1))[:size]
    received: list[bool] = []

    def read_slowly(sock: socket.socket) -> None:
        offset = 0
        while part := sock.recv(700_001):
            received.append(part == payload[offset : offset + len(part)])
            offset += len(part)
        received.append(offset == size)

    async def main() -> None:
        ours, theirs = half_wrapped(kind)
        thread = threading.Thread(target=read_slowly, args=[theirs])
        with ours, theirs:
            thread.start()
            await ours.send_all(type_of_data(payload))
            await ours.send_eof()
            thread.join()

    run(main)
    assert received
    assert all(received)


@pytest.mark.parametrize("type_of_data", [bytes, bytearray, memoryview])
def test_send_all_does_not_copy_what_it_sends(
    run: Run, type_of_data: Callable[[bytes], Any]
) -> None:
    size = 32 * MIB

    async def main() -> int:
        ours, theirs = half_wrapped()
        data = type_of_data(bytes(size))
        into = bytearray(MIB)
        done = threading.Event()

        def read() -> None:
            while theirs.recv_into(into):
                pass
            done.set()

        thread = threading.Thread(target=read)
        with ours, theirs:
            thread.start()
            tracemalloc.start()
            try:
                await ours.send_all(data)
                peak: int = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            await ours.send_eof()
            thread.join()
        assert done.is_set()
        return peak

    assert run(main) < MIB


def test_receive_does_not_allocate_what_did_not_come(run: Run) -> None:
    async def main() -> int:
        left, right = wrapped()
        with left, right:
            await left.send_all(b"x")
            await right.receive(262144)
            await left.send_all(b"x" * 10)
            tracemalloc.start()
            try:
                data = await right.receive(262144)
                current: int = tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()
            assert data == b"x" * 10
            return current

    assert run(main) < 16384


@pytest.mark.parametrize("max_size", [262144, 262145, 10**6, 10**30])
def test_receive_of_more_than_the_loops_buffer_loses_nothing(run: Run, max_size: int) -> None:
    """Rule 15.8: a short read clears readiness only after clamping to the buffer."""
    payload = bytes(range(256)) * 8192

    async def main() -> None:
        left, right = wrapped()
        with left, right:
            async with giambio.TaskManager() as manager:
                manager.start_soon(left.send_all, payload)
                data = bytearray()
                while len(data) < len(payload):
                    part = await right.receive(max_size)
                    assert 0 < len(part) <= 262144
                    data += part
            assert data == payload

    run(main)


def test_send_eof_ends_one_direction_and_may_come_twice(run: Run, kind: str) -> None:
    async def main() -> None:
        left, right = wrapped(kind)
        with left, right:
            await left.send_eof()
            await left.send_eof()
            assert await right.receive(10) == b""
            await right.send_all(b"still here")
            assert await left.receive(100) == b"still here"
            with pytest.raises(giambio.BrokenResourceError, match="the connection broke"):
                await left.send_all(b"after the end")

    run(main)


# -- closing -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "aclose", "with", "async with", "aclosing"])
def test_every_way_of_closing_releases_the_descriptor(run: Run, how: str) -> None:
    async def main() -> None:
        sock, peer = half_wrapped()
        with peer:
            if how == "close":
                sock.close()
            elif how == "aclose":
                await sock.aclose()
            elif how == "with":
                with sock as inside:
                    assert inside is sock
            elif how == "async with":
                async with sock as inside:
                    assert inside is sock
            else:
                async with contextlib.aclosing(sock):
                    pass
            assert sock.fileno() == -1
            assert peer.recv(1) == b""
            assert repr(sock) == "<giambio.AsyncSocket IPv4 closed>"
            await sock.close()
            await sock.aclose()

    run(main)


def test_close_needs_no_await(run: Run) -> None:
    """Rule 5.12: a forgotten `await` on it leaks nothing."""

    async def main() -> None:
        sock, peer = half_wrapped()
        with peer:
            sock.close()
            assert peer.recv(1) == b""

    run(main)


def test_close_in_a_cancelled_scope_closes_first_and_then_raises(run: Run) -> None:
    """Rule 5.13: `close()` always releases the descriptor first."""

    async def main() -> None:
        sock, peer = half_wrapped()
        raised = False
        with peer, giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await sock.close()
            except giambio.CancelledError:
                raised = True
                assert sock.fileno() == -1
                assert peer.recv(1) == b""
                raise
        assert raised
        assert scope.cancelled_caught

    run(main)


def test_leaving_the_block_closes_at_once_in_a_cancelled_scope(run: Run) -> None:
    """Rule 5.14: leaving a `with` block closes at once."""

    async def main() -> None:
        for enter in ("with", "async with"):
            sock, peer = half_wrapped()
            with peer, giambio.CancelScope() as scope:
                scope.cancel()
                if enter == "with":
                    with sock:
                        pass
                else:
                    async with sock:
                        pass
                assert sock.fileno() == -1
                assert peer.recv(1) == b""

    run(main)


# -- names and options -----------------------------------------------------------------------


def test_names_options_and_number_are_those_of_the_socket(run: Run) -> None:
    """Rule 15.1: the plain socket stays usable."""

    async def main() -> None:
        plain, peer = connected()
        with giambio.wrap_socket(plain) as sock, peer:
            assert sock.fileno() == plain.fileno() > 0
            assert sock.getsockname() == plain.getsockname() == peer.getpeername()
            assert sock.getpeername() == plain.getpeername() == peer.getsockname()
            assert sock.family == socket.AF_INET
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert len(sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == 8

    run(main)


@pytest.mark.parametrize("kind_of_socket", KINDS)
def test_repr_names_the_family(loop: giambio.EventLoop, kind_of_socket: str) -> None:
    family = FAMILIES.get(kind_of_socket, socket.AF_UNIX)
    with loop.wrap_socket(socket.socket(family)) as sock:
        assert repr(sock) == f"<giambio.AsyncSocket {kind_of_socket} stream>"


def test_wrapping_makes_the_socket_non_blocking(loop: giambio.EventLoop) -> None:
    """Rule 15.1: the socket becomes non-blocking."""
    plain = socket.socket()
    with loop.wrap_socket(plain):
        assert not plain.getblocking()


def test_an_accepted_connection_does_not_block_and_is_not_inherited(run: Run) -> None:
    async def main() -> None:
        with listening() as listener, socket.create_connection(listener.getsockname()) as client:
            connection, _ = await listener.accept()
            with connection:
                assert not os.get_inheritable(connection.fileno())
                assert not os.get_blocking(connection.fileno())
                client.sendall(b"x")
                assert await connection.receive(1) == b"x"

    run(main)


def test_much_then_little_then_nothing_is_received(run: Run, kind: str) -> None:
    """Whatever came the last time, all of what comes is received, as it was sent."""

    async def main() -> None:
        left, right = wrapped(kind)
        sent = [os.urandom(size) for size in (100_000, 40_000, 9000, 8192, 1, 0, 70_000, 5)]
        with left, right:
            for data in sent:
                async with giambio.TaskManager() as manager:
                    manager.start_soon(left.send_all, data)
                    received = b""
                    while len(received) < len(data):
                        received += await right.receive(max(8192, len(data)))
                assert received == data
            # Much was received before each of these, and there is nothing: then it waits.
            for end in (False, True):
                await left.send_all(bytes(9000))
                received = b""
                while len(received) < 9000:
                    received += await right.receive(9000)
                with giambio.move_on_after(0.001) as scope:
                    await right.receive(9000)
                assert scope.cancelled_caught
                await (left.send_eof() if end else left.send_all(b"more"))
                assert await right.receive(9000) == (b"" if end else b"more")

    run(main)


def test_a_socket_can_be_wrapped_outside_of_a_task(loop: giambio.EventLoop) -> None:
    """Rule 15.1: outside of a running task."""
    left, right = map(loop.wrap_socket, socket.socketpair())

    async def main() -> bytes:
        await left.send_all(b"hello")
        return await right.receive(100)

    with left, right:
        assert loop.start(main) == b"hello"


def test_wrap_socket_needs_a_running_loop() -> None:
    """Rule 15.1: the error names the method of a loop, which needs none."""
    with (
        socket.socket() as plain,
        pytest.raises(RuntimeError, match=r"no giambio loop runs in this .*loop\.wrap_socket\(\)"),
    ):
        giambio.wrap_socket(plain)


def test_a_closed_loop_wraps_nothing(loop: giambio.EventLoop) -> None:
    """Rule 19.3: a closed loop."""
    loop.close()
    with (
        socket.socket() as plain,
        pytest.raises(giambio.RunFinishedError, match="this loop is closed"),
    ):
        loop.wrap_socket(plain)
