"""Datagram sockets: whole datagrams, errors of the network, and many senders."""

from __future__ import annotations

import errno
import gc
import inspect
import os
import pathlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from support.kernel import ManualClock, finish
from support.net import LOOPBACK, open_descriptors, outcome, turns

Run = Callable[..., Any]
HOSTS = ["127.0.0.1", "::1"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")


def unix_pair() -> tuple[giambio.AsyncDatagramSocket, giambio.AsyncDatagramSocket]:
    """Two connected datagram sockets, which have room for only some datagrams."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return giambio.wrap_datagram_socket(left), giambio.wrap_datagram_socket(right)


def plain_unix_pair() -> tuple[giambio.AsyncDatagramSocket, socket.socket]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    right.settimeout(20)
    return giambio.wrap_datagram_socket(left), right


async def fill(sock: giambio.AsyncDatagramSocket) -> int:
    """Send until there is no room; returns how many datagrams that took."""
    count = 0
    while True:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(sock.send(bytes(1000)))
            await turns()
            task.cancel()
        if task.cancelled():
            return count
        count += 1


# -- there and back ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_datagrams_arrive_whole_with_the_address_of_the_sender(run: Run, host: str) -> None:
    """Rule 16.11: UDP, connected and not, `send_to`/`receive_from`."""
    sizes = [0, 1, 100, 1400, 9000, 60_000]

    async def main() -> None:
        async with (
            await giambio.open_udp(host=host) as server,
            await giambio.connect_udp(host, server.getsockname()[1]) as client,
        ):
            payloads = [os.urandom(size) for size in sizes]
            for payload in payloads:
                await client.send(payload)
                data, address = await server.receive_from()
                assert (data, address) == (payload, client.getsockname())
                await server.send_to(data, address)
            assert [await client.receive() for _ in sizes] == payloads
            await client.send(b"again")
            assert await server.receive() == b"again"
            await server.send_to(b"and back", client.getsockname())
            assert await client.receive_from() == (b"and back", server.getsockname())

    run(main, threads=False)


@pytest.mark.parametrize("host", HOSTS)
def test_it_talks_with_a_plain_socket_in_another_process(run: Run, host: str) -> None:
    """Rule 16.11: a plain socket in another process."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    code = f"""
import socket
sock = socket.socket({int(family)}, socket.SOCK_DGRAM)
sock.bind(({host!r}, 0))
print(sock.getsockname()[1], flush=True)
while True:
    data, address = sock.recvfrom(65536)
    sock.sendto(data.upper(), address)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        async def main() -> None:
            with giambio.fail_after(20):
                async with await giambio.open_udp(host=host) as sock:
                    for _ in range(10):
                        await sock.send_to(b"hello", (host, port))
                        data, address = await sock.receive_from()
                        assert data == b"HELLO"
                        assert address[:2] == (host, port)

        try:
            run(main)
        finally:
            process.kill()


def test_any_bytes_like_object_can_be_sent(run: Run) -> None:
    async def main() -> None:
        left, right = unix_pair()
        with left, right:
            for data in (b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
                await left.send(data)
                assert await right.receive() == b"abc"
            await left.send(memoryview(struct.pack("3i", 1, 2, 3)).cast("i"))
            assert await right.receive() == struct.pack("3i", 1, 2, 3)

    run(main)


def test_an_empty_datagram_is_one(run: Run) -> None:
    async def main() -> None:
        left, right = unix_pair()
        with left, right:
            await left.send(b"")
            await left.send(b"x")
            assert await right.receive() == b""
            assert await right.receive() == b"x"

    run(main)


def test_a_connected_socket_hears_nobody_else(run: Run) -> None:
    async def main() -> None:
        async with (
            await giambio.open_udp(host="127.0.0.1") as friend,
            await giambio.open_udp(host="127.0.0.1") as stranger,
            await giambio.connect_udp(*friend.getsockname()) as sock,
        ):
            await stranger.send_to(b"psst", sock.getsockname())
            await friend.send_to(b"hello", sock.getsockname())
            assert await sock.receive() == b"hello"

    run(main)


@pytest.mark.parametrize("host", HOSTS)
def test_a_socket_that_is_open_can_be_connected(run: Run, host: str) -> None:
    async def main() -> None:
        async with (
            await giambio.open_udp(host=host) as first,
            await giambio.open_udp(host=host) as second,
            await giambio.open_udp(host=host) as sock,
        ):
            for other in (first, second):
                await sock.connect(other.getsockname())
                assert sock.getpeername() == other.getsockname()
                await sock.send(b"hello")
                assert await other.receive_from() == (b"hello", sock.getsockname())

    run(main, threads=False)


# -- waiting ----------------------------------------------------------------------------------


def test_receiving_waits_for_a_datagram(run: Run) -> None:
    async def main() -> None:
        left, theirs = plain_unix_pair()
        with left, theirs:
            async with giambio.TaskManager() as manager:
                for call in (left.receive, left.receive_from):
                    task = await manager.spawn(call)
                    await turns()
                    assert not task.done()
                    theirs.send(b"hello")
                    await task
                    result = task.result()
                    assert result in (b"hello", (b"hello", None))

    run(main)


def test_a_short_datagram_does_not_hide_the_next(run: Run) -> None:
    """Rule 15.7: a short read clears readiness only on a TCP stream socket."""

    async def main() -> None:
        async with await giambio.open_udp(host="127.0.0.1") as sock:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
                for _ in range(3):
                    async with giambio.TaskManager() as manager:
                        task = await manager.spawn(sock.receive)
                        await turns()
                        for number in range(5):
                            theirs.sendto(b"%d" % number, sock.getsockname())
                    assert task.result() == b"0"
                    with giambio.fail_after(20):
                        assert [await sock.receive() for _ in range(4)] == [b"1", b"2", b"3", b"4"]

    run(main)


def test_sending_waits_for_room(run: Run) -> None:
    async def main() -> None:
        left, theirs = plain_unix_pair()
        with left, theirs:
            count = await fill(left)
            assert count > 3
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(left.send(b"last"))
                await turns()
                assert not task.done()
                for _ in range(count):
                    assert len(theirs.recv(5000)) == 1000
            assert theirs.recv(5000) == b"last"

    run(main)


def test_who_waits_for_room_stands_in_line(run: Run) -> None:
    """Rule 4.11: release hands over to the first waiter; nobody barges in."""

    async def main() -> None:
        left, theirs = plain_unix_pair()
        with left, theirs:
            count = await fill(left)
            async with giambio.TaskManager() as manager:
                tasks = []
                for number in range(9):
                    tasks.append(await manager.spawn(left.send(b"%d" % number)))
                    await turns()  # one after the other
                tasks[0].cancel()
                tasks[4].cancel()
                await turns()
                for _ in range(count):
                    theirs.recv(5000)
            assert [task.cancelled() for task in tasks] == [number in (0, 4) for number in range(9)]
            expected = [b"%d" % number for number in range(9) if number not in (0, 4)]
            assert [theirs.recv(5000) for _ in expected] == expected

    run(main)


def test_a_hundred_tasks_send_on_one_socket(run: Run) -> None:
    """A server answers from many tasks, and none of them gets an error."""

    async def send(sock: giambio.AsyncDatagramSocket, number: int) -> None:
        for _ in range(20):
            await sock.send(b"%d" % number)

    async def main() -> None:
        left, right = unix_pair()
        with left, right:
            async with giambio.TaskManager() as manager:
                for number in range(100):
                    manager.start_soon(send, left, number)
                received = [await right.receive() for _ in range(2000)]
            assert {received.count(b"%d" % number) for number in range(100)} == {20}

    run(main)


@linux
def test_a_full_receiver_of_an_unconnected_unix_socket_is_tried_again(
    driver: str, tmp_path: pathlib.Path
) -> None:
    """Linux does not tell when there is room; the clock does."""
    clock = ManualClock()
    loop = giambio.EventLoop(driver=driver, clock=clock)

    def bound(name: str) -> giambio.AsyncDatagramSocket:
        sock = giambio.wrap_datagram_socket(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        sock.bind(tmp_path / name)
        return sock

    async def main() -> None:
        with bound("a") as sender, bound("b") as receiver:
            address = str(tmp_path / "b")
            count = 0
            while True:
                with giambio.move_on_after(1) as scope:
                    await sender.send_to(b"%d" % count, address)
                    count += 1
                if scope.cancelled_caught:
                    break
            assert count > 3
            async with giambio.TaskManager() as manager:
                tasks = []
                for number in range(3):
                    tasks.append(await manager.spawn(sender.send_to(b"x%d" % number, address)))
                    await turns()  # one after the other
                cancelled = await manager.spawn(sender.send_to(b"never", address))
                await turns()
                cancelled.cancel()
                await giambio.sleep(5)
                assert not any(task.done() for task in tasks)
                received = [await receiver.receive_from() for _ in range(count + 3)]
            assert {source for _, source in received} == {str(tmp_path / "a")}
            expected = [*(b"%d" % n for n in range(count)), b"x0", b"x1", b"x2"]
            assert [data for data, _ in received] == expected

    finish(loop, loop.begin(main))
    loop.close()


def test_a_busy_socket_lets_others_run(run: Run) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    async def spin(left: Any, right: Any) -> None:
        while True:
            await left.send(b"x")
            await right.receive()

    async def main() -> None:
        left, right = unix_pair()
        with left, right:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(spin, left, right)
                await turns(10)
                task.cancel()

    run(main)


# -- errors of the network --------------------------------------------------------------------


def nobody() -> tuple[str, int]:
    """An address that nobody receives at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address: tuple[str, int] = sock.getsockname()
        return address


@linux
@pytest.mark.parametrize("how", ["receive", "receive_from", "send"])
def test_a_refusal_is_told_once_and_the_socket_goes_on(run: Run, how: str) -> None:
    """Rule 16.12: ICMP errors surface."""

    async def main() -> None:
        async with await giambio.connect_udp(*nobody()) as sock:
            for _ in range(2):
                await sock.send(b"anybody?")
                call = sock.send(b"x") if how == "send" else getattr(sock, how)()
                with pytest.raises(ConnectionRefusedError) as caught:
                    await call
                assert type(caught.value) is ConnectionRefusedError
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
                theirs.bind(sock.getpeername())
                await sock.send(b"hello")
                assert theirs.recv(100) == b"hello"
                theirs.sendto(b"hello to you", sock.getsockname())
                assert await sock.receive() == b"hello to you"

    run(main)


@linux
def test_a_refusal_wakes_who_waits(run: Run) -> None:
    async def main() -> None:
        async with await giambio.connect_udp(*nobody()) as sock:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(outcome, sock.receive)
                await turns()
                assert not task.done()
                await sock.send(b"anybody?")
            assert isinstance(task.result(), ConnectionRefusedError)

    run(main)


def test_without_a_connection_nobody_is_told_of_a_refusal(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_udp(host="127.0.0.1") as sock:
            for _ in range(3):
                await sock.send_to(b"anybody?", nobody())
            await sock.send_to(b"to myself", sock.getsockname())
            assert await sock.receive() == b"to myself"

    run(main)


@pytest.mark.parametrize("how", ["receive", "receive_from"])
def test_a_datagram_that_is_longer_than_the_room_for_it_is_an_error(run: Run, how: str) -> None:
    """Rule 16.11: the system would cut it off and say nothing."""

    async def main() -> None:
        async with await giambio.open_udp(host="127.0.0.1") as sock:
            await sock.send_to(b"12345", sock.getsockname())
            await sock.send_to(b"1234", sock.getsockname())
            with pytest.raises(OSError, match="a datagram had more than max_size=4") as caught:
                await getattr(sock, how)(4)
            assert caught.value.errno == errno.EMSGSIZE
            assert await sock.receive(4) == b"1234"

    run(main)


@pytest.mark.parametrize("how", ["send", "send_to"])
def test_a_datagram_that_is_too_long_to_send_is_an_error(run: Run, how: str) -> None:
    async def main() -> None:
        async with (
            await giambio.open_udp(host="127.0.0.1") as server,
            await giambio.connect_udp(*server.getsockname()) as sock,
        ):
            call = sock.send if how == "send" else lambda data: sock.send_to(data, ("127.0.0.1", 9))
            for _ in range(2):
                with pytest.raises(OSError, match="Message too long") as caught:
                    await call(bytes(70_000))
                assert caught.value.errno == errno.EMSGSIZE
            await sock.send(b"short")
            assert await server.receive() == b"short"

    run(main)


def test_sending_without_an_address_is_an_error(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_udp(host="127.0.0.1") as sock:
            with pytest.raises(OSError, match="Destination address required"):
                await sock.send(b"to whom?")

    run(main)


# -- closing and cancelling -------------------------------------------------------------------


def test_cancelled_nothing_was_received(run: Run) -> None:
    """Rule 5.5: a cancelled receive did not happen."""

    async def main() -> None:
        left, right = unix_pair()
        with left, right:
            for moment in range(6):
                async with giambio.TaskManager() as manager:
                    task = await manager.spawn(right.receive)
                    await turns(moment)
                    await left.send(b"hello")
                    task.cancel()
                received = await right.receive() if task.cancelled() else task.result()
                assert received == b"hello"

    run(main)


def test_cancelled_nothing_was_sent_and_the_next_in_line_has_its_turn(run: Run) -> None:
    """Rule 5.6: a cancelled operation leaks nothing."""

    async def main() -> None:
        left, theirs = plain_unix_pair()
        with left, theirs:
            count = await fill(left)
            async with giambio.TaskManager() as manager:
                first = await manager.spawn(left.send(b"first"))
                await turns()
                second = await manager.spawn(left.send(b"second"))
                await turns()
                for _ in range(count):
                    theirs.recv(5000)
                first.cancel()  # in the same turn as there is room again
            assert first.cancelled()
            assert second.done()
            assert theirs.recv(5000) == b"second"

    run(main)


def test_closing_wakes_all_who_wait(run: Run) -> None:
    """Rule 15.17: closing wakes the tasks that wait."""

    async def main() -> None:
        left, theirs = plain_unix_pair()
        with theirs:
            await fill(left)
            async with giambio.TaskManager() as manager:
                tasks = [manager.start_soon(outcome, left.send, b"x") for _ in range(5)]
                tasks.append(manager.start_soon(outcome, left.receive))
                await turns()
                left.close()
            assert [type(task.result()) for task in tasks] == [giambio.ClosedResourceError] * 6

    run(main)


@pytest.mark.parametrize(
    "use",
    [
        lambda sock: sock.receive(),
        lambda sock: sock.receive_from(),
        lambda sock: sock.send(b"x"),
        lambda sock: sock.send_to(b"x", "127.0.0.1:9"),
        lambda sock: sock.connect("127.0.0.1:9"),
    ],
    ids=["receive", "receive_from", "send", "send_to", "connect"],
)
def test_a_closed_socket_can_do_nothing(run: Run, use: Callable[[Any], Any]) -> None:
    """Rule 15.17: a closed socket."""

    async def main() -> None:
        sock = await giambio.open_udp()
        sock.close()
        sock.close()
        assert repr(sock) == "<giambio.AsyncDatagramSocket IPv4 closed>"
        with pytest.raises(giambio.ClosedResourceError):
            await use(sock)

    run(main)


def test_two_cannot_receive_at_once(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_udp() as sock, giambio.TaskManager() as manager:
            task = await manager.spawn(sock.receive)
            await turns()
            for call in (sock.receive, sock.receive_from):
                with pytest.raises(giambio.BusyResourceError, match="another task is receiving"):
                    await call()
            task.cancel()

    run(main)


def test_a_dropped_socket_is_closed_and_says_where_it_was_made(run: Run) -> None:
    """Rule 15.13: a dropped socket is closed and warned about once."""

    async def main() -> None:
        before = open_descriptors()
        with pytest.warns(ResourceWarning, match=r"datagram at \S+> made at .*test_udp\.py:"):
            await giambio.open_udp()
            gc.collect()
        assert open_descriptors() == before

    run(main)


def test_operations_that_are_never_awaited_warn(run: Run) -> None:
    """Rule 3.13: warns like a coroutine does."""

    async def main() -> None:
        async with await giambio.open_udp() as sock:
            for name, args in (
                ("send", (b"x",)),
                ("send_to", (b"x", "127.0.0.1:9")),
                ("receive", ()),
                ("receive_from", ()),
            ):
                message = rf"AsyncDatagramSocket\.{name}\(\) was never awaited"
                with pytest.warns(RuntimeWarning, match=message):
                    getattr(sock, name)(*args)

    run(main)


# -- making them ------------------------------------------------------------------------------


def test_any_free_port_or_a_certain_one(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_udp() as first:
            host, port = first.getsockname()
            assert host == "0.0.0.0"
            assert port > 0
            with pytest.raises(OSError, match=rf"Address already in use: \('0.0.0.0', {port}\)"):
                await giambio.open_udp(port)
        async with await giambio.open_udp(port) as second:
            assert second.getsockname()[1] == port

    run(main, threads=False)


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="not here")
def test_a_port_can_be_shared(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_udp(reuse_port=True) as first:
            port = first.getsockname()[1]
            async with await giambio.open_udp(port, reuse_port=True):
                pass

    run(main)


def test_where_to_send_from_can_be_chosen(run: Run) -> None:
    async def main() -> None:
        port = nobody()[1]
        local = ("127.0.0.1", port)
        async with await giambio.connect_udp("127.0.0.1", 9, local_address=local) as sock:
            assert sock.getsockname() == local
        with pytest.raises(OSError, match="assign requested address"):
            await giambio.connect_udp("127.0.0.1", 9, local_address="192.0.2.99")

    run(main)


def test_of_several_addresses_the_first_with_a_way_to_it_is_taken(run: Run) -> None:
    class Host(giambio.Resolver):
        async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:  # type: ignore[override]
            kind = socket.SOCK_DGRAM
            return [
                (socket.AF_INET, kind, 17, "", ("255.255.255.255", port)),
                (socket.AF_INET, kind, 17, "", (self.second, port)),
            ]

        second = "127.0.0.1"

    async def main() -> None:
        host = Host()
        giambio.set_resolver(host)
        async with await giambio.connect_udp("host", 9) as sock:
            assert sock.getpeername() == ("127.0.0.1", 9)
        host.second = "127.255.255.255"
        before = open_descriptors()
        with pytest.raises(OSError) as caught:
            await giambio.connect_udp("host", 9)
        assert isinstance(caught.value.__cause__, ExceptionGroup)
        assert open_descriptors() == before

    run(main)


def test_options_reach_the_system(run: Run) -> None:
    """Rule 16.13: multicast and broadcast through setsockopt."""

    async def main() -> None:
        async with await giambio.open_udp() as sock:
            with pytest.raises(PermissionError):
                await sock.send_to(b"x", ("127.255.255.255", 9))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            await sock.send_to(b"x", ("127.255.255.255", 9))

    run(main)


@linux
def test_multicast_arrives_at_all_who_have_joined(run: Run) -> None:
    """Rule 16.13: multicast through setsockopt."""
    group = "239.1.2.3"

    async def main() -> None:
        membership = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        async with (
            await giambio.open_udp(reuse_port=True) as first,
            await giambio.open_udp(host="127.0.0.1") as sender,
        ):
            first.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            interface = socket.inet_aton("127.0.0.1")
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            await sender.send_to(b"to all", (group, first.getsockname()[1]))
            with giambio.fail_after(20):
                assert await first.receive_from() == (b"to all", sender.getsockname())

    run(main)


def test_a_plain_socket_closed_behind_our_back_never_reaches_another(run: Run) -> None:
    """Rule 15.5: readiness belongs to the socket object, never to the number."""

    async def main() -> None:
        plain, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with peer, giambio.wrap_datagram_socket(plain) as ours:
            plain.close()
            left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            with left, right:
                right.send(b"not for you")
                left.send(b"not for you")
                for call in (ours.receive, ours.receive_from, lambda: ours.send(b"x")):
                    with pytest.raises(OSError, match=r"closed|Bad file descriptor"):
                        await call()

    run(main)


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        (
            "example.com:80",
            ValueError,
            r"numeric address for IPv4; giambio\.getaddrinfo",
        ),
        (("example.com", 80), ValueError, r"send_to\(\) needs a numeric address for IPv4"),
        (("::1", 80), ValueError, r"needs a numeric address for IPv4"),
        ("127.0.0.1", ValueError, "it has no port"),
        (("127.0.0.1", "80"), TypeError, "the port must be a whole number"),
        (("127.0.0.1", 99999), ValueError, "a number from 0 to 65535"),
        (None, TypeError, "bad address None"),
        (b"127.0.0.1:80", TypeError, "bad address"),
    ],
)
def test_a_bad_address_says_what_is_wrong(
    run: Run, address: Any, error: type[Exception], message: str
) -> None:
    """Rules 15.2, 19.1: the error names the mistake."""

    async def main() -> None:
        async with await giambio.open_udp() as sock:
            for _ in range(2):
                with pytest.raises(error, match=message):
                    sock.send_to(b"x", address)

    run(main)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "localhost:9", ["127.0.0.1", 9]])
def test_addresses_can_be_written_in_many_ways(run: Run, address: Any) -> None:
    async def main() -> None:
        async with await giambio.open_udp() as sock:
            await sock.send_to(b"x", address)
            await sock.connect(address)
            assert sock.getpeername() == ("127.0.0.1", 9)

    run(main)


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [(0, ValueError, "from 1 up"), ("9", TypeError, "a whole number"), (1.0, TypeError, "whole")],
)
def test_a_bad_size_says_what_is_wrong(
    run: Run, size: Any, error: type[Exception], message: str
) -> None:
    async def main() -> None:
        async with await giambio.open_udp() as sock:
            for call in (sock.receive, sock.receive_from):
                with pytest.raises(error, match=message):
                    call(size)

    run(main)


def test_only_datagram_sockets_can_be_wrapped(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as stream:
            with pytest.raises(TypeError, match=r"a datagram socket, .*wrap_socket\(\) is for"):
                giambio.wrap_datagram_socket(stream)
            assert stream.timeout is None
        plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with giambio.wrap_datagram_socket(plain):
            with pytest.raises(ValueError, match="use the AsyncDatagramSocket that you got"):
                giambio.wrap_datagram_socket(plain)
            with pytest.raises(ValueError, match="use the AsyncSocket that you got"):
                giambio.wrap_socket(plain)

    run(main)


def test_sockets_of_another_loop_are_an_error(run: Run) -> None:
    """Rule 19.5: a socket of another loop."""
    other = giambio.EventLoop()
    sock = other.start(giambio.open_udp)

    async def main() -> None:
        for use in (sock.receive, lambda: sock.send_to(b"x", "127.0.0.1:9")):
            with pytest.raises(RuntimeError, match="belongs to another loop"):
                await use()

    with sock:
        run(main)
    other.close()


def test_ipv6_has_its_own_addresses(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_udp(host="::") as six:
            port = six.getsockname()[1]
            async with await giambio.open_udp(port) as four:  # the same port, for IPv4 only
                await six.send_to(b"six", (LOOPBACK[socket.AF_INET6], port))
                await four.send_to(b"four", (LOOPBACK[socket.AF_INET], port))
                data, address = await six.receive_from()
                assert data == b"six"
                assert len(address) == 4
                assert await four.receive() == b"four"
            await six.send_to(b"scope", ("::1", port, 0, 0))
            assert await six.receive() == b"scope"

    run(main)


def test_signatures_can_be_seen() -> None:
    assert str(inspect.signature(giambio.AsyncDatagramSocket.receive_from)).startswith(
        "(self, max_size"
    )
