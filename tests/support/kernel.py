"""What the tests of the kernel share: a clock set by hand, and driving by turns."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import giambio


class ManualClock:
    """A clock that stands still until it is set, and jumps instead of waiting."""

    def __init__(self, time: float = 100.0, jumps: bool = True) -> None:
        self.time = time
        self.jumps = jumps

    def now(self) -> float:
        return self.time

    def wait_time(self, deadline: float) -> float:
        if self.jumps:
            self.time = max(self.time, deadline)
        return 0.0


def finish(loop: giambio.EventLoop, task: giambio.Task[Any]) -> Any:
    """Turn a loop that was begun until its main task is done, and end it."""
    while not task.done():
        loop.turn()
    return loop.end()


def patience() -> int:
    """For how many turns to wait where one is enough in turn.

    A random schedule may have an operation give way several times before it does anything.
    """
    return 10 if os.environ.get("GIAMBIO_SEED") else 1


async def turns(count: int) -> None:
    """Let so many turns pass, in turn; more under a random schedule."""
    for _ in range(count * patience()):
        await giambio.cancel_shielded_checkpoint()


@contextmanager
def without_collector() -> Iterator[None]:
    """Have only reference counts free anything, and leave no old garbage behind."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def garbage_that_calls(function: Callable[[], object]) -> Iterator[None]:
    """Leave garbage that calls a function when somebody collects it; Python does not by itself."""

    class Garbage:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            function()

    with without_collector():
        Garbage()
        yield
