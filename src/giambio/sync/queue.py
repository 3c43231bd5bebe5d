"""Queues, with asyncio's vocabulary: first in first out, by priority, last in first out.

A queue is one object that producers and consumers share, and it counts the items
that are still being worked on. Where the two sides should learn of each other's
end by themselves, a channel (`open_channel`) is the better tool. How items are
handed over is in `queue_state`; here is the order in which they come out.
"""

from __future__ import annotations

import sys
import types
from math import inf
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import is_int
from giambio.channels import closing, ring_buffer
from giambio.channels.ring_buffer import RingBuffer
from giambio.errors import EndOfStream, WouldBlock
from giambio.kernel.operation import Operation
from giambio.sync import queue_state
from giambio.sync.queue_state import QueueState
from giambio.sync.stable_heap import Heap

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueStatistics"]


class QueueStatistics(NamedTuple):
    """What `Queue.statistics` returns.

    Example:
        >>> import giambio
        >>> giambio.Queue().statistics().unfinished_tasks
        0
    """

    qsize: int
    maxsize: int
    unfinished_tasks: int
    tasks_waiting_put: int
    tasks_waiting_get: int
    tasks_waiting_join: int


class BaseQueue(QueueState):
    """A queue, but for the order in which items come out."""

    __slots__ = ("_maxsize",)

    called = "BaseQueue"

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, maxsize: int = 0) -> None:
        if not is_int(maxsize):
            raise TypeError(
                f"{self.called}() needs a whole number as maxsize (0 for no limit), not {maxsize!r}"
            )
        if maxsize < 0:
            raise ValueError(
                f"{self.called}() needs a maxsize from 0 up, where 0 is no limit, not {maxsize!r}"
            )
        self._maxsize = maxsize
        self.open_queue(min(maxsize or sys.maxsize, sys.maxsize))

    # -- what users do ---------------------------------------------------------------------

    def put(self, item: Any) -> Operation:
        """Put an item in; wait while the queue is full.

        Parameters:
            item: anything; in a `PriorityQueue` it must compare with the others
                by ``<``.

        Raises:
            ClosedResourceError: the queue is closed, or was while waiting.
            Exception: what comparing the items raised, in a `PriorityQueue`;
                the item is not in the queue then.
            RuntimeError: tasks of another loop wait at the queue.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the item was not put in. Tasks that wait get
        their turn in the order in which they came.

        Example:
            >>> import giambio
            >>> async def main():
            ...     queue = giambio.Queue()
            ...     await queue.put("hello")
            ...     return await queue.get()
            >>> giambio.run(main)
            'hello'
        """
        return queue_state.new_put(self, item)

    def put_nowait(self, item: Any) -> None:
        """Put an item in if the queue is not full.

        Parameters:
            item: see `put`.

        Raises:
            WouldBlock: it is full.
            ClosedResourceError, Exception: see `put`.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait to get something.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> queue = giambio.Queue()
            >>> queue.put_nowait("hello")
            >>> queue.get_nowait()
            'hello'
        """
        if not self._open:
            raise self.closed_error()
        getter = self._getters.first
        if getter is not None:
            getter.check_thread(f"{self.called}.put_nowait()")
        if not self.put_in(item):
            raise WouldBlock(f"this {self.called} is full, with {self._maxsize} items")

    def get(self) -> Operation:
        """Take the next item out; wait while the queue is empty.

        Returns:
            Awaited: the item.

        Raises:
            EndOfStream: the queue is closed and empty.
            Exception: what comparing the items raised, in a `PriorityQueue`;
                they are all still there then.
            RuntimeError: tasks of another loop wait at the queue.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was taken out and nothing is lost. Tasks
        that wait get their items in the order in which they came.

        Example:
            >>> import giambio
            >>> async def main():
            ...     queue = giambio.Queue()
            ...     await queue.put("hello")
            ...     return await queue.get()
            >>> giambio.run(main)
            'hello'
        """
        return queue_state.new_get(self, False)

    def get_nowait(self) -> Any:
        """Take the next item out if there is one.

        Returns:
            The item.

        Raises:
            WouldBlock: the queue is empty.
            EndOfStream, Exception: see `get`.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait to put something in.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().get_nowait()
            Traceback (most recent call last):
            giambio.errors.WouldBlock: this Queue is empty
        """
        putter = self._putters.first
        if putter is not None:
            putter.check_thread(f"{self.called}.get_nowait()")
        item = self.take_out()
        if item is not ring_buffer.EMPTY:
            return item
        if not self._open:
            raise EndOfStream(self.end())
        raise WouldBlock(f"this {self.called} is empty")

    def qsize(self) -> int:
        """How many items are in the queue. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().qsize()
            0
        """
        return self.length()

    def empty(self) -> bool:
        """Tell whether there are no items in the queue. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().empty()
            True
        """
        return self.length() == 0

    def full(self) -> bool:
        """Tell whether there are `maxsize` items in the queue. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().full()
            False
        """
        return self.length() >= self._limit

    @property
    def maxsize(self) -> int:
        """How many items the queue holds at most; 0 when there is no limit.

        Example:
            >>> import giambio
            >>> giambio.Queue(10).maxsize
            10
        """
        return self._maxsize

    def task_done(self) -> None:
        """Say that the work on an item is done, for `join`; once for each item.

        Raises:
            ValueError: called more often than items were put in.
            RuntimeError: called from another thread than that of the loop in
                which tasks wait in `join`.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> queue = giambio.Queue()
            >>> queue.put_nowait("work")
            >>> item = queue.get_nowait()
            >>> queue.task_done()
        """
        joiner = self._joiners.first
        if joiner is not None:
            joiner.check_thread(f"{self.called}.task_done()")
        if self._unfinished == 0:
            raise ValueError(
                "task_done() was called more often than items were put into this "
                f"{self.called}; call it once for each item that you get"
            )
        self._unfinished -= 1
        if self._unfinished == 0:
            self._times_finished += 1
            self._joiners.wake_all()

    def join(self) -> Operation:
        """Wait until the work on every item that was put in is done.

        That is so when `task_done` was called for each of them. Closing the
        queue does not end the wait, because what is in it will still be got.

        Raises:
            CancelledError: the task is in a cancelled scope.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def worker(queue):
            ...     async for word in queue:
            ...         print(word)
            ...         queue.task_done()
            >>> async def main():
            ...     queue = giambio.Queue()
            ...     async with giambio.TaskManager() as manager:
            ...         await manager.spawn(worker, queue)
            ...         await queue.put("hello")
            ...         await queue.join()
            ...         queue.close()
            >>> giambio.run(main)
            hello
        """
        return queue_state.QueueJoin(self)

    def statistics(self) -> QueueStatistics:
        """How many items there are, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> print(*giambio.Queue(10).statistics())
            0 10 0 0 0 0
        """
        return QueueStatistics(
            self.length(),
            self._maxsize,
            self._unfinished,
            self._putters.length,
            self._getters.length,
            self._joiners.length,
        )

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        if not self._open:
            return
        putter = self._putters.first
        if putter is not None:
            putter.check_thread(f"{self.called}.close()")
        getter = self._getters.first
        if getter is not None:
            getter.check_thread(f"{self.called}.close()")
        self._open = False
        self._putters.wake_all()
        self._getters.wake_all()

    def __aiter__(self) -> BaseQueue:
        return self

    def __anext__(self) -> Operation:
        return queue_state.new_get(self, True)

    def __repr__(self) -> str:
        filled = closing.fill(self.length(), self._maxsize or inf)
        state = "" if self._open else ", closed"
        return (
            f"<giambio.{self.called} {filled}, {self._putters.length} waiting to put, "
            f"{self._getters.length} waiting to get{state}>"
        )


class Queue(BaseQueue):
    """A queue: what was put in first comes out first.

    ``async for item in queue`` gets items until the queue is closed and empty.
    `close` (and leaving a ``with`` block of the queue) makes further `put`s fail at
    once, and those that wait; what is in the queue can still be got, and after the
    last item `get` raises `EndOfStream`.

    Parameters:
        maxsize: how many items it holds; 0, the default, is no limit. A limit
            keeps producers from running ahead of consumers.

    Raises:
        TypeError, ValueError: `maxsize` is not a whole number from 0 up.

    Example:
        >>> import giambio
        >>> async def worker(queue):
        ...     async for number in queue:
        ...         print(number)
        >>> async def main():
        ...     queue = giambio.Queue(10)
        ...     async with giambio.TaskManager() as manager:
        ...         await manager.spawn(worker, queue)
        ...         with queue:
        ...             for number in range(3):
        ...                 await queue.put(number)
        >>> giambio.run(main)
        0
        1
        2
    """

    __slots__ = ("_items",)

    called = "Queue"

    def prepare_queue_state(self) -> None:
        """See `QueueState`, as the rest."""
        self._items = RingBuffer()

    def length(self) -> int:
        """All of them."""
        return self._items.length

    def insert(self, item: Any, place: int) -> None:
        """As the last one."""
        self._items.put(item)

    def insert_first(self, item: Any) -> None:
        """As the oldest one."""
        self._items.put_back(item)

    def remove(self) -> Any:
        """The oldest one."""
        return self._items.take()


class PriorityQueue(BaseQueue):
    """A queue that gives out the smallest item first; otherwise as `Queue`.

    Items are compared by ``<``, and by nothing else. Of equal ones the first that
    was put in comes out first, so ``(priority, item)`` is not needed to break ties,
    though it is a common way to give a priority to items that have none.

    An item whose ``<`` raises is not taken: its `put` raises that, and all others
    stay as they are.

    Parameters:
        maxsize: see `Queue`.

    Raises:
        TypeError, ValueError: `maxsize` is not a whole number from 0 up.

    Example:
        >>> import giambio
        >>> async def main():
        ...     queue = giambio.PriorityQueue()
        ...     for number in 3, 1, 2:
        ...         await queue.put(number)
        ...     queue.close()
        ...     return [number async for number in queue]
        >>> giambio.run(main)
        [1, 2, 3]
    """

    __slots__ = ("_heap",)

    called = "PriorityQueue"

    def prepare_queue_state(self) -> None:
        """See `QueueState`, as the rest."""
        self._heap = Heap()

    def length(self) -> int:
        """All of them."""
        return self._heap.length()

    def place_for(self, item: Any) -> int:
        """Below what is not greater."""
        return self._heap.place_for(item)

    def insert(self, item: Any, place: int) -> None:
        """There."""
        self._heap.insert(item, place)

    def insert_first(self, item: Any) -> None:
        """Where it belongs: what came meanwhile may be smaller."""
        self._heap.put_back(item)

    def remove(self) -> Any:
        """The smallest one."""
        return self._heap.remove()


class LifoQueue(BaseQueue):
    """A queue that gives out the newest item first, as a stack; otherwise as `Queue`.

    Parameters:
        maxsize: see `Queue`.

    Raises:
        TypeError, ValueError: `maxsize` is not a whole number from 0 up.

    Example:
        >>> import giambio
        >>> async def main():
        ...     queue = giambio.LifoQueue()
        ...     for number in 1, 2, 3:
        ...         await queue.put(number)
        ...     queue.close()
        ...     return [number async for number in queue]
        >>> giambio.run(main)
        [3, 2, 1]
    """

    __slots__ = ("_stack",)

    called = "LifoQueue"

    def prepare_queue_state(self) -> None:
        """See `QueueState`, as the rest."""
        self._stack: list[Any] = []

    def length(self) -> int:
        """All of them."""
        return len(self._stack)

    def insert(self, item: Any, place: int) -> None:
        """On top."""
        self._stack.append(item)

    def insert_first(self, item: Any) -> None:
        """On top."""
        self._stack.append(item)

    def remove(self) -> Any:
        """The newest one."""
        return self._stack.pop()


final(Queue, "(maxsize=0)")
final(PriorityQueue, "(maxsize=0)")
final(LifoQueue, "(maxsize=0)")
