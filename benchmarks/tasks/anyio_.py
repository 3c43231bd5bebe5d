"""AnyIO on uvloop, its fastest backend."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import anyio.lowlevel
import anyio.to_thread

import anyio
from tasks._work import BLOCK, BREATH, FAR_AWAY, YIELDERS, delays

DESCRIPTION = f"AnyIO {version('anyio')} on uvloop {version('uvloop')}"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    anyio.run(function, *args, backend="asyncio", backend_options={"use_uvloop": True})


async def child() -> int:
    return 1


async def spawn(n: int) -> None:
    for _ in range(n):
        async with anyio.create_task_group() as group:
            group.start_soon(child)


async def spawn_block(n: int) -> None:
    for _ in range(n // BLOCK):
        async with anyio.create_task_group() as group:
            for _ in range(BLOCK):
                group.start_soon(child)


async def checkpoint(n: int) -> None:
    async def take_turns() -> None:
        for _ in range(n // YIELDERS):
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        for _ in range(YIELDERS):
            group.start_soon(take_turns)


async def channel(n: int) -> None:
    send, receive = anyio.create_memory_object_stream[int](1)

    async def produce() -> None:
        async with send:
            for i in range(n):
                await send.send(i)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        async for _ in receive:
            pass


async def sleepers(n: int) -> None:
    async with anyio.create_task_group() as group:
        for delay in delays(n):
            group.start_soon(anyio.sleep, delay)


async def timeout(n: int) -> None:
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            with anyio.move_on_after(FAR_AWAY):
                pass
        await anyio.lowlevel.checkpoint()


async def thread(n: int) -> None:
    for _ in range(n):
        await anyio.to_thread.run_sync(int)


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(n):
            group.start_soon(anyio.sleep_forever)
        await anyio.sleep(0.1)
        parked()
        group.cancel_scope.cancel()
