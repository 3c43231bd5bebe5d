"""Five bugs of distributed systems, planted in tiny ones: each is found, and its faults shrunk.

Each system takes whether its bug is mended. Then nothing must be found, with the same faults.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import giambio
from giambio.testing import Faults, Simulation, simulate

#: What a client gets when its connection, or the other side, has gone.
LOST = (OSError, giambio.BrokenResourceError, giambio.EndOfStream)
PORT = 9


async def serve(handler: Callable[..., Awaitable[object]]) -> None:
    """A server, which all hosts reach."""
    await giambio.serve_tcp(handler, PORT, host=None)


async def ask(host: str, request: str) -> str:
    """Ask a server of lines, and return its answer."""
    async with giambio.connect_tcp(host, PORT) as stream:
        await stream.send_all(f"{request}\n".encode())
        answer = (await giambio.BufferedStream(stream).receive_line()).decode()
    if not answer:
        raise giambio.EndOfStream("no answer")
    return answer.strip()


def answering(function: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[None]]:
    """A handler that answers lines of words by a function of these words."""

    async def handler(stream: Any) -> None:
        lines = giambio.BufferedStream(stream)
        async for line in lines:
            await lines.send_all(f"{await function(*line.decode().split())}\n".encode())

    return handler


async def until_answered(host: str, request: str) -> str:
    """Ask again and again, for a second each time."""
    while True:
        try:
            with giambio.fail_after(1):
                return await ask(host, request)
        except LOST:
            await giambio.sleep(0.2)


# -- a lost update ----------------------------------------------------------------------------


async def counting(sim: Simulation, mended: bool) -> None:
    """Two clients add to a number: each reads it and writes what comes after it."""
    number = 0

    async def serve_number(word: str, value: str = "0") -> int:
        nonlocal number
        await giambio.checkpoint()
        number = {"get": number, "set": int(value), "add": number + int(value)}[word]
        return number

    async def client() -> None:
        for _ in range(3):
            await giambio.sleep(sim.random.random())
            if mended:
                await ask("db", "add 1")
            else:
                found = int(await ask("db", "get"))
                await ask("db", f"set {found + 1}")

    sim.host("db", serve, answering(serve_number))
    await giambio.sleep(0.1)
    clients = [sim.host(name, client) for name in ("ann", "ben")]
    for host in clients:
        await host.join()
    assert number == 6, f"of 6 additions {6 - number} are lost"


# -- a doubled order --------------------------------------------------------------------------


async def ordering(sim: Simulation, mended: bool) -> None:
    """A client that has heard no answer orders once more."""
    orders: list[str] = []

    async def order(name: str) -> str:
        await giambio.sleep(0.05)
        if not (mended and name in orders):
            orders.append(name)
        return "thanks"

    async def client() -> None:
        for number in range(10):
            await until_answered("shop", f"order{number}")
            await giambio.sleep(0.2)

    sim.host("shop", serve, answering(order))
    await giambio.sleep(0.1)
    await sim.host("client", client).join()
    assert len(orders) == 10, f"10 orders came to {len(orders)}"


# -- a deadlock after a reset -----------------------------------------------------------------


async def locking(sim: Simulation, mended: bool) -> None:
    """A server has a thing that one client at a time may use, as long as it is connected."""
    free = giambio.Semaphore(1)

    async def lend(stream: Any) -> None:
        await free.acquire()
        try:
            await stream.send_all(b"it is yours")
            await stream.receive()
        except BaseException:
            if mended:
                free.release()
            raise
        free.release()

    async def client() -> None:
        for _ in range(5):
            try:
                async with giambio.connect_tcp("library", PORT) as stream:
                    await stream.receive()
                    await giambio.sleep(0.2)
                    await stream.send_all(b"done")
            except LOST:
                pass
            await giambio.sleep(0.1)

    sim.host("library", serve, lend)
    await giambio.sleep(0.1)
    clients = [sim.host(name, client) for name in ("ann", "ben")]
    for host in clients:
        await host.join()


# -- a forgotten cancellation -----------------------------------------------------------------


async def reserving(sim: Simulation, mended: bool) -> None:
    """A client whose time is over gives its seat back: by a request, which is cancelled, too."""
    # What is to be taken may be heard of after it was released: TCP sends again what was lost.
    asked: dict[str, set[str]] = {"take": set(), "release": set()}

    async def reserve(word: str, who: str) -> str:
        asked[word].add(who)
        return "done"

    async def client() -> None:
        for number in range(5):
            await until_answered("theatre", f"take {number}")
            with giambio.move_on_after(1):
                try:
                    await giambio.sleep(0.1)
                    await until_answered("bank", "pay me")
                finally:
                    with giambio.CancelScope(shield=mended):
                        await until_answered("theatre", f"release {number}")

    async def pay(*_: str) -> str:
        return "paid"

    sim.host("theatre", serve, answering(reserve))
    sim.host("bank", serve, answering(pay))
    await giambio.sleep(0.1)
    await sim.host("client", client).join()
    assert asked["take"] == asked["release"], "a seat is taken for ever"


# -- a split brain ----------------------------------------------------------------------------


async def leading(sim: Simulation, mended: bool) -> None:
    """One of two leads. The other one does when it has heard nothing for two seconds."""
    leaders: set[str] = set()

    async def first() -> None:
        leaders.add("first")
        async with giambio.connect_udp("second", PORT) as other:
            heard = giambio.current_time()
            while not mended or giambio.current_time() < heard + 1:
                sent = giambio.current_time()
                await other.send(b"I lead")
                with giambio.move_on_after(0.2):
                    await other.receive()
                    heard = sent
                await giambio.sleep_until(sent + 0.2)
        leaders.discard("first")

    async def second() -> None:
        async with giambio.open_udp(PORT, host="0.0.0.0") as sock:
            try:
                while True:
                    with giambio.fail_after(2):
                        data, sender = await sock.receive_from()
                    await sock.send_to(data, sender)
            except TimeoutError:
                leaders.add("second")

    sim.always(lambda: len(leaders) <= 1)
    sim.host("second", second)
    sim.host("first", first)
    await giambio.sleep(20)


SYSTEMS = [
    # The kind of its failure, the faults of a run, and how many of them are needed at the most.
    pytest.param(counting, AssertionError, Faults(partitions=2, within=3), 1),
    pytest.param(ordering, AssertionError, Faults(partitions=2, resets=2, within=4), 1),
    pytest.param(locking, giambio.DeadlockError, Faults(resets=3, within=3), 1),
    pytest.param(reserving, AssertionError, Faults(partitions=3, within=3), 1),
    pytest.param(leading, AssertionError, Faults(partitions=3, within=10), 1),
]


@pytest.mark.parametrize(("system", "failure", "faults", "needed"), SYSTEMS)
def test_a_planted_bug_is_found_and_its_faults_are_shrunk(
    system: Callable[..., Awaitable[None]],
    failure: type[Exception],
    faults: Faults,
    needed: int,
) -> None:
    """Rules 31.9, 31.10."""
    with pytest.raises(failure) as raised:
        simulate(system, False, seeds=1000, faults=faults)
    (note,) = raised.value.__notes__
    assert len(re.findall("^  at ", note, re.MULTILINE)) <= needed, note


@pytest.mark.parametrize(("system", "failure", "faults", "needed"), SYSTEMS)
def test_nothing_is_found_when_it_is_mended(
    system: Callable[..., Awaitable[None]],
    failure: type[Exception],
    faults: Faults,
    needed: int,
) -> None:
    simulate(system, True, seeds=30, faults=faults)
