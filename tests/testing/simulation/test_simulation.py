"""`giambio.testing.simulate`: hosts, the network between them, faults, and seeds."""

from __future__ import annotations

import errno
import math
import os
import random
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.testing import Fault, Faults, Packet, Simulation, simulate
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


# -- seeds -------------------------------------------------------------------------------------

SYSTEM = """
    import random, os, secrets, time, uuid, giambio
    from giambio.testing import Faults, simulate

    async def echo(stream):
        while data := await stream.receive():
            await giambio.sleep(random.random() + random.Random().random())
            chance = os.urandom(2) + secrets.token_bytes(1) + uuid.uuid4().bytes
            await stream.send_all(data + chance)

    async def serve():
        await giambio.serve_tcp(echo, 7, host=None)

    async def ask(number):
        for _ in range(10):
            try:
                with giambio.fail_after(3):
                    async with giambio.connect_tcp("server", 7) as stream:
                        await stream.send_all(b"question")
                        await stream.receive()
            except (OSError, giambio.GiambioError):
                await giambio.sleep(1)

    async def system(sim):
        sim.host("server", serve)
        sim.link("server", "client 1").loss = 0.1
        clients = [sim.host(f"client {number}", ask, number) for number in range(3)]
        for client in clients:
            await client.join()
        return f"{sim.digest()} {giambio.current_time()!r} {time.time()!r}"

    faults = Faults(crashes=1, partitions=2, resets=2, within=10, hosts=("server", "client 0"))
    print(*simulate(system, seeds=3, faults=faults), sep="\\n")
"""


def traces(**environment: str) -> list[str]:
    """What a program has found, in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(SYSTEM)]
    environ = os.environ | environment
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=50, check=True
    ).stdout.splitlines()


def test_the_same_seed_gives_the_same_run_in_every_build_and_process() -> None:
    """Rule 31.1."""
    first = traces(PYTHONHASHSEED="1")
    assert first == traces(PYTHONHASHSEED="2") == traces(GIAMBIO_PURE="1")
    assert len(set(first)) == 3


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


def test_time_jumps_and_each_host_has_its_clock() -> None:
    """Rule 31.2."""

    async def clock() -> tuple[float, float]:
        begin = time.monotonic()
        await giambio.sleep(600)
        return time.time(), time.monotonic() - begin

    async def system(sim: Simulation) -> list[Any]:
        found = []
        for name, skew in (("right", 0.0), ("fast", 60.0)):
            times: list[Any] = []

            async def note(times: list[Any] = times) -> None:
                times.append(await clock())

            sim.host(name, note, skew=skew)
            found.append(times)
        await giambio.sleep(601)
        return [time for (time,) in found]

    (right, passed), (fast, _) = simulate(system, seed=1)
    assert passed == 600
    assert fast - right == pytest.approx(60)


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


def test_a_partition_is_noticed_by_timeouts_and_heals() -> None:
    """Rule 31.7."""

    async def ask_and_wait() -> list[str]:
        async with giambio.connect_tcp("server", 7) as stream:
            log = []
            for _ in range(3):
                await stream.send_all(b"ping")
                with giambio.move_on_after(5) as scope:
                    await stream.receive()
                log.append("silence" if scope.cancelled_caught else "answer")
                await giambio.sleep(5)
            return log

    async def system(sim: Simulation) -> list[str]:
        sim.host("server", echo_server)
        await giambio.sleep(1)
        log: list[str] = []

        async def client() -> None:
            log.extend(await ask_and_wait())

        host = sim.host("client", client)
        await giambio.sleep(3)
        sim.partition("client", ["server"])
        await giambio.sleep(5)
        sim.heal("client")
        await host.join()
        return log

    assert simulate(system, seed=1) == ["answer", "silence", "answer"] or simulate(
        system, seed=1
    ) == ["answer", "answer", "answer"]


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


def test_packets_are_intercepted() -> None:
    """Rule 31.11: the first data is lost and sent again after 0.2 seconds."""
    seen: list[Packet] = []

    def lose_the_first(packet: Packet) -> float | None:
        if packet.kind != "data":
            return None
        seen.append(packet)
        return math.inf if len(seen) == 1 else 1.0

    async def system(sim: Simulation) -> float:
        sim.host("server", echo_server)
        await giambio.sleep(1)
        sim.intercept(lose_the_first)
        assert await on(sim, "client", asked, b"hello") == b"hello"
        return giambio.current_time()

    assert simulate(system, seed=1) == pytest.approx(1 + 0.2 + 2, abs=0.05)
    assert [packet.data for packet in seen] == [b"hello"] * 3
    assert seen[0].source == "client"
    assert seen[0].receiver[1] == 7


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


# -- crashes -----------------------------------------------------------------------------------


def test_a_crash_cuts_off_first_and_cancels_then() -> None:
    """Rule 31.5: what a host does to clean up reaches nobody, and its memory is gone."""
    log: list[str] = []

    async def serve(starts: list[int] = []) -> None:  # noqa: B006  # it outlives the host
        starts.append(1)

        async def greet(stream: giambio.AsyncSocket) -> None:
            try:
                await stream.send_all(b"hello %d" % len(starts))
                await giambio.sleep_forever()
            finally:
                with giambio.CancelScope(shield=True):
                    try:
                        await stream.send_all(b"goodbye")
                    except giambio.BrokenResourceError as exc:
                        log.append(str(exc))
                    await giambio.sleep(1)

        await giambio.serve_tcp(greet, 7, host=None)

    async def ask(within: float) -> list[bytes]:
        heard = []
        with giambio.move_on_after(within):
            async with giambio.connect_tcp("server", 7) as stream:
                while data := await stream.receive():
                    heard.append(data)
        return heard

    async def system(sim: Simulation) -> Any:
        server = sim.host("server", serve)
        await giambio.sleep(1)
        heard: list[Any] = []

        async def listen() -> None:
            heard.append(await ask(10))

        client = sim.host("client", listen)
        await giambio.sleep(1)
        await server.crash()
        await server.crash()
        assert (server.is_up, server.crashes) == (False, 1)
        await client.join()
        await server.restart()
        await giambio.sleep(1)
        heard.append(await on(sim, "another", ask, 5))
        return heard

    assert simulate(system, seed=1) == [[b"hello 1"], [b"hello 2"]]
    assert "Network is down" in log[0]


def test_data_for_a_host_that_was_restarted_is_answered_by_a_reset() -> None:
    """Rule 31.5."""

    async def talk() -> str:
        async with giambio.connect_tcp("server", 7) as stream:
            await giambio.sleep(10)
            try:
                await stream.send_all(b"still there?")
                await stream.receive()
            except giambio.BrokenResourceError:
                return "reset"
        return "an end"

    async def system(sim: Simulation) -> Any:
        server = sim.host("server", echo_server)
        await giambio.sleep(1)
        said: list[str] = []

        async def client() -> None:
            said.append(await talk())

        host = sim.host("client", client)
        await giambio.sleep(1)
        await server.restart()
        await host.join()
        return said

    assert simulate(system, seed=1) == ["reset"]


def test_what_a_host_fails_with_fails_the_simulation() -> None:
    """Rule 31.6: with a note that tells the seed and the time."""

    async def fail() -> None:
        await giambio.sleep(3)
        raise ValueError("broken")

    async def system(sim: Simulation) -> None:
        sim.host("worker", fail)
        await giambio.sleep_forever()

    with pytest.raises(ValueError, match="broken") as caught:
        simulate(system, seed=7)
    (note,) = caught.value.__notes__
    assert note.startswith("giambio: simulated with seed 7, and failed at 3.000000 s")
    assert "run it again with simulate(system, seed=7)" in note
    assert "0.000000 start worker" in note


# -- checks and faults -------------------------------------------------------------------------


def test_always_fails_at_the_step_that_broke_it() -> None:
    """Rule 31.8."""
    stock = [1]

    async def take() -> None:
        await giambio.sleep(2)
        stock[0] -= 1

    def never_negative() -> bool:
        return stock[0] >= 0

    async def system(sim: Simulation) -> None:
        sim.always(never_negative)
        sim.host("one", take)
        sim.host("other", take)
        await giambio.sleep_forever()

    with pytest.raises(AssertionError, match=r"never_negative .* does not hold") as caught:
        simulate(system, seed=1)
    assert "failed at 2.000000 s" in caught.value.__notes__[0]


def test_eventually_waits_until_it_holds_and_not_longer() -> None:
    """Rule 31.8."""

    async def finish(after: float, done: list[int]) -> None:
        await giambio.sleep(after)
        done.append(1)

    async def system(sim: Simulation, after: float) -> None:
        done: list[int] = []
        sim.host("worker", finish, after, done)
        sim.eventually(lambda: done, within=60)

    simulate(system, 59, seed=1)
    with pytest.raises(AssertionError, match="did not hold in time") as caught:
        simulate(system, 61, seed=1)
    assert "failed at 60.000000 s" in caught.value.__notes__[0]


def test_a_simulation_without_an_end_is_ended() -> None:
    """Rule 31.12."""

    async def beat() -> None:
        while True:
            await giambio.sleep(1)

    async def system(sim: Simulation) -> None:
        await sim.host("heart", beat).join()

    with pytest.raises(TimeoutError, match=r"not ended after 100 seconds(.|\n)*heart \(2\)"):
        simulate(system, seed=1, timeout=100)


def test_when_all_wait_it_is_a_deadlock() -> None:
    """Rule 31.12: with the tree of what each host waits for."""

    async def listen() -> None:
        (listener,) = await giambio.open_tcp_listeners(7, host="0.0.0.0")
        async with listener:
            await listener.accept()

    async def system(sim: Simulation) -> None:
        await sim.host("server", listen).join()

    with pytest.raises(giambio.DeadlockError, match=r"server \(2\) waits for"):
        simulate(system, seed=1)


async def lossy_counter(sim: Simulation) -> None:
    """A system with a bug: a request that is asked again after a reset is counted twice."""
    counted: list[bytes] = []

    async def count(stream: giambio.AsyncSocket) -> None:
        while data := await stream.receive():
            counted.append(data)
            await giambio.sleep(0.1)
            await stream.send_all(data)

    async def ask() -> None:
        for _ in range(20):
            while True:
                try:
                    with giambio.fail_after(3):
                        async with giambio.connect_tcp("server", 7) as stream:
                            await stream.send_all(b"x")
                            if await stream.receive():
                                break
                except (OSError, giambio.BrokenResourceError):
                    await giambio.sleep(1)
            await giambio.sleep(1)

    async def serve() -> None:
        await giambio.serve_tcp(count, 7, host=None)

    sim.host("server", serve)
    sim.link("server", "client").latency = 0.05
    await sim.host("client", ask).join()
    assert len(counted) == 20


def test_faults_find_a_bug_and_are_shrunk_to_those_that_are_needed() -> None:
    """Rule 31.10."""
    faults = Faults(partitions=2, resets=4)
    with pytest.raises(AssertionError) as caught:
        simulate(lossy_counter, seeds=100, faults=faults)
    (note,) = caught.value.__notes__
    assert note.count(" s reset of ") + note.count(" s partition of ") == 1
    again = note.partition("run it again with ")[2].partition("\n")[0]
    with pytest.raises(AssertionError) as replayed:
        eval(again, {"simulate": simulate, "Fault": Fault, "lossy_counter": lossy_counter})
    assert replayed.value.__notes__ == caught.value.__notes__


def test_without_faults_there_is_no_bug() -> None:
    """Rule 31.10."""
    assert simulate(lossy_counter, seeds=3) == [None, None, None]


# -- escapes -----------------------------------------------------------------------------------


def connect_and_block() -> None:
    """What blocking code does."""
    with socket.socket() as sock:
        sock.connect(("10.0.0.2", 7))


@pytest.mark.parametrize(
    ("escape", "message"),
    [
        (lambda: time.sleep(1), r"time.sleep\(\) would leave the simulation"),
        (lambda: threading.Thread(target=print).start(), r"Thread.start\(\) would leave"),
        (lambda: subprocess.run(["true"]), r"Popen.__init__\(\) would leave the simulation"),
        (connect_and_block, r"connect\(\) of a blocking socket would stop"),
    ],
)
def test_what_would_leave_the_simulation_is_an_error(
    escape: Callable[[], object], message: str
) -> None:
    """Rule 31.13."""

    async def leave() -> None:
        escape()

    async def system(sim: Simulation) -> None:
        await sim.host("worker", leave).join()

    with pytest.raises(RuntimeError, match=message):
        simulate(system, seed=1)


def test_functions_for_threads_are_called_in_the_loops_own() -> None:
    """Rule 31.13."""

    async def work() -> list[int]:
        return [await giambio.to_thread(threading.get_ident), threading.get_ident()]

    async def system(sim: Simulation) -> Any:
        return await on(sim, "worker", work)

    one, other = simulate(system, seed=1)
    assert one == other


# -- mistakes ----------------------------------------------------------------------------------


async def nothing(sim: Simulation) -> None:
    """A system without hosts."""


def test_it_needs_a_thread_without_a_loop() -> None:
    """Rule 19.3."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="a loop inside a loop"):
            simulate(nothing, seed=1)

    giambio.run(main)


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: simulate(nothing), TypeError, "needs seed=, a whole number, or seeds="),
        (lambda: simulate(nothing, seed=1, seeds=2), TypeError, "needs seed=, a whole number"),
        (lambda: simulate(nothing, seed="1"), TypeError, "whole number, not '1'"),
        (lambda: simulate(nothing, seeds=0), ValueError, "would run nothing at all"),
        (lambda: simulate(3, seed=1), TypeError, "the async function itself, not 3"),
        (lambda: Faults(crashes=-1), ValueError, "crashes"),
        (lambda: Faults(within=-1), ValueError, "within"),
    ],
)
def test_mistakes_are_told_at_the_call(
    mistake: Callable[[], object], error: type[Exception], message: str
) -> None:
    """Rule 19.3."""
    with pytest.raises(error, match=message):
        mistake()


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda sim: sim.host(print, print), TypeError, "a name first"),
        (lambda sim: sim.host("a", 3), TypeError, "the async function itself"),
        (lambda sim: sim.host("there", print), ValueError, "there is a host 'there'"),
        (lambda sim: sim.partition("there", "a"), ValueError, "no host 'a'; there are: 'there'"),
        (lambda sim: sim.heal("a"), ValueError, "no host 'a'"),
        (lambda sim: sim.reset("there", "a"), ValueError, "no host 'a'"),
        (lambda sim: sim.eventually(print, within=-1), ValueError, "within"),
        (lambda sim: setattr(sim.link("a", "b"), "loss", 2), ValueError, "from 0 to 1"),
        (lambda sim: setattr(sim.link("a", "b"), "latency", "1"), TypeError, "is a number"),
        (lambda sim: setattr(sim.link("a", "b"), "bandwidth", 0), ValueError, "above 0"),
        (lambda sim: setattr(sim.link("a", "b"), "speed", 1), AttributeError, "no 'speed'"),
    ],
)
def test_mistakes_in_a_system_are_told_at_the_call(
    mistake: Callable[[Simulation], object], error: type[Exception], message: str
) -> None:
    """Rule 19.3."""

    async def system(sim: Simulation) -> None:
        sim.host("there", giambio.sleep_forever)
        with pytest.raises(error, match=message):
            mistake(sim)

    simulate(system, seed=1)


def test_a_name_that_is_no_hosts_is_unknown() -> None:
    """Rule 31.4."""

    async def system(sim: Simulation) -> None:
        await on(sim, "client", giambio.connect_tcp, "nowhere", 7)

    with pytest.raises(OSError, match="no host 'nowhere'; its hosts: client"):
        simulate(system, seed=1)
