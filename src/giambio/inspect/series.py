"""The counters of a loop as series of a metrics system: their names, kinds and descriptions."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SERIES", "Series"]


class Series(NamedTuple):
    """One series: `field` is the name of the counter in `LoopMetrics`.

    The name is Prometheus's, which says that it is a counter (``_total``), and the unit
    (``_seconds``).
    """

    name: str
    is_counter: bool
    field: str
    help: str


SERIES = (
    Series("turns_total", True, "turns", "Turns of the loop."),
    Series("steps_total", True, "steps", "Steps of tasks."),
    Series("running_seconds_total", True, "seconds_running", "Time for which the loop has run."),
    Series("driver_seconds_total", True, "seconds_in_driver", "Time spent waiting for events."),
    Series("tasks_spawned_total", True, "spawned", "Tasks that were made."),
    Series("worst_lag_seconds", False, "worst_lag", "The longest time without asking for events."),
    Series("lag_seconds", False, "lag", "The time since the loop has asked for events."),
    Series("tasks", False, "tasks", "Tasks that live."),
    Series("ready", False, "ready", "Tasks and callbacks that wait for their turn."),
)
