"""giambio, as its README writes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import giambio
from tasks._work import AN_HOUR, BLOCK, BREATH, DEPTH, FAR_AWAY, PROGRAM, YIELDERS, delays

DESCRIPTION = str(giambio.build_info())
run = giambio.run


async def child() -> int:
    return 1


async def spawn(n: int) -> None:
    async with giambio.TaskManager() as manager:
        for _ in range(n):
            task = await manager.spawn(child)
            await task


async def spawn_block(n: int) -> None:
    for _ in range(n // BLOCK):
        async with giambio.TaskManager() as manager:
            for _ in range(BLOCK):
                await manager.spawn(child)


async def checkpoint(n: int) -> None:
    async def take_turns() -> None:
        for _ in range(n // YIELDERS):
            await giambio.checkpoint()

    async with giambio.TaskManager() as manager:
        for _ in range(YIELDERS):
            await manager.spawn(take_turns)


async def checkpoint_alone(n: int) -> None:
    for _ in range(n):
        await giambio.checkpoint()


async def channel(n: int) -> None:
    send, receive = giambio.open_channel(1)

    async def produce() -> None:
        async with send:
            for i in range(n):
                await send.send(i)

    async with giambio.TaskManager() as manager, receive:
        await manager.spawn(produce)
        async for _ in receive:
            pass


async def sleepers(n: int) -> None:
    async with giambio.TaskManager() as manager:
        for delay in delays(n):
            await manager.spawn(giambio.sleep, delay)


async def timeout(n: int) -> None:
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            with giambio.move_on_after(FAR_AWAY):
                pass
        await giambio.checkpoint()


async def lock(n: int) -> None:
    """A lock that is free."""
    free = giambio.Lock()
    for _ in range(n):
        async with free:
            pass


async def semaphore(n: int) -> None:
    """A semaphore with a permit that is free."""
    free = giambio.Semaphore(1)
    for _ in range(n):
        async with free:
            pass


async def cancel(n: int) -> None:
    """A task that waits in a block, and is cancelled and joined there."""
    for _ in range(n):
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep_forever)
            await giambio.checkpoint()
            task.cancel()


async def deep_scopes(n: int) -> None:
    with ExitStack() as stack:
        for _ in range(DEPTH):
            stack.enter_context(giambio.CancelScope())
        for _ in range(n):
            with giambio.CancelScope() as scope:
                scope.cancel()
                await giambio.checkpoint()


async def thread(n: int) -> None:
    for _ in range(n):
        await giambio.to_thread(int)


async def process(n: int) -> None:
    for _ in range(n):
        await giambio.run_process([PROGRAM])


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    async with giambio.TaskManager() as manager:
        for _ in range(n):
            await manager.spawn(giambio.sleep_forever)
        await giambio.sleep(0.1)
        parked()
        manager.cancel()


async def crowd(n: int, parked: Callable[[], None], turn: Callable[[], None]) -> None:
    async def take_turns() -> None:
        while True:
            turn()
            await giambio.checkpoint()

    async with giambio.TaskManager() as manager:
        await manager.spawn(take_turns)
        for _ in range(n // BLOCK):
            for _ in range(BLOCK):
                await manager.spawn(giambio.sleep, AN_HOUR)
            await giambio.checkpoint()
        parked()
        manager.cancel()
