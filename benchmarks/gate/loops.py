"""Small loops through the kernel, each of which does one operation `n` times."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import giambio
from giambio.testing import VirtualClock
from tasks.giambio_ import (
    cancel,
    channel,
    checkpoint,
    checkpoint_alone,
    lock,
    semaphore,
    spawn,
    spawn_block,
    timeout,
)

__all__ = [
    "cancel",
    "channel",
    "checkpoint",
    "checkpoint_alone",
    "echo",
    "echo_monitored",
    "echo_parked",
    "echo_timed",
    "lock",
    "reference",
    "run",
    "semaphore",
    "sleep",
    "spawn",
    "spawn_block",
    "timeout",
]

MESSAGE = bytes(1024)
SLEEPERS = 100


def run(function: Callable[..., Awaitable[None]], n: int) -> None:
    """In virtual time, so that nothing depends on how fast this machine is."""
    giambio.run(function, n, clock=VirtualClock())


async def reference(n: int) -> None:
    """What everything is compared with: the interpreter's own work, without giambio.

    It calls, allocates, looks things up and steps a coroutine, as the loops do in between.
    """

    class Point:
        __slots__ = ("x", "y")

        def __init__(self, x: int, y: int) -> None:
            self.x = x
            self.y = y

    async def point(i: int) -> Point:
        return Point(i, i + 1)

    seen: dict[int, Any] = {}
    for i in range(n):
        found = await point(i)
        seen[i % 100] = [found.x, (found.y, found)]


async def echo(n: int) -> None:
    """The README's handler, whose message is always there already."""
    ours, theirs = map(giambio.wrap_socket, socket.socketpair())
    with ours, theirs:
        for _ in range(n):
            await theirs.send_all(MESSAGE)
            await ours.send_all(await ours.receive())
            await theirs.receive()


async def echo_parked(n: int) -> None:
    """The README's handler, which has to wait for each message, as its client for each echo."""

    async def handle(stream: giambio.ByteStream) -> None:
        while data := await stream.receive():
            await stream.send_all(data)

    ours, theirs = map(giambio.wrap_socket, socket.socketpair())
    async with giambio.TaskManager() as manager:
        await manager.spawn(handle, ours)
        with theirs:
            for _ in range(n):
                await theirs.send_all(MESSAGE)
                await theirs.receive()
    ours.close()


def echo_monitored(n: int) -> Awaitable[None]:
    """The same with the monitor on, while nobody asks it anything."""
    giambio.start_monitor()
    return echo_parked(n)


async def echo_timed(n: int) -> None:
    """The same while `python -m giambio top` has the loop take the time of each step."""
    loop = giambio.current_loop()
    loop._counters.times_steps += 1
    await echo_parked(n)
    loop._counters.times_steps -= 1


async def sleep(n: int) -> None:
    """A hundred tasks that sleep side by side, for as long as it takes."""

    async def nap(i: int) -> None:
        for k in range(n // SLEEPERS):
            await giambio.sleep(1 + i * 7919 % 101 + k)

    async with giambio.TaskManager() as manager:
        for i in range(SLEEPERS):
            await manager.spawn(nap, i)
