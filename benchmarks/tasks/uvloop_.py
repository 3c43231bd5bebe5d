"""uvloop: the same programs as asyncio's, on the faster loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import uvloop

from tasks.asyncio_ import (
    channel,
    checkpoint,
    idle_tasks,
    sleepers,
    spawn,
    spawn_block,
    thread,
    timeout,
)

__all__ = [
    "DESCRIPTION",
    "channel",
    "checkpoint",
    "idle_tasks",
    "run",
    "sleepers",
    "spawn",
    "spawn_block",
    "thread",
    "timeout",
]

DESCRIPTION = f"uvloop {version('uvloop')}"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    uvloop.run(function(*args))
