"""`simulate` and what it promises, on hosts that do little."""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import giambio
from giambio.testing import Fault, Faults, Simulation, simulate

System = Callable[[Simulation], Awaitable[Any]]


async def greet(stream: Any) -> None:
    await stream.send_all(b"hello")


async def server() -> None:
    await giambio.serve_tcp(greet, 80, host=None)


async def greeted(host: str = "server", seconds: float = 60) -> bytes:
    """What a host says."""
    with giambio.fail_after(seconds):
        async with giambio.connect_tcp(host, 80) as stream:
            data: bytes = await stream.receive()
            return data


async def on_host(sim: Simulation, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Call a function on a host of its own, and return what it returns or raises."""
    outcome: list[Any] = []

    async def call() -> None:
        try:
            outcome.append(await function(*args))
        except Exception as exc:
            outcome.append(exc)

    await sim.host(f"host {len(sim.hosts)}", call).join()
    return outcome[0]


# -- runs ---------------------------------------------------------------------------------------


async def chatter(sim: Simulation) -> str:
    """A system with chance in it, and the hash of what happens there."""
    sim.host("server", server)
    sim.link("server", "host 1").loss = 0.3
    await giambio.sleep(random.random())
    for _ in range(5):
        await on_host(sim, greeted)
    return sim.digest()


def test_the_same_seed_gives_the_same_run() -> None:
    """Rule 31.1: in one process."""
    assert simulate(chatter, seeds=5) == simulate(chatter, seeds=5)
    assert len(set(simulate(chatter, seeds=5))) == 5


PROGRAM = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from giambio.testing import simulate
from test_simulate import chatter
print(simulate(chatter, seed=3))
"""


@pytest.mark.parametrize("pure", ["", "1"])
def test_the_same_seed_gives_the_same_run_in_another_process(pure: str) -> None:
    """Rule 31.1: in both builds, and whatever the order of sets is."""
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"GIAMBIO_PURE": pure, "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() == simulate(chatter, seed=3)


def test_time_jumps() -> None:
    """Rule 31.2."""
    began = time.monotonic()

    async def system(sim: Simulation) -> float:
        await sim.host("sleeper", giambio.sleep, 10 * 365 * 86400).join()
        return giambio.current_time()

    assert simulate(system, seed=1, timeout=math.inf) == 10 * 365 * 86400
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("seeds", [{"seed": 1}, {"seeds": 2}])
def test_a_simulation_that_does_not_end_fails(seeds: dict[str, int]) -> None:
    """Rule 31.12."""

    async def heart() -> None:
        while True:
            await giambio.sleep(1)

    async def system(sim: Simulation) -> None:
        await sim.host("heart", heart).join()

    with pytest.raises(TimeoutError, match="has not ended after 10 seconds of its own"):
        simulate(system, **seeds, timeout=10)


def test_the_hosts_end_with_the_system() -> None:
    """Rule 31.3."""
    ended = []

    async def host() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            ended.append(giambio.current_time())

    async def system(sim: Simulation, word: str) -> tuple[str, int]:
        sim.host("one", host)
        sim.eventually(lambda: giambio.current_time() > 2, within=5)
        sim.host("clock", giambio.sleep, 3)
        return word, sim.seed

    assert simulate(system, "ready", seeds=[4, 5]) == [("ready", 4), ("ready", 5)]
    assert ended == [3, 3]


# -- hosts --------------------------------------------------------------------------------------


def test_a_host_is_reached_by_its_name_where_it_listens() -> None:
    """Rule 31.4."""

    async def system(sim: Simulation) -> list[Any]:
        sim.host("server", server)
        sim.host("private", giambio.serve_tcp, greet, 80)
        await giambio.sleep(1)
        address = sim.hosts["server"].address
        names = ("server", address, "private", "nobody")
        return [await on_host(sim, greeted, name) for name in names]

    *greetings, private, nobody = simulate(system, seed=1)
    assert greetings == [b"hello", b"hello"]
    assert isinstance(private, ConnectionRefusedError)
    assert "no host 'nobody'; its hosts: " in str(nobody)


def test_clocks_are_skewed() -> None:
    """Rules 31.4 and 31.13."""

    async def show(shown: list[float]) -> None:
        shown.append(time.time())

    async def system(sim: Simulation) -> list[float]:
        shown: list[float] = []
        await sim.host("exact", show, shown).join()
        await sim.host("ahead", show, shown, skew=60).join()
        return shown

    exact, ahead = simulate(system, seed=1)
    assert ahead == exact + 60


def test_nobody_hears_of_a_host_that_has_crashed() -> None:
    """Rule 31.5."""
    heard = []

    async def listen(stream: Any) -> None:
        heard.append(await stream.receive())

    async def client() -> None:
        async with giambio.connect_tcp("server", 80) as stream:
            try:
                await giambio.sleep_forever()
            finally:
                with giambio.CancelScope(shield=True):
                    await stream.send_all(b"farewell")
                raise ValueError("of no concern")

    async def system(sim: Simulation) -> None:
        sim.host("server", functools.partial(giambio.serve_tcp, listen, 80, host=None))
        await giambio.sleep(1)
        client_host = sim.host("client", client)
        await giambio.sleep(1)
        await client_host.crash()
        await giambio.sleep(60)
        assert heard == []
        assert not client_host.is_up
        assert client_host.crashes == 1

    simulate(system, seed=1)


def test_a_host_begins_anew_with_the_same_arguments() -> None:
    """Rule 31.5."""

    async def append(disk: list[int]) -> None:
        disk.append(len(disk))
        await giambio.sleep_forever()

    async def system(sim: Simulation) -> list[int]:
        disk: list[int] = []
        host = sim.host("db", append, disk)
        await giambio.sleep(1)
        await host.restart()
        await giambio.sleep(1)
        assert host.is_up
        return disk

    assert simulate(system, seed=1) == [0, 1]


def test_a_connection_from_before_a_crash_is_reset() -> None:
    """Rule 31.5."""

    async def client(server_is_back: giambio.Event) -> None:
        async with giambio.connect_tcp("server", 80) as stream:
            await stream.receive()
            await server_is_back.wait()
            await stream.send_all(b"still there?")
            await stream.receive()

    async def system(sim: Simulation) -> Any:
        async def stay(stream: Any) -> None:
            await greet(stream)
            await giambio.sleep_forever()

        host = sim.host("server", functools.partial(giambio.serve_tcp, stay, 80, host=None))
        await giambio.sleep(1)
        server_is_back = giambio.Event()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(on_host, sim, client, server_is_back)
            await giambio.sleep(1)
            await host.restart()
            server_is_back.set()
        return task.result()

    assert isinstance(simulate(system, seed=1), giambio.BrokenResourceError)


async def fail() -> None:
    raise ValueError("wrong")


def test_a_failure_of_a_host_is_one_of_the_simulation() -> None:
    """Rule 31.6."""

    async def system(sim: Simulation) -> None:
        assert sim.host("returns", giambio.checkpoint).is_up
        await giambio.sleep(1)
        assert sim.hosts["returns"].is_up
        sim.host("fails", fail)
        await giambio.sleep(1)

    with pytest.raises(ValueError, match="wrong") as raised:
        simulate(system, seed=5)
    (note,) = raised.value.__notes__
    assert note.startswith("giambio: simulated with seed 5, and failed at 1.000000 s of the sim")
    assert "\nrun it again with simulate(system, seed=5)\n" in note


# -- the network --------------------------------------------------------------------------------


def test_tcp_delivers_what_a_partition_holds_up() -> None:
    """Rule 31.7."""

    async def system(sim: Simulation) -> Any:
        sim.host("server", server)
        await giambio.sleep(1)
        sim.link("server", "host 1").loss = 0.2
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(on_host, sim, greeted)
            while "host 1" not in sim.hosts:
                await giambio.checkpoint()
            sim.partition("server", "host 1")
            await giambio.sleep(10)
            assert not task.done()
            sim.heal()
        return task.result()

    assert simulate(system, seeds=5) == [b"hello"] * 5


def test_a_rule_decides_about_packets() -> None:
    """Rule 31.11."""

    async def system(sim: Simulation) -> tuple[list[Any], set[str]]:
        seen = set()

        def rule(packet: Any) -> float | None:
            seen.add(packet.kind)
            return {b"hello": 5.0}.get(packet.data)

        sim.host("server", server)
        sim.intercept(rule)
        await giambio.sleep(1)
        late = [await on_host(sim, greeted), giambio.current_time()]
        sim.intercept(lambda _: math.inf)
        lost = await on_host(sim, greeted, "server", 3)
        sim.intercept(None)
        return [*late, lost, await on_host(sim, greeted)], seen

    (greeting, at, lost, last), seen = simulate(system, seed=1)
    assert (greeting, last) == (b"hello", b"hello")
    assert 6 < at < 6.1
    assert isinstance(lost, TimeoutError)
    assert {"syn", "accept", "data"} <= seen


# -- checks and faults --------------------------------------------------------------------------


def test_a_check_fails_at_the_step_that_breaks_it() -> None:
    """Rule 31.8."""

    async def system(sim: Simulation) -> None:
        stock = [2]
        sim.always(lambda: stock[0] >= 0)
        for _ in range(9):
            await giambio.sleep(1)
            stock[0] -= 1

    with pytest.raises(AssertionError, match=r"<lambda> \(.*\) does not hold any more") as raised:
        simulate(system, seed=1)
    assert "failed at 3.000000 s" in raised.value.__notes__[0]


def test_a_check_is_made_once_after_each_step() -> None:
    """Rule 31.8: also when one before has held and is gone."""

    async def system(sim: Simulation) -> None:
        sim.eventually(lambda: True, within=5)
        await giambio.sleep(1)
        sim.always(lambda: giambio.current_time() < 2)
        await giambio.sleep(2)

    with pytest.raises(AssertionError, match="does not hold"):
        simulate(system, seed=1)


def test_what_never_holds_fails_in_time() -> None:
    """Rule 31.8."""

    async def system(sim: Simulation) -> None:
        sim.eventually(lambda: False, within=60)

    with pytest.raises(AssertionError, match=r"<lambda> \(.*\) did not hold in time") as raised:
        simulate(system, seed=1)
    assert "failed at 60.000000 s" in raised.value.__notes__[0]


async def observed(sim: Simulation) -> list[Fault]:
    sim.host("one", giambio.sleep_forever)
    sim.host("two", giambio.sleep_forever)
    await giambio.sleep(100)
    assert all(host.is_up for host in sim.hosts.values())
    return sim.happened


def test_the_seed_decides_about_faults() -> None:
    """Rule 31.9."""
    faults = Faults(crashes=2, partitions=1, resets=1, within=20)
    first, second = simulate(observed, seeds=2, faults=faults)
    assert [first, second] == simulate(observed, seeds=2, faults=faults)
    assert first != second
    assert sorted(fault.kind for fault in first) == ["crash", "crash", "partition", "reset"]
    assert all(0 <= fault.at <= 20 for fault in first)
    only = simulate(observed, seed=1, faults=Faults(crashes=5, hosts=("two",)))
    assert {fault.hosts for fault in only} == {("two",)}


def test_the_end_of_a_partition_is_not_that_of_another_one() -> None:
    """Rule 31.9."""

    async def system(sim: Simulation) -> None:
        async def client() -> None:
            await giambio.sleep(4)
            with pytest.raises(TimeoutError):
                await greeted(seconds=5)
            await giambio.sleep(5)
            assert await greeted() == b"hello"

        sim.host("server", server)
        await sim.host("client", client).join()

    faults = [
        Fault(1.0, "partition", ("server",), 10.0),
        Fault(2.0, "partition", ("client",), 1.0),
    ]
    simulate(system, seed=1, faults=faults)


def test_faults_are_shrunk_to_those_that_are_needed() -> None:
    """Rule 31.10."""

    async def system(sim: Simulation) -> None:
        one = sim.host("one", giambio.sleep_forever)
        sim.host("two", giambio.sleep_forever)
        sim.always(lambda: one.crashes < 2)
        await giambio.sleep(100)

    faults = Faults(crashes=6, partitions=3, resets=3)
    with pytest.raises(AssertionError, match="does not hold") as raised:
        simulate(system, seeds=20, faults=faults)
    (note,) = raised.value.__notes__
    lines = note.splitlines()
    assert [line.split()[3:6] for line in lines[1:3]] == [["crash", "of", "one"]] * 2
    assert lines[3].startswith("run it again with simulate(system, seed=")
    again = lines[3].removeprefix("run it again with ")
    with pytest.raises(AssertionError, match="does not hold"):
        eval(again)


def test_hosts_that_wait_for_ever_are_a_deadlock() -> None:
    """Rule 31.12."""

    async def system(sim: Simulation) -> None:
        await sim.host("waiting", giambio.Event().wait).join()

    with pytest.raises(giambio.DeadlockError, match="waiting"):
        simulate(system, seed=1)


# -- what is patched ----------------------------------------------------------------------------


async def by_chance() -> list[Any]:
    return [random.random(), os.urandom(4), time.monotonic(), time.time_ns()]


def test_chance_and_clocks_follow_the_seed() -> None:
    """Rule 31.13."""

    async def system(sim: Simulation) -> Any:
        await giambio.sleep(sim.random.random())
        return await on_host(sim, by_chance)

    assert simulate(system, seed=1) == simulate(system, seed=1)
    assert not set(simulate(system, seed=1)) & set(simulate(system, seed=2))


def test_functions_for_threads_are_called_in_the_loops_own() -> None:
    """Rule 31.13."""

    async def system(sim: Simulation) -> Any:
        return await on_host(sim, giambio.to_thread, threading.get_ident)

    assert simulate(system, seed=1) == threading.get_ident()


@pytest.mark.parametrize(
    ("leave", "instead"),
    [
        (lambda: time.sleep(1), r"time.sleep\(\) would .*: a task waits by `await giambio.sleep"),
        (
            lambda: threading.Thread(target=print).start(),
            r"Thread.start\(\) would leave .*: to_thread",
        ),
        (lambda: subprocess.run(["true"], check=True), "another host's function there"),
        (lambda: multiprocessing.Process(target=print).start(), "another host's function there"),
        (lambda: os.fork(), r"os.fork\(\) would leave the simulation"),
    ],
)
def test_what_would_leave_the_simulation_is_an_error(
    leave: Callable[[], object], instead: str
) -> None:
    """Rule 31.13."""

    async def main() -> None:
        leave()

    async def system(sim: Simulation) -> None:
        await sim.host("leaver", main).join()

    with pytest.raises(RuntimeError, match=instead):
        simulate(system, seed=1)


# -- mistakes -----------------------------------------------------------------------------------


async def nothing(sim: Simulation) -> None:
    pass


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: simulate(nothing), "needs seed=, a whole number, or seeds="),
        (lambda: simulate(nothing, seed=1, seeds=2), "needs seed=, a whole number, or seeds="),
        (lambda: simulate(nothing, seed="1"), "is a whole number, not '1'"),
        (lambda: simulate(nothing, seeds=0), "would run nothing at all"),
        (lambda: simulate(nothing(None), seed=1), "needs the async function itself"),
        (lambda: Faults(crashes=-1), "crashes"),
        (lambda: Faults(within="soon"), "within"),
        (lambda: Faults(hosts="db"), "a tuple of names, not one name, 'db'"),
        (lambda: simulate(nothing, seed=1, faults=3), r"needs Faults\(...\), or a list of Fault"),
        (lambda: simulate(nothing, seed=1, faults=["crash"]), "one is 'crash'"),
        (
            lambda: simulate(nothing, seed=1, faults=[Fault(1.0, "fire", ("db",), 1.0)]),
            "one of crash, partition, reset, not 'fire'",
        ),
    ],
)
def test_wrong_arguments_are_errors_of_the_call(call: Callable[[], object], complaint: str) -> None:
    """Rule 31.14."""
    with pytest.raises((TypeError, ValueError), match=complaint):
        call()


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        (lambda sim: sim.host(giambio.sleep_forever, "db"), "needs a name first, a text, not"),
        (lambda sim: sim.host("db", giambio.sleep(1)), "needs the async function itself"),
        (lambda sim: sim.host("one", fail), r"there is a host 'one'; .* restart\(\) it"),
        (lambda sim: sim.partition("one", "two"), "there is no host 'two'; there are: 'one'"),
        (lambda sim: sim.heal("two"), "there is no host 'two'"),
        (lambda sim: sim.reset("one", "two"), "there is no host 'two'"),
        (lambda sim: sim.eventually(bool, within="soon"), "within"),
        (lambda sim: setattr(sim.link("one", "two"), "loss", 2), "a part, from 0 to 1, not 2"),
        (lambda sim: setattr(sim.link("one", "two"), "latency", -1), "from 0 up, not -1"),
        (lambda sim: setattr(sim.link("one", "two"), "bandwidth", 0), "above 0 bytes a second"),
        (lambda sim: setattr(sim.link("one", "two"), "delay", 1), "but no 'delay'"),
    ],
)
def test_wrong_arguments_are_errors_of_the_call_in_a_simulation(
    mistake: Callable[[Simulation], object], complaint: str
) -> None:
    """Rule 31.14."""

    async def system(sim: Simulation) -> None:
        sim.host("one", giambio.sleep_forever)
        with pytest.raises((TypeError, ValueError, AttributeError), match=complaint):
            mistake(sim)

    simulate(system, seed=1)


def test_a_fault_of_a_host_that_is_not_there_is_an_error() -> None:
    """Rule 31.14."""

    async def system(sim: Simulation) -> None:
        await sim.host("db", giambio.sleep, 5).join()

    with pytest.raises(ValueError, match=r"no host 'web' for the fault 'at .* crash of web"):
        simulate(system, seed=1, faults=[Fault(1.0, "crash", ("web",), 1.0)])


def test_a_host_needs_an_async_function() -> None:
    """Rule 31.14."""

    async def system(sim: Simulation) -> None:
        await sim.host("db", print).join()

    with pytest.raises(TypeError, match=r"print\(\) returned None, which cannot be awaited"):
        simulate(system, seed=1)


def test_keywords_are_for_the_function_of_a_host() -> None:
    """Rule 31.4."""

    async def system(sim: Simulation) -> bytes:
        async def greet(stream: giambio.AsyncSocket) -> None:
            await stream.send_all(b"hello")

        async def ask() -> None:
            async with giambio.connect_tcp("server", 80) as stream:
                heard.append(await stream.receive())

        heard: list[bytes] = []
        sim.host("server", giambio.serve_tcp, greet, 80, host=None)
        await giambio.sleep(1)
        await sim.host("client", ask).join()
        return heard[0]

    assert simulate(system, seed=1) == b"hello"


def test_the_note_of_a_failure_has_the_arguments_of_the_system() -> None:
    """Rule 31.10."""

    async def system(sim: Simulation, number: int, text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        simulate(system, 3, "three", seed=1)
    assert "run it again with simulate(system, 3, 'three', seed=1)" in caught.value.__notes__[0]


def test_a_check_may_be_registered_again_with_more_time() -> None:
    """Rule 31.8: the first time it has held, and its time is over no more."""

    async def system(sim: Simulation) -> None:
        values = [1]

        def is_set() -> bool:
            return bool(values)

        sim.eventually(is_set, within=10)
        await giambio.sleep(5)
        values.clear()
        sim.eventually(is_set, within=100)
        await giambio.sleep(50)
        values.append(1)

    simulate(system, seed=1)


def test_a_host_may_register_a_check_after_the_system_has_returned() -> None:
    """Rule 31.8."""

    async def work(sim: Simulation, done: list[int]) -> None:
        await giambio.sleep(5)
        sim.eventually(lambda: len(done) > 1, within=60)
        done.append(1)
        await giambio.sleep(20)
        done.append(2)

    async def system(sim: Simulation) -> list[int]:
        done: list[int] = []
        sim.host("worker", work, sim, done)
        sim.eventually(lambda: done, within=60)
        return done

    assert simulate(system, seed=1) == [1, 2]


def test_a_check_is_no_async_function() -> None:
    """Rule 31.14."""

    async def check() -> bool:
        return False

    async def system(sim: Simulation) -> None:
        sim.always(check)
        await giambio.checkpoint()

    with pytest.raises(TypeError, match=r"check .* is async, but a check is an ordinary function"):
        simulate(system, seed=1)


def test_two_tasks_that_restart_a_host_do_it_once() -> None:
    """Rule 31.5."""

    async def run(alive: list[int]) -> None:
        alive.append(1)
        try:
            await giambio.sleep_forever()
        finally:
            alive.pop()

    async def system(sim: Simulation) -> None:
        alive: list[int] = []
        host = sim.host("host", run, alive)
        await giambio.sleep(1)
        async with giambio.TaskManager() as manager:
            manager.start_soon(host.restart)
            manager.start_soon(host.restart)
        await giambio.sleep(1)
        assert alive == [1]
        await host.crash()
        assert alive == []

    simulate(system, seed=1)


def test_an_unseeded_generator_follows_the_seed() -> None:
    """Rule 31.13."""

    async def draw(drawn: list[float]) -> None:
        random.seed()
        drawn.append(random.random())
        drawn.append(random.Random().random())

    async def system(sim: Simulation) -> list[float]:
        drawn: list[float] = []
        await sim.host("host", draw, drawn).join()
        return drawn

    assert simulate(system, seed=1) == simulate(system, seed=1) != simulate(system, seed=2)
