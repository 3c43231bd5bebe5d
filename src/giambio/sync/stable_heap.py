"""A heap for priorities: stable, and intact even if comparing two items fails.

`heapq` moves items while it compares them, so an ``<`` that raises leaves the heap half done,
with the new item somewhere in it. Here all comparisons come first. And of equal items the
oldest comes out first, which takes a number beside each item.
"""

from __future__ import annotations

from typing import Any

from giambio.channels.stores import Store

__all__ = ["Heap"]


class Entry:
    """An item, and the number of items that came before it."""

    __slots__ = ("item", "number")

    item: Any
    number: int


class Heap(Store):
    """The smallest item first: no entry comes before the one at half its index."""

    __slots__ = ("_comparing", "_entries", "_numbers")

    def __init__(self) -> None:
        self.length = 0
        self._entries: list[Entry] = []
        self._numbers = 0
        self._comparing = False

    def place_for(self, item: Any) -> int:
        """Return the index at which a new item belongs.

        Raises:
            Exception: raised by a comparison.
        """
        self._begin_comparing()
        try:
            place = self.length
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
        """Add an item where `place_for` says, and move those below one step down."""
        entries = self._entries
        entry = Entry()
        entry.item = item
        entry.number = self._numbers
        self._numbers += 1
        index = self.length
        self.length += 1
        entries.append(entry)
        while index > place:
            parent = (index - 1) >> 1
            entries[index] = entries[parent]
            index = parent
        entries[place] = entry

    def put_back(self, item: Any) -> None:
        """See `Store.put_back`; smaller items may have come meanwhile, and are before it.

        Raises:
            Exception: raised by a comparison; then the item is added at the end.
        """
        place = self.length
        try:
            place = self.place_for(item)
        finally:
            self.insert(item, place)

    def take(self) -> Any:
        """See `Store.take`.

        Raises:
            Exception: raised by a comparison; then all items are still there.
        """
        entries = self._entries
        path = self._path_down()
        last = entries.pop()
        self.length -= 1
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
        """Return the indexes whose entries move up when the last entry replaces the first."""
        entries = self._entries
        path: list[int] = []
        end = self.length - 1
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
        """Whether one entry comes out before the other: the smaller one, or else the older."""
        if one.number < other.number:
            return not other.item < one.item
        return bool(one.item < other.item)

    def _begin_comparing(self) -> None:
        if self._comparing:
            raise RuntimeError("a PriorityQueue is used by the `<` of an item that it compares")
        self._comparing = True
