"""AnyIO on uvloop, its fastest backend."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import anyio.lowlevel
import anyio.to_thread

import anyio
from tasks._work import BLOCK, BREATH, DEPTH, FAR_AWAY, PROGRAM, YIELDERS, delays

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


async def checkpoint_alone(n: int) -> None:
    for _ in range(n):
        await anyio.lowlevel.checkpoint()


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


async def lock(n: int) -> None:
    """A lock that is free."""
    free = anyio.Lock(fast_acquire=True)
    for _ in range(n):
        async with free:
            pass


async def semaphore(n: int) -> None:
    """A semaphore with a permit that is free."""
    free = anyio.Semaphore(1, fast_acquire=True)
    for _ in range(n):
        async with free:
            pass


async def cancel(n: int) -> None:
    """A task that waits in a block, and is cancelled and joined there."""
    for _ in range(n):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()


async def deep_scopes(n: int) -> None:
    with ExitStack() as stack:
        for _ in range(DEPTH):
            stack.enter_context(anyio.CancelScope())
        for _ in range(n):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anyio.lowlevel.checkpoint()


async def thread(n: int) -> None:
    for _ in range(n):
        await anyio.to_thread.run_sync(int)


async def process(n: int) -> None:
    for _ in range(n):
        await anyio.run_process([PROGRAM], stdout=None, stderr=None)


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(n):
            group.start_soon(anyio.sleep_forever)
        await anyio.sleep(0.1)
        parked()
        group.cancel_scope.cancel()
