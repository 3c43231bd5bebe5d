"""Operations of a library that are cancelled at random points, in every way that there is."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import giambio
from conformance.asyncio_libraries.worlds import World, side_by_side

__all__ = ["SEED", "cancelled_at_random"]

SEED = 17
#: Operations that are run, a quarter of them for each way to cancel.
TIMES = 120
#: How many at once.
WORKERS = 4
#: Cancelling comes after a random time, up to one that grows by so much with each operation that
#: is cut short, and shrinks by as much with each that is not: so both happen on any machine.
GROWTH = 1.1

Operation = Callable[[], Awaitable[object]]


async def by_scope(operation: Operation, seconds: float) -> bool:
    """Cancel by the deadline of a scope; tell whether that cut the operation short."""
    with giambio.move_on_after(seconds) as scope:
        await operation()
    return scope.cancelled_caught


async def by_manager(operation: Operation, seconds: float) -> bool:
    """Cancel by a TaskManager, from the outside."""
    async with giambio.TaskManager() as manager:
        task = await manager.spawn(operation)
        await giambio.sleep(seconds)
        manager.cancel()
    return task.cancelled()


async def by_timeout(operation: Operation, seconds: float) -> bool:
    """Cancel by asyncio's timeout."""
    try:
        async with asyncio.timeout(seconds):
            await operation()
    except TimeoutError:
        return True
    return False


async def by_task(operation: Operation, seconds: float) -> bool:
    """Cancel a task of asyncio's."""

    async def main() -> None:
        await operation()

    task = asyncio.create_task(main())
    await asyncio.sleep(seconds)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def cancelled_at_random(
    world: World, operation: Operation, *, times: int = TIMES, workers: int = WORKERS
) -> None:
    """Run an operation many times, and cut most of them short.

    Parameters:
        world: says which ways to cancel there are.
        operation: raises if its result is wrong, for instance another operation's.
        times: how often.
        workers: how many at once.

    Raises:
        AssertionError: too few of them were cut short, or came to their end.
    """
    chance = random.Random(SEED)
    ways = [by_timeout, by_task] + ([by_scope, by_manager] if world.has_giambio else [])
    todo = [ways[number % len(ways)] for number in range(times)]
    outcomes = []
    begin = time.monotonic()
    await operation()
    longest = workers * (time.monotonic() - begin)

    async def work(worker: int) -> None:
        nonlocal longest
        while todo:
            cut_short = await todo.pop()(operation, longest * chance.random() ** 2)
            longest *= GROWTH if cut_short else 1 / GROWTH
            outcomes.append(cut_short)

    await side_by_side(world, work, range(workers))
    assert len(outcomes) == times
    assert times / 20 < sum(outcomes) < times, f"{sum(outcomes)} of {times} were cut short"
