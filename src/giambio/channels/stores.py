"""Stores: the items that wait in a channel or a queue, in the order in which they come out.

A ring buffer does what a `collections.deque` does. But from compiled code a deque costs a
Python call to put an item in, and another to take it out: half of the cost of an item.
"""

from __future__ import annotations

from typing import Any

__all__ = ["EMPTY", "RingBuffer", "Stack", "Store"]

#: The result of taking from an empty store, because an item may be anything, also None.
EMPTY: Any = object()


class Store:
    """Items, in an order that the subclass defines."""

    __slots__ = ("length",)

    length: int

    def place_for(self, item: Any) -> int:
        """Return where a new item belongs, for `insert`. Only this may fail."""
        return 0

    def insert(self, item: Any, place: int) -> None:
        """Add an item where it belongs."""
        raise NotImplementedError

    def put_back(self, item: Any) -> None:
        """Add an item that was taken, so that it is the next one again."""
        raise NotImplementedError

    def take(self) -> Any:
        """Remove the next item, and return it; there must be one."""
        raise NotImplementedError


class RingBuffer(Store):
    """The oldest item first: a list used in a circle, which doubles when it is full."""

    __slots__ = ("_head", "_items")

    def __init__(self) -> None:
        self._items: list[Any] = [None] * 8
        self._head = 0
        self.length = 0

    def put(self, item: Any) -> None:
        """Add an item as the last one."""
        if self.length == len(self._items):
            self._grow()
        index = self._head + self.length
        if index >= len(self._items):
            index -= len(self._items)
        self._items[index] = item
        self.length += 1

    def insert(self, item: Any, place: int) -> None:
        """See `Store.insert`."""
        self.put(item)

    def put_back(self, item: Any) -> None:
        """See `Store.put_back`."""
        if self.length == len(self._items):
            self._grow()
        self._head = (self._head or len(self._items)) - 1
        self._items[self._head] = item
        self.length += 1

    def take(self) -> Any:
        """See `Store.take`."""
        head = self._head
        item = self._items[head]
        self._items[head] = None
        self._head = 0 if head + 1 == len(self._items) else head + 1
        self.length -= 1
        if self.length == 0 and len(self._items) > 1024:
            self._items = [None] * 8  # a crowd has passed, and may not come back
            self._head = 0
        return item

    def _grow(self) -> None:
        items = self._items
        head = self._head
        self._items = items[head:] + items[:head] + [None] * len(items)
        self._head = 0


class Stack(RingBuffer):
    """The newest item first."""

    __slots__ = ()

    def put(self, item: Any) -> None:
        """Add an item as the next one."""
        self.put_back(item)
