"""Helpers for the tests of `gather`, `race`, `map_concurrent` and `as_completed`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import giambio

Function = Callable[[], Awaitable[Any]]
#: A way to run several functions through one of the helpers.
Way = Callable[..., Awaitable[Any]]


async def through_gather(*functions: Function) -> Any:
    return await giambio.gather(*functions)


async def through_race(*functions: Function) -> Any:
    return await giambio.race(*functions)


async def through_map_concurrent(*functions: Function) -> Any:
    return await giambio.map_concurrent(call, functions)


async def through_map_concurrent_of_async_items(*functions: Function) -> Any:
    return await giambio.map_concurrent(call, one_by_one(functions), limit=len(functions))


async def through_as_completed(*functions: Function) -> Any:
    async with giambio.as_completed(call, functions) as results:
        return [result async for result in results]


WAYS: dict[str, Way] = {
    "gather": through_gather,
    "race": through_race,
    "map_concurrent": through_map_concurrent,
    "async items": through_map_concurrent_of_async_items,
    "as_completed": through_as_completed,
}


async def call(function: Function) -> Any:
    """What maps use to run functions."""
    return await function()


async def one_by_one(items: Any) -> AsyncIterator[Any]:
    """An async iterator that really waits between its items."""
    for item in items:
        await giambio.checkpoint()
        yield item


class Work:
    """Runs tasks until they are told to go on, and keeps count of them."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self.cancelled: list[Any] = []

    async def forever(self, item: Any = None) -> None:
        """Run until cancelled."""
        await self.steps(item, None)

    async def steps(self, item: Any, count: int | None = 3, together: int = 0) -> Any:
        """Run for so many turns, and until so many have run at once; return the item."""
        self.running += 1
        self.most = max(self.most, self.running)
        self.started.append(item)
        try:
            if count is None:
                await giambio.sleep_forever()
            for _ in range(count or 0):
                await giambio.checkpoint()
            while self.most < together:
                await giambio.checkpoint()
            return item
        except giambio.CancelledError:
            self.cancelled.append(item)
            raise
        finally:
            self.running -= 1
            self.ended.append(item)

    async def fail_beside(self, count: int, error: BaseException) -> None:
        """Raise when so many are running."""
        while self.running < count:
            await giambio.checkpoint()
        raise error


async def fail(error: BaseException, steps: int = 0) -> None:
    """Raise after so many turns of the loop."""
    for _ in range(steps):
        await giambio.checkpoint()
    raise error


async def fail_when_cancelled(error: BaseException) -> None:
    """Run until cancelled, and break down in the clean-up."""
    try:
        await giambio.sleep_forever()
    finally:
        raise error


def never() -> Any:
    """A coroutine that must not run, and warns if it is not closed."""

    async def must_not_run() -> None:
        raise AssertionError("must not run")

    return must_not_run()
