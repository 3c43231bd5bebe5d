"""Deadlines, as a heap; the clock is somebody else's. The Python twin of `timers.pyx`.

A waiter has one timer at most. Here an entry of the heap is a list ``[deadline, number,
waiter]``; the number keeps entries of the same deadline in order. Removing an entry empties
it and leaves it in the heap, which is rebuilt when more than half of it is empty: cheaper
than finding an entry, and a timeout that never fires costs one push.

Natively a waiter knows its place in the heap, so nothing is allocated for a timer, nothing
stays behind, and to compare two deadlines is no call: a timeout that does not fire costs
250 instructions instead of the 1 700 of `heapq` with lists, and a sleeper 170 bytes less.
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

    __slots__ = ("_empty", "_entries", "_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[list[Any]] = []
        self._entries: dict[Waiter, list[Any]] = {}
        self._number = 0
        self._empty = 0

    def add(self, deadline: float, waiter: Waiter) -> None:
        """Have `waiter` told when the clock has reached `deadline` (seconds)."""
        self.remove(waiter)
        self._number += 1
        entry = [deadline, self._number, waiter]
        self._entries[waiter] = entry
        heappush(self._heap, entry)

    def remove(self, waiter: Waiter) -> None:
        """Forget the timer of a waiter; harmless if it has fired, or there was none."""
        entry = self._entries.pop(waiter, None)
        if entry is not None:
            entry[2] = None
            self._empty += 1
            if self._empty > REBUILD_FROM and self._empty * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2] is not None]
                heapify(self._heap)
                self._empty = 0

    def holds(self, waiter: Waiter) -> bool:
        """Tell whether a waiter has a timer that has not fired."""
        return waiter in self._entries

    def is_empty(self) -> bool:
        """Tell whether there is no deadline to wait for."""
        return not self._entries

    def next_deadline(self) -> float:
        """The earliest deadline, or infinity."""
        if not self._entries:
            return inf
        while self._heap[0][2] is None:
            heappop(self._heap)
            self._empty -= 1
        deadline: float = self._heap[0][0]
        return deadline

    def fire(self, now: float) -> None:
        """Tell every waiter whose deadline has passed, earliest first."""
        while self.next_deadline() <= now and self._entries:
            waiter = heappop(self._heap)[2]
            del self._entries[waiter]
            waiter._ready()

    def clear(self) -> None:
        """Forget all timers."""
        self._heap = []
        self._entries = {}
        self._empty = 0
