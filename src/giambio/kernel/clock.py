"""Time, as the kernel sees it: a clock can be replaced, so tests need not wait."""

from __future__ import annotations

from math import inf
from time import monotonic

__all__ = ["Clock"]


class Clock:
    """The system's monotonic clock."""

    __slots__ = ()

    def now(self) -> float:
        """The time in seconds; only differences mean anything."""
        return monotonic()

    def wait_time(self, deadline: float) -> float:
        """How many seconds to wait for a deadline; below zero: for ever."""
        return -1.0 if deadline == inf else max(0.0, deadline - monotonic())
