"""The answers of the monitor: what the loops of this process do, as data for JSON.

They are made in the monitor's thread while the loops run on, or hang.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from giambio.inspect.metrics import metrics, metrics_of
from giambio.inspect.standstill import standing_still
from giambio.inspect.task_tree import FrameInfo, TaskInfo, family_of, state_of, tree_of, user_frames
from giambio.kernel.system_clock import system_time
from giambio.kernel.task import Task
from giambio.runtime.loop import EventLoop, running_loops

__all__ = ["QUESTIONS", "Timing"]

#: Where Python's own modules are, and beneath them those that were installed.
LIBRARIES = os.path.dirname(os.__file__) + os.sep

#: How many tasks `top` is told of: those that have run longest.
MOST_IN_TOP = 100


def ordered_loops() -> list[EventLoop]:
    """Return the loops that run, always in the same order."""
    return sorted(running_loops(), key=lambda loop: (loop._thread, id(loop)))


def tasks_of_loops() -> list[list[dict[str, Any]]]:
    """Return for each loop its tasks, parents first."""
    loops = ordered_loops()
    with standing_still(loops):
        trees = [tree_of(loop) for loop in loops]
    return [list(rows_of(tree)) for tree in trees]


def rows_of(tree: tuple[TaskInfo, ...]) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a tree as they are drawn, each with how deep it lies."""
    todo = [(root, 0) for root in reversed(tree)]
    while todo:
        task, depth = todo.pop()
        yield {
            "id": task.id,
            "name": task.name,
            "depth": depth,
            "state": task.state,
            "seconds": task.seconds,
            "waits_for": task.waits_for,
            "place": place_of(task.frames),
            "frames": [list(frame) for frame in task.frames],
        }
        todo.extend((child, depth + 1) for child in reversed(task.children))


def place_of(frames: tuple[FrameInfo, ...]) -> list[Any] | None:
    """Return the innermost frame of the program itself, if there is one, else of a library."""
    own = [frame for frame in frames if not frame.file.startswith((LIBRARIES, "<frozen"))]
    return list((own or frames)[-1]) if frames else None


def metrics_of_loops() -> dict[str, Any]:
    """Return for each loop its counters, and those of the process."""
    loops = [metrics(loop)._asdict() for loop in ordered_loops()]
    return {"loops": loops, "descriptors": descriptors()}


def descriptors() -> int:
    """Return how many descriptors the process has open, without the one that counts them."""
    return len(os.listdir("/proc/self/fd")) - 1


class Timing:
    """What one `top` is told: who has run since it last asked, and for how long.

    While there is one, the loops take the time of each step.
    """

    def __init__(self) -> None:
        self._loops: dict[EventLoop, dict[int, float]] = {}

    def ask(self) -> dict[str, Any]:
        """Return the counters of the process and the tasks of each loop, the busiest first."""
        loops = ordered_loops()
        for loop in loops:
            if loop not in self._loops:
                self._loops[loop] = {}
                loop._counters.times_steps += 1
        for loop in self._loops.keys() - set(loops):
            self._forget(loop)
        with standing_still(loops):
            told = [self._tell_of(loop) for loop in loops]
        return {"loops": told, "descriptors": descriptors()}

    def _tell_of(self, loop: EventLoop) -> dict[str, Any]:
        family = family_of(loop)
        return metrics_of(loop, len(family))._asdict() | self._tasks_of(loop, family)

    def _tasks_of(self, loop: EventLoop, tasks: Iterable[Task]) -> dict[str, Any]:
        before = self._loops[loop]
        now: dict[int, float] = {}
        rows = []
        queues: dict[str, int] = {}
        for task in tasks:
            number = task.id
            state, waits_for = state_of(task, loop._running)
            if waits_for:
                queues[waits_for] = queues.get(waits_for, 0) + 1
            # A step is added up when it is over, and this one may never be.
            step = max(0.0, system_time() - loop._counters.since) if state == "running" else 0.0
            now[number] = task._seconds + step
            busy = max(0.0, now[number] - before.get(number, 0.0))
            rows.append((busy, number, task, state, waits_for, max(task._longest, step)))
        self._loops[loop] = now
        rows.sort(key=lambda row: (-row[0], row[1]))
        return {
            "busiest": [
                {
                    "id": number,
                    "name": task.name,
                    "state": state,
                    "busy": busy,
                    "longest_step": longest,
                    "waits_for": waits_for,
                    "place": place_of(
                        tuple(user_frames(task, loop if state == "running" else None))
                    ),
                }
                for busy, number, task, state, waits_for, longest in rows[:MOST_IN_TOP]
            ],
            "waits": sorted(queues.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_IN_TOP],
        }

    def end(self) -> None:
        """Let the loops take no time any more."""
        for loop in list(self._loops):
            self._forget(loop)

    def _forget(self, loop: EventLoop) -> None:
        del self._loops[loop]
        loop._counters.times_steps -= 1


#: The questions that need no memory of earlier ones.
QUESTIONS: dict[str, Callable[[], Any]] = {
    "tasks": tasks_of_loops,
    "metrics": metrics_of_loops,
}
