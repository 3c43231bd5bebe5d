"""The system's monotonic clock: the Python twin of `system_clock.pyx`.

A loop asks it for each timeout, and before it goes on without asking its driver. Natively that
makes no call of Python's and no number for it.
"""

from __future__ import annotations

from time import monotonic

__all__ = ["system_time"]


def system_time() -> float:
    """Return the time in seconds, as `time.monotonic` does."""
    return monotonic()
