"""giambio, as its README writes it."""

from __future__ import annotations

from collections.abc import Callable

import giambio
from tasks._work import BLOCK, BREATH, FAR_AWAY, YIELDERS, delays

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


async def thread(n: int) -> None:
    for _ in range(n):
        await giambio.to_thread(int)


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    async with giambio.TaskManager() as manager:
        for _ in range(n):
            await manager.spawn(giambio.sleep_forever)
        await giambio.sleep(0.1)
        parked()
        manager.cancel()
