"""uvloop: the same programs as asyncio's, on the faster loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import uvloop

from tasks.asyncio_ import (
    call_later,
    call_soon,
    cancel,
    channel,
    checkpoint,
    checkpoint_alone,
    crowd,
    deep_scopes,
    future,
    idle_tasks,
    lock,
    process,
    semaphore,
    sleepers,
    spawn,
    spawn_block,
    thread,
    timeout,
)

__all__ = [
    "DESCRIPTION",
    "call_later",
    "call_soon",
    "cancel",
    "channel",
    "checkpoint",
    "checkpoint_alone",
    "crowd",
    "deep_scopes",
    "future",
    "idle_tasks",
    "lock",
    "process",
    "run",
    "semaphore",
    "sleepers",
    "spawn",
    "spawn_block",
    "thread",
    "timeout",
]

DESCRIPTION = f"uvloop {version('uvloop')}"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    uvloop.run(function(*args))
