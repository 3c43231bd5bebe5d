"""`wait_all_tasks_blocked`: a test waits until nothing happens, instead of sleeping and hoping.

The kernel knows when its run queue is empty and the driver has nothing to report. So a test
need not guess how long the other tasks take to get where they wait.
"""

from __future__ import annotations

from math import inf

from giambio.arguments import check_number
from giambio.kernel.checkpoints import checkpoint_if_cancelled
from giambio.kernel.operation import Wait, current_kernel

__all__ = ["wait_all_tasks_blocked"]


class Told:
    """The waiter that the kernel tells that nothing happens."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    def _ready(self) -> None:
        """Nothing has happened for long enough."""
        self._wait.wake()


async def wait_all_tasks_blocked(cushion: float = 0.0) -> None:
    """Wait until every other task of the loop waits for something.

    Parameters:
        cushion: how many real seconds nothing may happen. By default it is enough that no
            task can run and no descriptor is ready; more is needed only where something
            outside the loop will wake a task soon, another process for example.

    Of several tasks that wait here, those with the shortest cushion go on; then the others
    wait anew. A virtual clock does not jump while a task waits here.

    Raises:
        TypeError: `cushion` is not a number.
        ValueError: it is negative or infinite.
        RuntimeError: no task runs in this thread.
        CancelledError: the task is in a cancelled scope.

    A checkpoint that always waits. Tasks that sleep, wait for a socket or for a thread are
    waiting as well; the loop need not be on a virtual clock.

    Example:
        >>> import giambio
        >>> from giambio.testing import wait_all_tasks_blocked
        >>> async def main():
        ...     event = giambio.Event()
        ...     async with giambio.TaskManager() as manager:
        ...         manager.start_soon(event.wait)
        ...         await wait_all_tasks_blocked()
        ...         print(event.statistics().tasks_waiting)
        ...         event.set()
        >>> giambio.run(main)
        1
    """
    check_number("wait_all_tasks_blocked()", "cushion", cushion)
    if not 0 <= cushion < inf:
        raise ValueError(
            f"wait_all_tasks_blocked() needs a number of seconds from 0 up, not {cushion!r}"
        )
    kernel = current_kernel()
    wait = Wait(name="wait_all_tasks_blocked()")
    told = Told(wait)
    kernel._idle.add_waiter(cushion, told)
    try:
        await wait
    finally:
        kernel._idle.remove_waiter(told)
    # It has been told, but nothing was handed over: so a cancellation counts.
    await checkpoint_if_cancelled()
