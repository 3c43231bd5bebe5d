"""Trio. Its tasks have no result and cannot be joined alone: a nursery joins them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import trio

from tasks._work import AN_HOUR, BLOCK, BREATH, DEPTH, FAR_AWAY, PROGRAM, YIELDERS, delays

DESCRIPTION = f"Trio {trio.__version__}"
run = trio.run


async def child() -> int:
    return 1


async def spawn(n: int) -> None:
    for _ in range(n):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)


async def spawn_block(n: int) -> None:
    for _ in range(n // BLOCK):
        async with trio.open_nursery() as nursery:
            for _ in range(BLOCK):
                nursery.start_soon(child)


async def checkpoint(n: int) -> None:
    async def take_turns() -> None:
        for _ in range(n // YIELDERS):
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(YIELDERS):
            nursery.start_soon(take_turns)


async def checkpoint_alone(n: int) -> None:
    for _ in range(n):
        await trio.lowlevel.checkpoint()


async def channel(n: int) -> None:
    send, receive = trio.open_memory_channel[int](1)

    async def produce() -> None:
        async with send:
            for i in range(n):
                await send.send(i)

    async with trio.open_nursery() as nursery, receive:
        nursery.start_soon(produce)
        async for _ in receive:
            pass


async def sleepers(n: int) -> None:
    async with trio.open_nursery() as nursery:
        for delay in delays(n):
            nursery.start_soon(trio.sleep, delay)


async def timeout(n: int) -> None:
    for _ in range(n // BREATH):
        for _ in range(BREATH):
            with trio.move_on_after(FAR_AWAY):
                pass
        await trio.lowlevel.checkpoint()


async def lock(n: int) -> None:
    """A lock that is free."""
    free = trio.Lock()
    for _ in range(n):
        async with free:
            pass


async def semaphore(n: int) -> None:
    """A semaphore with a permit that is free."""
    free = trio.Semaphore(1)
    for _ in range(n):
        async with free:
            pass


async def cancel(n: int) -> None:
    """A task that waits in a block, and is cancelled and joined there."""
    for _ in range(n):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def deep_scopes(n: int) -> None:
    with ExitStack() as stack:
        for _ in range(DEPTH):
            stack.enter_context(trio.CancelScope())
        for _ in range(n):
            with trio.CancelScope() as scope:
                scope.cancel()
                await trio.lowlevel.checkpoint()


async def thread(n: int) -> None:
    for _ in range(n):
        await trio.to_thread.run_sync(int)


async def process(n: int) -> None:
    for _ in range(n):
        await trio.run_process([PROGRAM], stdin=None)


async def idle_tasks(n: int, parked: Callable[[], None]) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(trio.sleep_forever)
        await trio.sleep(0.1)
        parked()
        nursery.cancel_scope.cancel()


async def crowd(n: int, parked: Callable[[], None], turn: Callable[[], None]) -> None:
    async def take_turns() -> None:
        while True:
            turn()
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        for _ in range(n // BLOCK):
            for _ in range(BLOCK):
                nursery.start_soon(trio.sleep, AN_HOUR)
            await trio.lowlevel.checkpoint()
        parked()
        nursery.cancel_scope.cancel()
