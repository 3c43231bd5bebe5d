"""The run queue: whose turn is next.

It is a chain through its own items, so that putting a task on it costs two assignments
and no memory.
"""

from __future__ import annotations

from typing import Any

from giambio._build.sealed import final
from giambio.kernel.runnable import Runnable

__all__ = ["RunQueue"]


class RunQueue:
    """The tasks and callbacks of one kernel that are ready to run."""

    __slots__ = ("_head", "_tail", "length")

    def __init__(self) -> None:
        self._head: Runnable | None = None
        self._tail: Runnable | None = None
        self.length = 0

    def append(self, item: Runnable) -> None:
        """Put an item at the end, unless it is on the queue."""
        if item._queued:
            return
        item._queued = True
        self._link(item)
        self.length += 1

    def pop(self) -> Runnable | None:
        """Take the first item off the queue; None if there is none."""
        item = self._head
        if item is None:
            return None
        self._head = item._following
        if self._head is None:
            self._tail = None
        item._following = None
        item._queued = False
        self.length -= 1
        return item

    def shuffle(self, random: Any) -> None:
        """Put the tasks in a random order; callbacks keep their places."""
        items: list[Any] = []
        item = self._head
        while item is not None:
            items.append(item)
            item = item._following
        tasks = [one for one in items if one._is_task]
        random.shuffle(tasks)
        self._head = self._tail = None
        for one in items:
            self._link(tasks.pop() if one._is_task else one)

    def clear(self) -> list[Any]:
        """Empty the queue. What is put on it meanwhile, by a destructor, stays.

        Returns:
            The callbacks that were on it.
        """
        callbacks = []
        item = self._head
        self._head = self._tail = None
        self.length = 0
        while item is not None:
            following = item._following
            item._following = None
            item._queued = False
            if not item._is_task:
                callbacks.append(item)
            item = following
        return callbacks

    def _link(self, item: Runnable) -> None:
        item._following = None
        if self._tail is None:
            self._head = item
        else:
            self._tail._following = item
        self._tail = item

    def __del__(self) -> None:
        self.clear()  # one by one: C's stack is too small to free a long chain


final(RunQueue, "()")
