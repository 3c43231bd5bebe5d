"""Deadlines, as a heap; the clock is somebody else's.

An entry is a list ``[deadline, number, waiter]``. The number keeps entries of
the same deadline in order. Removing an entry empties it and leaves it in the
heap, which is rebuilt when more than half of it is empty: cheaper than finding
an entry, and a time-out that never fires costs one push.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

from giambio.drivers.source import Waiter

__all__ = ["Timers"]

REBUILD_FROM = 64  # a smaller heap is not worth rebuilding


class Timers:
    """The deadlines of one kernel."""

    __slots__ = ("_empty", "_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[list[Any]] = []
        self._number = 0
        self._empty = 0

    def add(self, deadline: float, waiter: Waiter) -> list[Any]:
        """Have `waiter` told when the clock has reached `deadline` (seconds)."""
        self._number += 1
        entry = [deadline, self._number, waiter]
        heappush(self._heap, entry)
        return entry

    def remove(self, entry: list[Any]) -> None:
        """Forget an entry; harmless if it has fired."""
        if entry[2] is not None:
            entry[2] = None
            self._empty += 1
            if self._empty > REBUILD_FROM and self._empty * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2] is not None]
                heapify(self._heap)
                self._empty = 0

    def is_empty(self) -> bool:
        """Tell whether there is no deadline to wait for."""
        heap = self._heap
        while heap and heap[0][2] is None:
            heappop(heap)
            self._empty -= 1
        return not heap

    def next_deadline(self) -> float:
        """The earliest deadline, or infinity."""
        return inf if self.is_empty() else self._heap[0][0]

    def fire(self, now: float) -> None:
        """Tell every waiter whose deadline has passed, earliest first."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heappop(heap)
            waiter = entry[2]
            if waiter is None:
                self._empty -= 1
            else:
                entry[2] = None
                waiter.ready()
                heap = self._heap  # a waiter may have removed others
