"""What giambio changes in asyncio when both are imported, so that its tasks are known there.

The finder of `giambio.integrations` calls `adapted` when asyncio is imported, or giambio after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from giambio.asyncio import cancellation
from giambio.asyncio.host import Host
from giambio.asyncio.hosted_loop import invite
from giambio.asyncio.task_class import Task
from giambio.kernel import current, guest
from giambio.runtime.loop import open_loops

__all__ = ["SPOT", "adapted"]

#: The function that is replaced: it has to know the tasks that never were in asyncio's hands.
SPOT = "current_task"


def adapted(original: Callable[..., Any], just_loaded: bool) -> Callable[..., Any]:
    """See `finder.adapt`."""

    def current_task(loop: Any = None) -> Any:
        """Return the task that runs in a loop, by default in this thread's; None if none does."""
        kernel = current.get()
        host = None if kernel is None else kernel._guest
        if (
            isinstance(host, Host)
            and (loop is None or loop is host.loop)
            and (task := host.running_facade()) is not None
        ):
            return task
        return original(loop)  # perhaps a task that asyncio's C code steps

    asyncio.Task = asyncio.tasks.Task = Task  # type: ignore[misc]
    cancellation.unite()
    guest.invite = invite
    for loop in list(open_loops):
        if loop is current.get():
            invite_late(loop)
        else:
            loop.call_soon_threadsafe(invite_late, loop)
    return current_task


def invite_late(kernel: Any) -> None:
    """Have a kernel host a loop in the middle of a run, because asyncio was imported just now."""
    if kernel._guest is None:
        invite(kernel)._entered()
