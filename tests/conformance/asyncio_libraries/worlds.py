"""The two ways in which a library of asyncio's runs on giambio, and what has to be left after it.

A is asyncio's program on giambio's loop, B is giambio's program that awaits what asyncio's
libraries offer. Plain asyncio is there for comparison, with ``--world=asyncio``: what fails there,
too, is the library's own.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import giambio
import giambio.asyncio
from support.net import open_descriptors

__all__ = ["WORLDS", "World", "eventually", "side_by_side"]

#: How long what a program has left may take to go away, in seconds.
SECONDS_TO_SETTLE = 5.0


@dataclass(frozen=True)
class World:
    """One way to run a program.

    Attributes:
        name: "A", "B" or "asyncio".
        start: runs a coroutine function.
    """

    name: str
    start: Callable[[Callable[[], Any]], Any]

    @property
    def has_giambio(self) -> bool:
        return self.name != "asyncio"

    def run(
        self, main: Callable[[], Awaitable[Any]], *, own: str = "", own_descriptors: bool = False
    ) -> None:
        """Run a program, which has to leave no task, descriptor or timer behind.

        Parameters:
            main: the program.
            own: a problem that the library has on plain asyncio, too: a part of its text.
            own_descriptors: whether the library keeps descriptors on plain asyncio, too.
        """

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(note)
            before = open_descriptors()
            await main()
            if own_descriptors:
                before = open_descriptors()
            await eventually(lambda: not left_behind(before), lambda: left_behind(before))

        problems: list[str] = []

        def note(loop: Any, context: dict[str, Any]) -> None:
            if not own or own not in str(context):
                problems.append(str(context))

        self.start(watched)
        assert not problems, problems


WORLDS = {
    world.name: world
    for world in (
        World("A", lambda main: giambio.asyncio.run(main())),
        World("B", giambio.run),
        World("asyncio", lambda main: asyncio.run(main())),
    )
}


def left_behind(descriptors: set[int]) -> str:
    """Describe what the program in this loop has left; an empty string for nothing."""
    me = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not me]
    timers = [
        timer
        for timer in gc.get_objects()
        if type(timer).__name__ == "TimerHandle" and timer._scheduled and not timer._cancelled
    ]
    found = {
        "tasks": tasks,
        # Not the one that `eventually` itself waits for.
        "timers": [timer for timer in timers if timer._when > asyncio.get_running_loop().time()],
        "descriptors": [
            os.readlink(f"/proc/self/fd/{fd}") for fd in open_descriptors() - descriptors
        ],
    }
    return ", ".join(f"{name}: {what}" for name, what in found.items() if what)


async def eventually(
    holds: Callable[[], object], describe: Callable[[], object] = lambda: "it does not hold"
) -> None:
    """Wait until a condition holds that depends on another process, too.

    Raises:
        AssertionError: it still does not, after five seconds.
    """
    end = time.monotonic() + SECONDS_TO_SETTLE
    while not holds():
        assert time.monotonic() < end, describe()
        await asyncio.sleep(0.01)


async def side_by_side(world: World, function: Callable[..., Any], arguments: Any) -> None:
    """Call a function in several tasks: asyncio's in A, and those of a TaskManager in B."""
    if world.name == "B":
        async with giambio.TaskManager() as manager:
            for argument in arguments:
                await manager.spawn(function, argument)
    else:
        async with asyncio.TaskGroup() as group:
            for argument in arguments:
                group.create_task(function(argument))
