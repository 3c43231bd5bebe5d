"""How fast is a simulation, beside the others that there are for Python?

    pip install simloop simloom          # they need Python 3.12
    python benchmarks/simulation.py
    python benchmarks/simulation.py --round-trips 1000 --seconds 600 --rounds 1

The same two asyncio programs run in each, by one seed: a client and a server that exchange short
lines over a connection, and ten hosts each of which asks each other one how it is, every second.
Ours also runs them written for giambio. The figures are the best of the rounds, in which all
take turns: round trips for each second of processor time, and simulated seconds for each.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import giambio
from giambio.testing import Simulation, simulate

RATIO_SHOULD_BE = 1.5
HOSTS = 10
PORT = 7
#: How many lines a connection has, where it is about round trips: simloom stops after some 150.
LINES = 100


# -- the programs, for asyncio -----------------------------------------------------------------


async def serve_lines(name: str) -> None:
    """Send each line back, on the host of that name."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, name, PORT)
    async with server:
        await server.serve_forever()


async def ask_lines(server: str, count: int, pause: float = 0.0) -> None:
    """Send so many lines, one after the other."""
    reader, writer = await asyncio.open_connection(server, PORT)
    for _ in range(count):
        writer.write(b"how are you?\n")
        assert await reader.readline() == b"how are you?\n"
        if pause:
            await asyncio.sleep(pause)
    writer.close()


async def ask_in_turn(server: str, count: int) -> None:
    """Send so many lines, with a new connection now and then."""
    for _ in range(count // LINES):
        await ask_lines(server, LINES)


async def ask_all(names: list[str], seconds: int) -> None:
    """Ask all hosts once a second."""
    await asyncio.gather(*(ask_lines(name, seconds, 1.0) for name in names))


# -- the same for giambio ----------------------------------------------------------------------


async def serve_lines_natively(name: str) -> None:
    """Send each line back, on the host of that name."""

    async def echo(stream: giambio.AsyncSocket) -> None:
        while data := await stream.receive():
            await stream.send_all(data)

    await giambio.serve_tcp(echo, PORT, host=name)


async def ask_lines_natively(server: str, count: int, pause: float = 0.0) -> None:
    """Send so many lines, one after the other."""
    async with giambio.connect_tcp(server, PORT) as stream:
        for _ in range(count):
            await stream.send_all(b"how are you?\n")
            assert await stream.receive() == b"how are you?\n"
            if pause:
                await giambio.sleep(pause)


async def ask_in_turn_natively(server: str, count: int) -> None:
    """Send so many lines, with a new connection now and then."""
    for _ in range(count // LINES):
        await ask_lines_natively(server, LINES)


async def ask_all_natively(names: list[str], seconds: int) -> None:
    """Ask all hosts once a second."""
    async with giambio.TaskManager() as manager:
        for name in names:
            manager.start_soon(ask_lines_natively, name, seconds, 1.0)


# -- the simulators ----------------------------------------------------------------------------


def in_giambio(native: bool) -> Callable[[int, int], None]:
    """Return what runs a program in a simulation of ours."""
    serve: Any = serve_lines_natively if native else serve_lines
    ask: Any = ask_in_turn_natively if native else ask_in_turn
    ask_of_all: Any = ask_all_natively if native else ask_all

    def run(round_trips: int, seconds: int) -> None:
        async def system(sim: Simulation) -> None:
            if round_trips:
                sim.host("server", serve, "server")
                await giambio.sleep(1)
                await sim.host("client", ask, "server", round_trips).join()
                return
            names = [f"host{number}" for number in range(HOSTS)]
            for name in names:
                sim.host(name, serve, name)
            await giambio.sleep(1)
            clients = [
                sim.host(f"client{number}", ask_of_all, names, seconds) for number in range(HOSTS)
            ]
            for client in clients:
                await client.join()

        simulate(system, seed=1, timeout=10.0 * (seconds + round_trips + 10))

    return run


def in_simloop(round_trips: int, seconds: int) -> None:
    """Run a program in simloop."""
    from simloop import explore

    async def system() -> None:
        loop: Any = asyncio.get_running_loop()
        if round_trips:
            loop.net.host("server").create_task(serve_lines("server"))
            await asyncio.sleep(1)
            await loop.net.host("client").create_task(ask_in_turn("server", round_trips))
            return
        names = [f"host{number}" for number in range(HOSTS)]
        for name in names:
            loop.net.host(name).create_task(serve_lines(name))
        await asyncio.sleep(1)
        await asyncio.gather(
            *(
                loop.net.host(f"client{number}").create_task(ask_all(names, seconds))
                for number in range(HOSTS)
            )
        )

    explore(system, seeds=[1])


def in_simloom(round_trips: int, seconds: int) -> None:
    """Run a program in simloom."""
    import simloom

    async def system(world: Any) -> None:
        done: list[str] = []

        async def client(name: str, work: Callable[[], Any]) -> None:
            await work()
            done.append(name)

        if round_trips:
            world.host("server").spawn(lambda: serve_lines("server"))
            await world.sleep(1)
            world.host("client").spawn(
                lambda: client("client", lambda: ask_in_turn("server", round_trips))
            )
            await world.until(lambda: done, timeout=1e9)
            return
        names = [f"host{number}" for number in range(HOSTS)]
        for name in names:
            world.host(name).spawn(lambda name=name: serve_lines(name))
        await world.sleep(1)
        for number in range(HOSTS):
            name = f"client{number}"
            world.host(name).spawn(lambda name=name: client(name, lambda: ask_all(names, seconds)))
        await world.until(lambda: len(done) == HOSTS, timeout=1e9)

    simloom.run(system, seed=1)


SIMULATORS: dict[str, Callable[[int, int], None]] = {
    "giambio, native": in_giambio(native=True),
    "giambio, asyncio": in_giambio(native=False),
    "simloop": in_simloop,
    "simloom": in_simloom,
}


def cpu_of(work: Callable[[], None]) -> float:
    """Return the processor time that something takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--round-trips", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable()  # asyncio of 3.11 reports each reader that is cancelled at the end
    trips: dict[str, list[float]] = {name: [] for name in SIMULATORS}
    heartbeats: dict[str, list[float]] = {name: [] for name in SIMULATORS}
    for _ in range(arguments.rounds):
        for name, run in SIMULATORS.items():
            try:
                took = cpu_of(lambda run=run: run(arguments.round_trips, 0))
                trips[name].append(arguments.round_trips / took)
                took = cpu_of(lambda run=run: run(0, arguments.seconds))
                heartbeats[name].append(arguments.seconds / took)
            except ImportError as exc:
                print(f"{name} is left out: {exc}")
    print(f"{'':18} round trips / s   simulated s / s, {HOSTS} hosts")
    for name in SIMULATORS:
        if trips[name]:
            print(f"{name:18} {max(trips[name]):15.0f}   {max(heartbeats[name]):15.1f}")
    others = [name for name in ("simloop", "simloom") if trips[name]]
    for what, found in (("round trips", trips), ("simulated seconds", heartbeats)):
        if others:
            best = max(max(found[name]) for name in others)
            ratio = max(found["giambio, asyncio"]) / best
            print(f"{what}: {ratio:.2f} x the best of the others (goal {RATIO_SHOULD_BE})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
