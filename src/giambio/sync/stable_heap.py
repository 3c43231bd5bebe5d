"""A heap for priorities: stable, and whole even if comparing two items fails.

`heapq` moves items while it compares them, so an ``<`` that raises leaves the
heap half done, with the new item somewhere in it. Here all comparing comes
first. And of equal items the oldest comes out first, which takes a number
beside each item.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Heap"]


class Entry:
    """An item, and how many came before it."""

    __slots__ = ("item", "number")

    def __init__(self, item: Any, number: int) -> None:
        self.item = item
        self.number = number


class Heap:
    """A binary heap: no entry comes before the one at half its index."""

    __slots__ = ("_comparing", "_entries", "_numbers")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._numbers = 0
        self._comparing = False

    def length(self) -> int:
        """How many items there are."""
        return len(self._entries)

    def place_for(self, item: Any) -> int:
        """The index at which a new item belongs.

        Raises:
            Exception: what comparing it raised.
        """
        self._begin_comparing()
        try:
            place = len(self._entries)
            while place > 0:
                parent = (place - 1) >> 1
                entry = self._entries[parent]
                if not item < entry.item:
                    break
                place = parent
            return place
        finally:
            self._comparing = False

    def insert(self, item: Any, place: int) -> None:
        """Put an item where `place_for` says, and those below one step down."""
        entries = self._entries
        entry = Entry(item, self._numbers)
        self._numbers += 1
        index = len(entries)
        entries.append(entry)
        while index > place:
            parent = (index - 1) >> 1
            entries[index] = entries[parent]
            index = parent
        entries[place] = entry

    def put_back(self, item: Any) -> None:
        """Insert an item that was taken out; at the end, if it cannot be compared.

        Raises:
            Exception: what comparing it raised; it is there nevertheless.
        """
        place = len(self._entries)
        try:
            place = self.place_for(item)
        finally:
            self.insert(item, place)

    def remove(self) -> Any:
        """Take the smallest item out; there must be one.

        Raises:
            Exception: what comparing items raised; then all are still there.
        """
        entries = self._entries
        path = self._path_down()
        last = entries.pop()
        if not entries:
            return last.item
        smallest = entries[0]
        hole = 0
        for index in path:
            entries[hole] = entries[index]
            hole = index
        entries[hole] = last
        return smallest.item

    def _path_down(self) -> list[int]:
        """The indexes whose entries move up when the last one takes the first one's place."""
        entries = self._entries
        path: list[int] = []
        end = len(entries) - 1
        child = 1
        self._begin_comparing()
        try:
            while child < end:
                if child + 1 < end and self._before(entries[child + 1], entries[child]):
                    child += 1
                if not self._before(entries[child], entries[end]):
                    break
                path.append(child)
                child = 2 * child + 1
        finally:
            self._comparing = False
        return path

    def _before(self, one: Entry, other: Entry) -> bool:
        """Tell whether one comes out before the other: the smaller one, or else the older."""
        if one.number < other.number:
            return not other.item < one.item
        return bool(one.item < other.item)

    def _begin_comparing(self) -> None:
        if self._comparing:
            raise RuntimeError("a PriorityQueue is used by the `<` of an item that it compares")
        self._comparing = True
