"""What a kernel has done, and how long it took: the numbers that `metrics` tells.

They are always kept, because it is after a bad night that somebody wants to know. Times are those
of the system's clock, whatever clock the loop has.
"""

from __future__ import annotations

from giambio._build.sealed import final
from giambio.kernel.system_clock import system_time

__all__ = ["Counters"]


class Counters:
    """The counters of one kernel."""

    __slots__ = (
        "seconds_in_driver",
        "seconds_running",
        "since",
        "steps",
        "times_steps",
        "turns",
        "waits",
        "worst_lag",
    )

    def __init__(self) -> None:
        self.turns = 0
        self.steps = 0
        self.seconds_in_driver = 0.0
        self.seconds_running = 0.0
        self.worst_lag = 0.0
        # Since when the driver waits, or since when it does not.
        self.waits = False
        self.since = 0.0
        # How many want to know how long each task runs.
        self.times_steps = 0

    def begin(self) -> None:
        """Note that the loop begins to run, and that nobody counts what was before."""
        self.waits = False
        self.since = system_time()

    def note(self) -> None:
        """Add the time since the driver last began to wait, or ended."""
        now = system_time()
        passed = now - self.since
        if self.waits:
            self.seconds_in_driver += passed
            self.waits = False
        else:
            self.seconds_running += passed
            if passed > self.worst_lag:
                self.worst_lag = passed
        self.since = now


final(Counters)
