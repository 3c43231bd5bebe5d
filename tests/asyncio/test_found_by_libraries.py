"""What asyncio's libraries have found, each in its smallest form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import giambio
import giambio.asyncio
from support.kernel import turns

Run = Callable[..., Any]


def test_a_cancelled_task_does_not_overtake_the_callbacks_of_its_future(run: Run) -> None:
    """The order in which a future calls back is that in which it was asked to.

    redis-py: a socket was connected in the turn in which a manager was cancelled. The task went on
    before asyncio had stopped watching the socket, and "descriptor is used by transport" followed.
    """
    order: list[str] = []

    async def wait(future: asyncio.Future[str]) -> None:
        future.add_done_callback(lambda _: order.append("callback"))
        order.append(await future)

    async def main() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with giambio.TaskManager() as manager:
            await manager.spawn(wait, future)
            await turns(3)
            manager.cancel()
            future.set_result("task")
        assert order == ["callback", "task"]

    run(main)
