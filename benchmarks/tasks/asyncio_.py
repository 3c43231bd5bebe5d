"""asyncio on its own event loop, with what its documentation recommends since 3.11."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tasks._work import BLOCK, BREATH, FAR_AWAY, YIELDERS, delays

DESCRIPTION = "asyncio"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    asyncio.run(function(*args))


async def child() -> int:
    return 1


async def spawn(n: int) -> None:
    """Without a `TaskGroup`, which would only make it slower."""
    for _ in range(n):
        task = asyncio.create_task(child())
        await task


async def spawn_block(n: int) -> None:
    for _ in range(n // BLOCK):
        async with asyncio.TaskGroup() as group:
            for _ in range(BLOCK):
                group.create_task(child())


async def checkpoint(n: int) -> None:
    async def take_turns() -> None:
        for _ in range(n // YIELDERS):
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(YIELDERS):
            group.create_task(take_turns())


async def channel(n: int) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def produce() -> None:
        for i in range(n):
            await queue.put(i)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(n):
            await queue.get()


async def sleepers(n: int) -> None:
    async with asyncio.TaskGroup() as group:
        for delay in delays(n):
            group.create_task(asyncio.sleep(delay))


async def timeout(n: int) -> None:
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            async with asyncio.timeout(FAR_AWAY):
                pass
        await asyncio.sleep(0)


async def thread(n: int) -> None:
    for _ in range(n):
        await asyncio.to_thread(int)


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    """Each waits for an event of its own, as there is no `sleep_forever`."""

    async def idle() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(idle()) for _ in range(n)]
    await asyncio.sleep(0.1)
    parked()
    for task in tasks:
        task.cancel()
