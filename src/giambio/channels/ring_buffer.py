"""A ring: the items that wait in a channel or a queue, the oldest first.

A `collections.deque` does the same. But compiled it is a Python call to put an
item in, and one to take it out, and those were half of what an item costs.
"""

from __future__ import annotations

from typing import Any

__all__ = ["EMPTY", "RingBuffer"]

#: What those return who have no item to give: an item may be anything, also None.
EMPTY: Any = object()


class RingBuffer:
    """Items in a list that is used in a circle, and that doubles when it is full."""

    __slots__ = ("_head", "_items", "length")

    def __init__(self) -> None:
        self._items: list[Any] = [None] * 8
        self._head = 0
        self.length = 0

    def put(self, item: Any) -> None:
        """Append an item."""
        if self.length == len(self._items):
            self._grow()
        index = self._head + self.length
        if index >= len(self._items):
            index -= len(self._items)
        self._items[index] = item
        self.length += 1

    def take(self) -> Any:
        """Take the oldest item out; there must be one."""
        head = self._head
        item = self._items[head]
        self._items[head] = None
        self._head = 0 if head + 1 == len(self._items) else head + 1
        self.length -= 1
        if self.length == 0 and len(self._items) > 1024:
            self._items = [None] * 8  # a crowd has passed, and may not come back
            self._head = 0
        return item

    def put_back(self, item: Any) -> None:
        """Put an item where it will be the next to be taken."""
        if self.length == len(self._items):
            self._grow()
        self._head = (self._head or len(self._items)) - 1
        self._items[self._head] = item
        self.length += 1

    def _grow(self) -> None:
        items = self._items
        head = self._head
        self._items = items[head:] + items[:head] + [None] * len(items)
        self._head = 0
