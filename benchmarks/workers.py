"""What does a request cost with one worker, with two, and with an ASGI application?

    python benchmarks/workers.py
    python benchmarks/workers.py --rounds 3 --requests 2000

`python -m giambio serve` serves an echo (a connection for each request, and many requests on each
of a few connections) and, where uvicorn is installed, an ASGI application. What is compared is the
CPU time of the workers for each request, because the generator shares their cores. Two workers
that cost as much per request as one serve twice as many on cores of their own; so twice the ratio
is what two cores of their own would give. The figures are the medians of the rounds, in which all
ways take turns.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import giambio
from harness.usage import usage

CLIENTS = 20
SPEEDUP_SHOULD_BE = 1.8

SERVICE = """
import giambio

async def handler(stream):
    while data := await stream.receive():
        await stream.send_all(data)

async def main():
    await giambio.serve_listeners(handler, giambio.inherited_listeners())

async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})
"""

Ask = Callable[[int, int], Awaitable[None]]


async def connect_each(port: int, requests: int) -> None:
    """Ask as often, each time by a connection of its own."""
    for _ in range(requests):
        async with giambio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send_all(b"a request")
            await stream.receive()


async def keep_open(port: int, requests: int, request: bytes = b"a request") -> None:
    """Ask as often by one connection."""
    async with giambio.connect_tcp("127.0.0.1", port) as stream:
        for _ in range(requests):
            await stream.send_all(request)
            await stream.receive()


http = functools.partial(keep_open, request=b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

#: What is served, by which options, and how it is asked.
WAYS: dict[str, tuple[list[str], Ask]] = {
    "a connection each": (["service:main"], connect_each),
    "a connection each, --reuse-port": (["service:main", "--reuse-port"], connect_each),
    "connections kept": (["service:main"], keep_open),
}
if importlib.util.find_spec("uvicorn") is not None:
    WAYS["ASGI"] = (["service:app"], http)


@contextmanager
def served(folder: str, options: list[str], workers: int) -> Iterator[tuple[int, list[int]]]:
    """A service: its port, and the process numbers of its workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "giambio", "serve", *options, "--workers", str(workers)]
    with subprocess.Popen(
        [*command, "--bind", f"tcp://127.0.0.1:{port}"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        pids = []
        for line in process.stderr:
            if line.endswith("is ready\n"):
                pids.append(int(line.split()[-3]))
            elif line.endswith("serving\n"):
                break
        try:
            yield port, pids
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def measure(folder: str, way: str, workers: int, requests: int) -> float:
    """Return the microseconds of CPU time that a request costs the workers."""
    options, ask = WAYS[way]

    async def all_clients(port: int, each: int) -> None:
        async with giambio.TaskManager() as manager:
            for _ in range(CLIENTS):
                manager.start_soon(ask, port, each)

    with served(folder, options, workers) as (port, pids):
        giambio.run(all_clients, port, max(1, requests // CLIENTS // 10))  # to warm up
        before = sum(usage(pid).cpu for pid in pids)
        giambio.run(all_clients, port, requests // CLIENTS)
        return (sum(usage(pid).cpu for pid in pids) - before) / requests * 1e6


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=10_000, help="in each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "service.py").write_text(SERVICE)
        found: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.rounds):
            for way in WAYS:
                for workers in (1, 2):
                    cost = measure(folder, way, workers, options.requests)
                    found.setdefault((way, workers), []).append(cost)
    for way in WAYS:
        one, two = (statistics.median(found[way, workers]) for workers in (1, 2))
        print(
            f"{way}: {one:.1f} µs with 1 worker, {two:.1f} with 2; two cores would give "
            f"{2 * one / two:.2f} ×, the goal is {SPEEDUP_SHOULD_BE}"
        )


if __name__ == "__main__":
    main()
