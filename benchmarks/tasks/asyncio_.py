"""asyncio on its own event loop, with what its documentation recommends since 3.11."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from tasks._work import AN_HOUR, BLOCK, BREATH, DEPTH, FAR_AWAY, PROGRAM, YIELDERS, delays

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


async def checkpoint_alone(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def channel(n: int) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def produce() -> None:
        for i in range(n):
            await queue.put(i)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(n):
            await queue.get()


async def call_soon(n: int) -> None:
    """Callbacks, a hundred in each turn of the loop."""
    loop = asyncio.get_running_loop()
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            loop.call_soon(nothing)
        await asyncio.sleep(0)


async def call_later(n: int) -> None:
    """Timers that are cancelled before they are due, as those of timeouts mostly are."""
    loop = asyncio.get_running_loop()
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            loop.call_later(FAR_AWAY, nothing).cancel()
        await asyncio.sleep(0)


def nothing() -> None:
    """Be called."""


async def future(n: int) -> None:
    """Wait for a future that a callback completes."""
    loop = asyncio.get_running_loop()
    for _ in range(n):
        waiting = loop.create_future()
        loop.call_soon(waiting.set_result, None)
        await waiting


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


async def lock(n: int) -> None:
    """A lock that is free."""
    free = asyncio.Lock()
    for _ in range(n):
        async with free:
            pass


async def semaphore(n: int) -> None:
    """A semaphore with a permit that is free."""
    free = asyncio.Semaphore(1)
    for _ in range(n):
        async with free:
            pass


async def cancel(n: int) -> None:
    """A task that waits in a block, and is cancelled and joined there."""
    for _ in range(n):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(idle())
            await asyncio.sleep(0)
            task.cancel()


async def deep_scopes(n: int) -> None:
    """A timeout that has passed, as there is no scope that could be cancelled."""
    async with AsyncExitStack() as stack:
        for _ in range(DEPTH):
            await stack.enter_async_context(asyncio.timeout(None))
        for _ in range(n):
            try:
                async with asyncio.timeout(0):
                    await idle()
            except TimeoutError:
                pass


async def thread(n: int) -> None:
    for _ in range(n):
        await asyncio.to_thread(int)


async def process(n: int) -> None:
    for _ in range(n):
        process = await asyncio.create_subprocess_exec(PROGRAM)
        await process.wait()


async def idle() -> None:
    """Wait for an event of one's own, as there is no `sleep_forever`."""
    await asyncio.Event().wait()


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    tasks = [asyncio.create_task(idle()) for _ in range(n)]
    await asyncio.sleep(0.1)
    parked()
    for task in tasks:
        task.cancel()


async def crowd(n: int, parked: Callable[[], None], turn: Callable[[], None]) -> None:
    async def take_turns() -> None:
        while True:
            turn()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(take_turns())]
    for _ in range(n // BLOCK):
        tasks += [asyncio.create_task(asyncio.sleep(AN_HOUR)) for _ in range(BLOCK)]
        await asyncio.sleep(0)
    parked()
    for task in tasks:
        task.cancel()
