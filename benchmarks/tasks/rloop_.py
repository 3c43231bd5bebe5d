"""RLoop: some of asyncio's programs, on an event loop in Rust."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import rloop

from tasks.asyncio_ import checkpoint, checkpoint_alone, spawn, spawn_block

__all__ = ["DESCRIPTION", "checkpoint", "checkpoint_alone", "run", "spawn", "spawn_block"]

DESCRIPTION = f"RLoop {version('rloop')}"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    with asyncio.Runner(loop_factory=rloop.new_event_loop) as runner:
        runner.run(function(*args))
