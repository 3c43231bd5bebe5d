"""What one measurement finds, whatever was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long to look, in seconds."""

    warmup: float
    """Load on a server before its window."""
    window: float
    """The window in which a server is measured."""
    loop: float
    """About how long a program without a server works."""


@dataclass(frozen=True)
class Sample:
    value: float
    """What the row is about, in its unit."""
    description: str
    """What the program says of itself: versions, build, driver."""
    disturbed: float = 0.0
    """The part of the time in which a process waited for its own core."""
    cpu: float | None = None
    """CPU seconds, user and system, for one operation."""
    user: float | None = None
    """The user part of them: the library's own, without its system calls."""
    pause: float | None = None
    """CPU seconds in which a task that only takes turns had none, at most."""
    peak_memory: int | None = None
    """The most bytes that were resident."""
    busy: float | None = None
    """The part of the window in which the server used its core."""
    load_busy: float | None = None
    """The part of the window in which the load generator used its core."""
    p99: float | None = None
    """Seconds from sending a message to its whole echo, for all but the slowest hundredth."""
