"""The first program ever written for giambio, with three servers to run it against.

The servers are on the loopback, and each waits a moment before it greets, as a
distant server would. Two tasks that wait at the same time take no longer than one.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, TextIO

import giambio
from giambio.demo.system import local_addresses

__all__ = ["show_scraper"]

NAMES = ["example.com", "some-domain.tld", "other-site.net"]
SECONDS_BEFORE_GREETING = 0.1
TASKS = 2

#: The addresses of the names, in place of a resolver.
Sites = dict[str, tuple[str, int]]


async def show_scraper(output: TextIO) -> None:
    """Scrape concurrently and one by one, and print the greetings and the times."""
    async with greeting_servers() as sites:
        began = perf_counter()
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(io_bound_task, sites) for _ in range(TASKS)]
        together = perf_counter() - began

        began = perf_counter()
        for _ in range(TASKS):
            await io_bound_task(sites)
        one_by_one = perf_counter() - began

    for number, task in enumerate(tasks, 1):
        for name, greeting in zip(NAMES, task.result(), strict=True):
            host, port = sites[name]
            output.write(f"  task {number}: {name} ({host}:{port}) said {greeting.decode()!r}\n")
    times = f"  {TASKS} tasks concurrently: {together:.2f} s; one by one: {one_by_one:.2f} s"
    print(times, file=output, flush=True)


async def io_bound_task(sites: Sites) -> list[bytes]:
    """Read the greetings of all sites, one after the other."""
    res = []
    for name in NAMES:
        with giambio.wrap_socket(socket.socket()) as sock:
            await sock.connect(sites[name])
            res.append(await sock.receive(1024))
    return res


@asynccontextmanager
async def greeting_servers() -> AsyncIterator[Sites]:
    """Run three servers, each on an address of its own if the system has as many."""
    addresses = local_addresses(2, len(NAMES))
    sites: Sites = {}
    async with giambio.TaskManager() as manager:
        for number, name in enumerate(NAMES):
            address = addresses[number % len(addresses)]
            sites[name] = await manager.start(greeting_server, name, address)
        yield sites
        manager.cancel("the scraper is done")


async def greeting_server(name: str, address: str, task_status: giambio.TaskStatus) -> None:
    """Greet each client, after a moment."""
    listener = giambio.wrap_socket(socket.create_server((address, 0)))
    async with listener, giambio.TaskManager() as manager:
        task_status.started(listener.getsockname())
        while True:
            manager.start_soon(greet, name, *await listener.accept())


async def greet(name: str, sock: giambio.AsyncSocket, address: Any) -> None:
    """Serve one connection."""
    with sock:
        await giambio.sleep(SECONDS_BEFORE_GREETING)
        await sock.send_all(f"hello from {name}".encode())
