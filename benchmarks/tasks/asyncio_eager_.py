"""asyncio whose tasks begin where they are made, which it offers since Python 3.12.

A task that does not wait has ended by then, and the loop never hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tasks.asyncio_ import spawn, spawn_block

__all__ = ["DESCRIPTION", "run", "spawn", "spawn_block"]

DESCRIPTION = "asyncio"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await function(*args)

    asyncio.run(main())
