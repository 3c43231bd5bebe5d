"""`interval`: do something every so many seconds, without drift.

A loop around `sleep` is late by what its body takes, each time. Ticks are counted from the first
one instead, as by tokio's `time::interval`, which also has the three answers to the question what
becomes of those that nobody waited for in time.
"""

from __future__ import annotations

from math import floor
from typing import Literal, Self

from giambio._build.sealed import final
from giambio.arguments import check_positive
from giambio.kernel.checkpoints import checkpoint, current_time, sleep_until

__all__ = ["interval"]

MISSED = ("skip", "delay", "burst")


class interval:
    """Iterate over the ticks of a clock: the first one at once, the others every so many seconds.

    Parameters:
        seconds: the time between two ticks, above 0.
        missed: what becomes of ticks that were due before anybody asked for them. One of them
            comes at once. By default, ``"skip"``, the others are left out, and the next one comes
            when it would have come anyway; with ``"delay"`` it comes a whole `seconds` later; with
            ``"burst"`` all come at once, until none is owed any more.

    Yields:
        The time at which the tick was due, on the clock of `giambio.current_time`.

    Raises:
        TypeError, ValueError: an argument makes no sense.
        RuntimeError: no giambio loop runs in this thread.

    Each tick is a checkpoint that always yields control. A tick whose wait is cancelled stays due:
    the next iteration gets it. Nothing has to be closed when the loop is left.

    Example:
        >>> import giambio
        >>> async def main():
        ...     ticks = []
        ...     async for due in giambio.interval(10):
        ...         ticks.append(due)
        ...         await giambio.sleep(4)
        ...         if len(ticks) == 3:
        ...             return ticks
        >>> from giambio.testing import VirtualClock
        >>> giambio.run(main, clock=VirtualClock())
        [0.0, 10.0, 20.0]
    """

    __slots__ = ("_count", "_missed", "_seconds", "_start")

    def __init__(
        self, seconds: float, *, missed: Literal["skip", "delay", "burst"] = "skip"
    ) -> None:
        check_positive("interval()", "seconds", seconds)
        if missed not in MISSED:
            raise ValueError(f"interval(missed=) is one of {', '.join(MISSED)}, not {missed!r}")
        self._seconds = float(seconds)
        self._missed = missed
        # The time of the tick from which others are counted, and how many have been since.
        self._start: float | None = None
        self._count = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> float:
        asked = current_time()
        if self._start is None:
            self._start = asked
        due = self._start + self._count * self._seconds
        if due > asked:
            await sleep_until(due)
        else:
            await checkpoint()
        self._count += 1
        if self._missed == "skip":
            # At least the next one: a clock may be a rounding error behind.
            passed = floor((current_time() - self._start) / self._seconds)
            self._count = max(self._count, passed + 1)
        elif self._missed == "delay" and due < asked:
            self._start, self._count = current_time(), 1
        return due


final(interval, "(seconds, *, missed='skip')")
