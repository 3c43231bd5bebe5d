"""How busy a loop is, and how late: counters that every loop keeps anyway."""

from __future__ import annotations

from typing import NamedTuple

from giambio.inspect.standstill import standing_still
from giambio.inspect.task_tree import family_of
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel
from giambio.kernel.system_clock import system_time

__all__ = ["LoopMetrics", "metrics", "metrics_of"]


class LoopMetrics(NamedTuple):
    """What `metrics` returns: the counters of a loop, since it was made.

    `turns` is how often it has run all that was ready, and `steps` how often a task has run
    until its next wait. `seconds_running` and `seconds_in_driver` are the real time that it has
    run, and has waited for events; together they are the time since it began. `worst_lag` is the
    longest time in seconds for which it has run without asking for events, so that what came
    meanwhile was late; `lag` is that time now, 0.0 while it waits. `tasks` is how many tasks live,
    `ready` how many tasks and callbacks wait for their turn, and `spawned` how many tasks were
    made so far.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.metrics().spawned
        >>> giambio.run(main)
        1
    """

    turns: int
    steps: int
    seconds_running: float
    seconds_in_driver: float
    worst_lag: float
    lag: float
    tasks: int
    ready: int
    spawned: int


def metrics(loop: Kernel | None = None) -> LoopMetrics:
    """Return the counters of a loop: how much it has done, how busy it is, and how late.

    The loop keeps them always, so nothing has to be turned on, and asking costs it nothing.
    Only the number of tasks is counted when it is asked for.

    Parameters:
        loop: the loop, such as one of `running_loops`; by default the one of this thread.

    Raises:
        RuntimeError: without `loop`, and no loop runs in this thread.
        TypeError: `loop` is not a loop of giambio's.

    Not a checkpoint. May be called from any thread.

    Example:
        >>> import giambio
        >>> async def main():
        ...     await giambio.sleep(0.01)
        ...     seen = giambio.metrics()
        ...     return seen.tasks, seen.seconds_in_driver > seen.seconds_running
        >>> giambio.run(main)
        (1, True)
    """
    kernel = current_kernel() if loop is None else loop
    if not isinstance(kernel, Kernel):
        raise TypeError(f"metrics() needs an EventLoop, not {loop!r}")
    with standing_still([kernel]):
        return metrics_of(kernel, len(family_of(kernel)))


def metrics_of(kernel: Kernel, tasks: int) -> LoopMetrics:
    """Read the counters of a loop that belongs to this thread, or stands still.

    Parameters:
        kernel: the loop.
        tasks: how many tasks it has.
    """
    counters = kernel._counters
    waits, since = counters.waits, counters.since
    lives = kernel._driver is not None
    lasts = max(0.0, system_time() - since) if lives else 0.0
    lag = 0.0 if waits or kernel._thread == 0 else lasts
    return LoopMetrics(
        turns=counters.turns,
        steps=counters.steps,
        seconds_running=counters.seconds_running + lag,
        seconds_in_driver=counters.seconds_in_driver + (lasts if waits else 0.0),
        worst_lag=max(counters.worst_lag, lag),
        lag=lag,
        tasks=tasks,
        ready=kernel._queue.length,
        spawned=kernel._numbers,
    )
