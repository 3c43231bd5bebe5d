"""The simulated network: links, connections, names; and what is left of it afterwards."""

from __future__ import annotations

import errno
import math
import os
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.testing import Simulation, simulate
from support.tls import Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for the tests here."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def echo(stream: giambio.AsyncSocket) -> None:
    """Send back what comes."""
    while data := await stream.receive():
        await stream.send_all(data)


async def echo_server() -> None:
    """Serve `echo` on port 7 of a host."""
    await giambio.serve_tcp(echo, 7, host=None)


async def on(
    sim: Simulation, name: str, function: Callable[..., Awaitable[Any]], *args: Any
) -> Any:
    """Run a function on a new host; return its result."""
    results = []

    async def on_host() -> None:
        results.append(await function(*args))

    await sim.host(name, on_host).join()
    return results[0]


async def asked(data: bytes, within: float = math.inf) -> bytes:
    """Return the answer of the echo server, and raise if it takes too long."""
    with giambio.fail_after(within):
        async with giambio.connect_tcp("server", 7) as stream:
            await stream.send_all(data)
            return await stream.receive()


def test_chance_and_clocks_are_the_programs_again_afterwards() -> None:
    """Rule 31.13."""
    random.seed(1)
    expected = random.random(), random.random()
    random.seed(1)
    seen = [random.random()]
    real = (time.time, time.monotonic, time.sleep, os.urandom, socket.socket, socket.socketpair)

    async def system(sim: Simulation) -> None:
        random.seed(5)
        await sim.host("worker", giambio.sleep, 1000).join()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        simulate(system, seed=1)
    seen.append(random.random())
    assert tuple(seen) == expected
    assert real == (
        time.time,
        time.monotonic,
        time.sleep,
        os.urandom,
        socket.socket,
        socket.socketpair,
    )


# -- the network -------------------------------------------------------------------------------


def test_a_link_has_a_latency() -> None:
    """Rule 31.7: to connect, to ask and to be answered takes four ways, and a look-up."""

    async def system(sim: Simulation) -> float:
        link = sim.link("server", "client")
        link.latency, link.jitter = 1.0, 0.0
        sim.host("server", echo_server)
        await giambio.sleep(1)
        assert await on(sim, "client", asked, b"hello") == b"hello"
        return giambio.current_time()

    assert simulate(system, seed=1) == pytest.approx(1 + 4, abs=0.01)


def test_a_link_has_a_bandwidth() -> None:
    """Rule 31.7."""

    async def send() -> float:
        async with giambio.connect_tcp("server", 7) as stream:
            await stream.send_all(bytes(100_000))
            await stream.send_eof()
            while await stream.receive():
                pass
        return giambio.current_time()

    async def system(sim: Simulation) -> float:
        sim.link("server", "client").bandwidth = 10_000
        sim.host("server", echo_server)
        await giambio.sleep(1)
        took: float = await on(sim, "client", send)
        return took

    # The echo begins when the first segment, of 65 536 bytes, is there.
    assert simulate(system, seed=1) == pytest.approx(1 + 6.55 + 10, abs=0.2)


def test_loss_is_delay() -> None:
    """Rule 31.7: nothing is missing, and nothing comes twice or in another order."""
    data = random.Random(1).randbytes(3_000_000)

    async def send() -> bytes:
        received = bytearray()
        async with giambio.connect_tcp("server", 7) as stream, giambio.TaskManager() as manager:

            async def receive() -> None:
                while some := await stream.receive():
                    received.extend(some)

            manager.start_soon(receive)
            await stream.send_all(data)
            await stream.send_eof()
        return bytes(received)

    async def system(sim: Simulation) -> Any:
        sim.link("server", "client").loss = 0.3
        sim.host("server", echo_server)
        await giambio.sleep(1)
        return await on(sim, "client", send), giambio.current_time()

    received, took = simulate(system, seed=1)
    assert received == data
    assert took > 2


def test_nobody_listens() -> None:
    """Rule 31.7."""

    async def system(sim: Simulation) -> Any:
        sim.host("server", giambio.sleep_forever)
        with pytest.raises(ConnectionRefusedError):
            await on(sim, "client", asked, b"hello")

    with pytest.raises(OSError, match="refused") as caught:
        simulate(system, seed=1)
    assert caught.value.errno == errno.ECONNREFUSED


def test_nobody_is_there() -> None:
    """Rule 31.7: the first packet is sent seven times, with pauses that double."""

    async def connect() -> tuple[int | None, float]:
        try:
            await giambio.connect_tcp("10.0.0.99", 7)
        except OSError as exc:
            return exc.errno, giambio.current_time()
        raise AssertionError

    async def system(sim: Simulation) -> Any:
        return await on(sim, "client", connect)

    assert simulate(system, seed=1) == (errno.ETIMEDOUT, pytest.approx(127, abs=1))


def test_a_reset_breaks_connections_at_both_ends() -> None:
    """Rule 31.7."""
    broken: list[str] = []

    async def serve() -> None:
        async def wait(stream: giambio.AsyncSocket) -> None:
            try:
                await stream.receive()
            except giambio.BrokenResourceError:
                broken.append("server")

        await giambio.serve_tcp(wait, 7, host=None)

    async def client() -> None:
        async with giambio.connect_tcp("server", 7) as stream:
            try:
                await stream.receive()
            except giambio.BrokenResourceError:
                broken.append("client")

    async def system(sim: Simulation) -> None:
        sim.host("server", serve)
        await giambio.sleep(1)
        host = sim.host("client", client)
        await giambio.sleep(1)
        sim.reset("server", "client")
        await host.join()
        await giambio.sleep(1)

    simulate(system, seed=1)
    assert sorted(broken) == ["client", "server"]


def test_tls_names_and_datagrams_work_as_they_do(certificates: Certificates) -> None:
    """Rule 31.7: TLS by the name of a host, and a datagram to each of its addresses."""

    async def serve() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.serve_tcp, echo, 7, host=None, tls=certificates.server())
            for host in ("0.0.0.0", "::"):
                manager.start_soon(answer, host)

    async def answer(host: str) -> None:
        async with await giambio.open_udp(53, host=host) as sock:
            while True:
                data, sender = await sock.receive_from()
                await sock.send_to(data.upper(), sender)

    async def ask() -> list[bytes]:
        answers = []
        context = certificates.client()
        async with giambio.connect_tcp("localhost", 7, tls=context) as stream:
            await stream.send_all(b"hello")
            answers.append(await stream.receive())
        return answers

    async def look_up() -> list[bytes]:
        answers = []
        for *_, address in await giambio.getaddrinfo("server", 53, type=socket.SOCK_DGRAM):
            async with giambio.connect_udp(address[0], 53) as sock:
                await sock.send(b"hello")
                answers.append(await sock.receive())
        return answers

    async def system(sim: Simulation) -> Any:
        async def both() -> None:
            async with giambio.TaskManager() as manager:
                manager.start_soon(serve)
                await giambio.sleep(1)
                secret.extend(await ask())
                await giambio.sleep(5)
                manager.cancel()

        secret: list[bytes] = []
        host = sim.host("server", both)
        await giambio.sleep(1)
        answers = await on(sim, "client", look_up)
        await host.join()
        return secret, answers

    assert simulate(system, seed=1) == ([b"hello"], [b"HELLO", b"HELLO"])


def test_a_file_is_sent(tmp_path: Path) -> None:
    """Rule 31.7: files are real ones."""
    path = tmp_path / "file"
    path.write_bytes(random.Random(1).randbytes(1_000_000))

    async def serve() -> None:
        async def send(stream: giambio.AsyncSocket) -> None:
            async with giambio.open_file(path, "rb") as file:
                await giambio.send_file(stream, file)

        await giambio.serve_tcp(send, 7, host=None)

    async def receive() -> bytes:
        async with giambio.connect_tcp("server", 7) as stream:
            return await giambio.BufferedStream(stream).receive_exactly(1_000_000)

    async def system(sim: Simulation) -> Any:
        sim.host("server", serve)
        await giambio.sleep(1)
        return await on(sim, "client", receive)

    assert simulate(system, seed=1) == path.read_bytes()


def test_a_simulation_without_an_end_is_ended() -> None:
    """Rule 31.12."""

    async def beat() -> None:
        while True:
            await giambio.sleep(1)

    async def system(sim: Simulation) -> None:
        await sim.host("heart", beat).join()

    with pytest.raises(TimeoutError, match=r"not ended after 100 seconds(.|\n)*heart \(2\)"):
        simulate(system, seed=1, timeout=100)


async def nothing(sim: Simulation) -> None:
    """A system without hosts."""


def test_it_needs_a_thread_without_a_loop() -> None:
    """Rule 19.3."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="a loop inside a loop"):
            simulate(nothing, seed=1)

    giambio.run(main)


def test_a_name_that_is_no_hosts_is_unknown() -> None:
    """Rule 31.4."""

    async def system(sim: Simulation) -> None:
        await on(sim, "client", giambio.connect_tcp, "nowhere", 7)

    with pytest.raises(OSError, match="no host 'nowhere'; its hosts: client"):
        simulate(system, seed=1)


def test_a_client_that_gives_up_before_it_is_accepted_leaves_no_connection() -> None:
    """Rule 31.7: what then comes from the server is answered by a reset."""
    ended: list[str] = []

    async def serve() -> None:
        async def wait(stream: giambio.AsyncSocket) -> None:
            try:
                await stream.receive()
            except giambio.BrokenResourceError:
                ended.append("reset")

        await giambio.serve_tcp(wait, 7, host=None)

    async def give_up() -> None:
        with giambio.move_on_after(1.5):
            await giambio.connect_tcp("10.0.0.1", 7)

    async def system(sim: Simulation) -> None:
        sim.link("server", "client").latency = 1
        sim.host("server", serve)
        await giambio.sleep(1)
        await sim.host("client", give_up).join()
        await giambio.sleep(10)

    simulate(system, seed=1)
    assert ended == ["reset"]


def test_a_host_that_cleans_up_after_a_crash_touches_nobody_elses_sockets() -> None:
    """Rule 31.5: its descriptors are not used again while it may still close them."""

    async def talk(log: list[bytes], clean_up: bool) -> None:
        stream = await giambio.connect_tcp("server", 7)
        try:
            await stream.send_all(b"hello")
            log.append(await stream.receive())
            await giambio.sleep(1)
            await stream.send_all(b"again")
            log.append(await stream.receive())
        finally:
            with giambio.CancelScope(shield=clean_up):
                await giambio.sleep(0.5 if clean_up else 0)
            stream.close()

    async def system(sim: Simulation) -> list[bytes]:
        sim.host("server", echo_server)
        await giambio.sleep(1)
        victim = sim.host("victim", talk, [], clean_up=True)
        await giambio.sleep(0.5)
        log: list[bytes] = []
        async with giambio.TaskManager() as manager:
            manager.start_soon(victim.crash)
            await giambio.checkpoint()
            await sim.host("another", talk, log, clean_up=False).join()
        return log

    assert simulate(system, seed=1, timeout=60) == [b"hello", b"again"]


def test_parts_of_a_stream_are_received_as_messages() -> None:
    """Rule 31.7: what does not fit stays for the next call."""

    async def both_ends() -> list[Any]:
        one, other = socket.socketpair()
        with one, other:
            one.sendall(b"0123456789")
            target = bytearray(2), bytearray(3)
            received = [other.recvmsg(3)[:3], other.recvmsg_into(target)[0], *map(bytes, target)]
            return [*received, other.recv(10)]

    async def system(sim: Simulation) -> Any:
        return await on(sim, "host", both_ends)

    assert simulate(system, seed=1) == [(b"012", [], 0), 5, b"34", b"567", b"89"]


def test_simulations_in_two_threads_take_turns() -> None:
    """Rule 31.13: each has the clocks of the process for itself."""
    found = []

    async def system(sim: Simulation) -> float:
        begin = time.monotonic()
        for _ in range(100):
            await giambio.sleep(1)
        return time.monotonic() - begin

    def run() -> None:
        found.extend(simulate(system, seeds=3))

    threads = [threading.Thread(target=run) for _ in range(2)]
    real = time.monotonic
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [100.0] * 6
    assert time.monotonic is real


def test_the_system_may_wait_for_a_real_socket() -> None:
    """Rule 31.12: that is no deadlock."""

    async def system(sim: Simulation) -> bytes:
        sim.host("idle", giambio.sleep_forever)
        theirs, ours = socket.socketpair()
        timer = threading.Timer(0.1, theirs.sendall, [b"hello"])
        timer.start()
        async with giambio.wrap_socket(ours) as stream:
            data = await stream.receive()
        timer.join()
        theirs.close()
        return data

    assert simulate(system, seed=1) == b"hello"


def test_names_of_hosts_are_found_without_a_loop_too() -> None:
    """Rule 31.4."""

    async def look() -> tuple[str, str]:
        return socket.gethostname(), socket.gethostbyname("other")

    async def system(sim: Simulation) -> Any:
        other = sim.host("other", giambio.sleep_forever)
        name, address = await on(sim, "this", look)
        assert address == other.address
        return name

    assert simulate(system, seed=1) == "this"
