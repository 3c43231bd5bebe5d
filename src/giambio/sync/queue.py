"""Queues, with asyncio's vocabulary: first in first out, by priority, last in first out.

A queue is one object that producers and consumers share, and it counts the items that are not
finished yet. Where each side should learn of the end of the other one, a channel
(`open_channel`) is the better tool. `queue_state` has the mechanism, and a store (see
`channels.stores`) the order in which items come out.
"""

from __future__ import annotations

import sys
import types
from math import inf
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int, is_int
from giambio.channels import closing, stores
from giambio.channels.stores import RingBuffer, Stack, Store
from giambio.errors import EndOfStream, WouldBlock
from giambio.kernel.operation import Operation
from giambio.kernel.wait_queue import WaitQueue
from giambio.sync import queue_state
from giambio.sync.queue_state import QueueState
from giambio.sync.stable_heap import Heap

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueStatistics"]


class QueueStatistics(NamedTuple):
    """Statistics of a queue, as `Queue.statistics` returns them.

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
    """Base class of queues: all but the order in which items come out."""

    __slots__ = ("_maxsize",)

    _store = Store

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, maxsize: int = 0) -> None:
        limit = min(maxsize, sys.maxsize) if is_int(maxsize) else maxsize
        what = f"{type(self).__name__}()"
        limit = check_int(what, "maxsize (0 is no limit)", limit, 0, "number of items")
        self._maxsize = maxsize
        self._prepare(limit or sys.maxsize, self._store())

    def put(self, item: Any) -> Operation:
        """Put an item in; wait while the queue is full.

        Parameters:
            item: anything; in a `PriorityQueue` it must compare with the others by ``<``.

        Raises:
            ClosedResourceError: the queue is closed, or was while waiting.
            Exception: raised by comparing items, in a `PriorityQueue`; the item is not in
                the queue then.
            RuntimeError: tasks of another loop wait at the queue.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, the item was not put in. Waiting tasks get their turn in
        the order in which they came.

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
            RuntimeError: tasks wait to get items, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> queue = giambio.Queue()
            >>> queue.put_nowait("hello")
            >>> queue.get_nowait()
            'hello'
        """
        if not self._open:
            raise self._closed_error()
        self._check_thread(self._getters, "put_nowait()")
        if not self._put_in(item):
            raise WouldBlock(f"this {type(self).__name__} is full, with {self._maxsize} items")

    def get(self) -> Operation:
        """Remove and return the next item; wait while the queue is empty.

        Returns:
            Awaited: the item.

        Raises:
            EndOfStream: the queue is closed and empty.
            Exception: raised by comparing items, in a `PriorityQueue`; all items are
                still there then.
            RuntimeError: tasks of another loop wait at the queue.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, no item was removed or lost. Waiting tasks get their
        items in the order in which they came.

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
        """Remove and return the next item if there is one.

        Returns:
            The item.

        Raises:
            WouldBlock: the queue is empty.
            EndOfStream, Exception: see `get`.
            RuntimeError: tasks wait to put items in, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().get_nowait()
            Traceback (most recent call last):
            giambio.errors.WouldBlock: this Queue is empty
        """
        self._check_thread(self._putters, "get_nowait()")
        item = self._take_out()
        if item is not stores.EMPTY:
            return item
        if not self._open:
            raise EndOfStream(self._ended())
        raise WouldBlock(f"this {type(self).__name__} is empty")

    def qsize(self) -> int:
        """Return the number of items in the queue. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().qsize()
            0
        """
        return self._items.length

    def empty(self) -> bool:
        """Whether there are no items in the queue. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().empty()
            True
        """
        return self._items.length == 0

    def full(self) -> bool:
        """Whether there are `maxsize` items in the queue. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Queue().full()
            False
        """
        return self._items.length >= self._limit

    @property
    def maxsize(self) -> int:
        """The largest number of items in the queue; 0 if there is no limit.

        Example:
            >>> import giambio
            >>> giambio.Queue(10).maxsize
            10
        """
        return self._maxsize

    def task_done(self) -> None:
        """Report that the work on an item is done, for `join`; once for each item.

        Raises:
            ValueError: called more often than items were put in.
            RuntimeError: tasks wait in `join`, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> queue = giambio.Queue()
            >>> queue.put_nowait("work")
            >>> item = queue.get_nowait()
            >>> queue.task_done()
        """
        self._check_thread(self._joiners, "task_done()")
        if self._unfinished == 0:
            raise ValueError(
                "task_done() was called more often than items were put into this "
                f"{type(self).__name__}; call it once for each item that you get"
            )
        self._finish(1)

    def join(self) -> Operation:
        """Wait until the work on every item that was put in is done.

        It is when `task_done` was called for each of them. Closing the queue does not end
        the wait, because the items in it can still be got.

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

    def shutdown(self, immediate: bool = False) -> None:
        """Close the queue, as asyncio calls it, and say what becomes of the items in it.

        Parameters:
            immediate: False leaves the items to be got; it is the same as `close`. True
                drops them, and counts them as done for `join`.

        Raises:
            RuntimeError: tasks wait, and this is not their loop's thread.

        Not a checkpoint. Harmless a second time, which may be immediate where the first
        was not. asyncio's ``QueueShutDown`` is a `ClosedResourceError` in `put`, and
        `EndOfStream` in `get`.

        Example:
            >>> import giambio
            >>> async def main():
            ...     queue = giambio.Queue()
            ...     await queue.put("unwanted")
            ...     queue.shutdown(immediate=True)
            ...     await queue.join()
            ...     return queue
            >>> giambio.run(main)
            <giambio.Queue 0 items, 0 waiting to put, 0 waiting to get, closed>
        """
        if immediate:
            self._check_thread(self._joiners, "shutdown()")
        self._close_now()
        if immediate:
            self._drops_items = True
            dropped = self._items.length
            self._items = self._store()  # not one by one, for a heap would compare them
            self._finish(dropped)

    def statistics(self) -> QueueStatistics:
        """Return how many items there are, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> print(*giambio.Queue(10).statistics())
            0 10 0 0 0 0
        """
        return QueueStatistics(
            self._items.length,
            self._maxsize,
            self._unfinished,
            self._putters.length,
            self._getters.length,
            self._joiners.length,
        )

    def _close_now(self) -> None:
        """See `Closeable._close_now`."""
        if self._open:
            self._check_thread(self._putters, "close()")
            self._check_thread(self._getters, "close()")
            self._open = False
            self._putters.wake_all()
            self._getters.wake_all()

    def _check_thread(self, queue: WaitQueue, call: str) -> None:
        """See `Operation.check_thread`."""
        if queue.first is not None:
            queue.check_thread(f"{type(self).__name__}.{call}")

    def __aiter__(self) -> BaseQueue:
        return self

    def __anext__(self) -> Operation:
        return queue_state.new_get(self, True)

    def __repr__(self) -> str:
        filled = closing.fill(self._items.length, self._maxsize or inf)
        state = "" if self._open else ", closed"
        return (
            f"<giambio.{type(self).__name__} {filled}, {self._putters.length} waiting to put, "
            f"{self._getters.length} waiting to get{state}>"
        )


class Queue(BaseQueue):
    """A queue: the item that was put in first comes out first.

    ``async for item in queue`` gets items until the queue is closed and empty.
    `close` (and leaving a ``with`` block of the queue) makes further `put`s fail at once,
    and those that wait; items in the queue can still be got, and after the last one `get`
    raises `EndOfStream`.

    Parameters:
        maxsize: the largest number of items; 0, the default, is no limit. A limit keeps
            producers from running ahead of consumers (backpressure).

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

    __slots__ = ()

    _store = RingBuffer


class PriorityQueue(BaseQueue):
    """A queue that gives out the smallest item first; otherwise as `Queue`.

    Items are compared by ``<`` only. Of equal items the one that was put in first comes
    out first, so ``(priority, item)`` is not needed to break ties, though it is a common
    way to give a priority to items that have none.

    An item whose ``<`` raises is not taken: its `put` raises the exception, and all others
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

    __slots__ = ()

    _store = Heap


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

    __slots__ = ()

    _store = Stack


final(Queue, "(maxsize=0)")
final(PriorityQueue, "(maxsize=0)")
final(LifoQueue, "(maxsize=0)")
