"""A number for each loop that runs: metrics systems tell loops apart by a label.

When a loop ends, its number is free again. So a program that runs many loops, one after the
other, has few series; that a counter begins anew is what such systems expect of a restart.
"""

from __future__ import annotations

from itertools import count
from threading import Lock
from weakref import WeakKeyDictionary

from giambio.inspect.metrics import LoopMetrics, metrics
from giambio.runtime.loop import EventLoop, running_loops

__all__ = ["LoopNumbers"]


class LoopNumbers:
    """The numbers of the loops that run. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: WeakKeyDictionary[EventLoop, int] = WeakKeyDictionary()

    def look(self) -> list[tuple[int, LoopMetrics]]:
        """Return the number and the counters of each loop that runs."""
        numbers = self._renew()
        return sorted((number, metrics(loop)) for loop, number in numbers.items())

    def _renew(self) -> dict[EventLoop, int]:
        """Keep the numbers of loops that still run, and give the new ones the smallest ones."""
        with self._lock:
            loops = running_loops()
            numbers = {loop: self._numbers[loop] for loop in loops if loop in self._numbers}
            used = set(numbers.values())
            free = (number for number in count() if number not in used)
            for loop in loops:
                if loop not in numbers:
                    numbers[loop] = next(free)
            self._numbers = WeakKeyDictionary(numbers)
            return numbers
