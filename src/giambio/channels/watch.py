"""Watches: the latest value of something, for all tasks that follow its changes.

There is one value, and no buffer. A slow watcher sees only the latest value, so setting one
never waits. Use it for configuration, state and progress, where old values do not matter.
"""

from __future__ import annotations

import types
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.channels.closing import Droppable, OnDrop, ReceivingOperation
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.wait_queue import WaitQueue

__all__ = ["Watch", "WatchStatistics", "Watcher"]


class WatchStatistics(NamedTuple):
    """Statistics of a `Watch`, as `Watch.statistics` returns them.

    Example:
        >>> import giambio
        >>> giambio.Watch("low").statistics().changes
        0
    """

    changes: int
    tasks_waiting: int


class Watched:
    """The value, and the operations that wait for a change."""

    __slots__ = ("changes", "kernel", "open", "value", "watchers")

    def __init__(self, value: Any) -> None:
        self.value = value
        # How often it was set.
        self.changes = 0
        self.watchers = WaitQueue()
        self.open = True
        # The loop in which it was used last.
        self.kernel: Kernel | None = None

    def end(self) -> None:
        """Wake all watchers: the value will not change any more."""
        self.open = False
        self.watchers.wake_all()


class Watch(Droppable):
    """A value to follow: ``watch.set(value)``, ``async for value in watch.subscribe()``.

    Watchers see the latest value. A slow one skips those in between.

    `close`, or leaving its ``with`` block, tells the watchers that this was the last
    value; it can still be read. Dropped without being closed it closes itself, with a
    `ResourceWarning` if a task waits for a change.

    Parameters:
        value: the first value.

    Example:
        >>> import giambio
        >>> async def follow(watcher):
        ...     async for level in watcher:
        ...         print("the level is", level)
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         with giambio.Watch("low") as watch:
        ...             await manager.spawn(follow, watch.subscribe())
        ...             await giambio.checkpoint()
        ...             watch.set("medium")
        ...             watch.set("high")
        >>> giambio.run(main)
        the level is low
        the level is high
    """

    __slots__ = ("_watched",)

    _consequence = ", so its value is the last one"

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, value: Any) -> None:
        self._watched = Watched(value)
        self._opened()

    @property
    def value(self) -> Any:
        """The latest value; also when the watch is closed.

        Example:
            >>> import giambio
            >>> giambio.Watch("low").value
            'low'
        """
        return self._watched.value

    def set(self, value: Any) -> None:
        """Replace the value, and tell the watchers; also if it is equal.

        Parameters:
            value: the new one.

        Raises:
            ClosedResourceError: the watch is closed.
            RuntimeError: tasks wait for a change, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> watch = giambio.Watch("low")
            >>> watch.set("high")
            >>> watch.value
            'high'
        """
        if not self._open:
            raise self._closed_error()
        watched = self._watched
        watched.watchers.check_thread("Watch.set()")
        watched.value = value
        watched.changes += 1
        watched.watchers.wake_all()

    def subscribe(self) -> Watcher:
        """Watch the value from now on.

        Returns:
            A new `Watcher`, for which the present value is not a change.

        Not a checkpoint. It need not be closed.

        Example:
            >>> import giambio
            >>> giambio.Watch("low").subscribe().value
            'low'
        """
        return Watcher(self._watched)

    def statistics(self) -> WatchStatistics:
        """Return how often the value was set, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Watch("low").statistics()
            WatchStatistics(changes=0, tasks_waiting=0)
        """
        return WatchStatistics(self._watched.changes, self._watched.watchers.length)

    def _close_now(self) -> None:
        """See `Closeable._close_now`."""
        if self._open:
            self._watched.watchers.check_thread("Watch.close()")
            self._open = False
            self._watched.end()

    def __repr__(self) -> str:
        state = "" if self._open else " closed,"
        return f"<giambio.Watch{state} {self._watched.watchers.length} waiting>"

    def _on_drop(self) -> OnDrop:
        """See `Droppable._on_drop`."""
        watched = self._watched
        return watched.kernel, watched.end, watched.watchers.length > 0


class Watcher:
    """Follows a `Watch`, and knows which value it has seen. `Watch.subscribe` makes one.

    ``async for value in watcher`` begins with the present value, continues with the
    latest one after each change, and ends when the watch is closed and the last value
    was seen. Several tasks may share one watcher; then each change is seen by one of
    them.

    Example:
        >>> import giambio
        >>> async def main():
        ...     watch = giambio.Watch("low")
        ...     watcher = watch.subscribe()
        ...     watch.set("high")
        ...     return await watcher.changed()
        >>> giambio.run(main)
        'high'
    """

    __slots__ = ("__weakref__", "_seen", "_watched")

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(self, watched: Watched | None = None) -> None:
        if not isinstance(watched, Watched):
            raise TypeError("a Watcher is made by the subscribe() of a giambio.Watch")
        self._watched = watched
        self._seen = self._watched.changes

    @property
    def value(self) -> Any:
        """The latest value. Reading it does not count as having seen it.

        Example:
            >>> import giambio
            >>> giambio.Watch("low").subscribe().value
            'low'
        """
        return self._watched.value

    def changed(self) -> Operation:
        """Wait for a change, unless there is one that this watcher has not seen.

        Returns:
            Awaited: the latest value, which then counts as seen.

        Raises:
            EndOfStream: the watch is closed, and its last value was seen.
            RuntimeError: tasks of another loop wait for a change.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was seen.

        Example:
            >>> import giambio
            >>> async def main():
            ...     watch = giambio.Watch("low")
            ...     watcher = watch.subscribe()
            ...     watch.set("medium")
            ...     watch.set("high")
            ...     return await watcher.changed()
            >>> giambio.run(main)
            'high'
        """
        return new_change(self, False)

    def __aiter__(self) -> Watcher:
        self._seen = -1
        return self

    def __anext__(self) -> Operation:
        return new_change(self, True)

    def __repr__(self) -> str:
        watched = self._watched
        state = "news" if self._seen < watched.changes else "no news"
        return f"<giambio.Watcher {state}, {'watching' if watched.open else 'closed'}>"


class Change(ReceivingOperation):
    """One task's `Watcher.changed`."""

    __slots__ = ()

    what = "Watcher.changed()"

    def attempt(self) -> bool:
        """Done when there is a value that the watcher has not seen."""
        watcher: Watcher = self._subject
        watched = watcher._watched
        watched.kernel = self.kernel
        if watcher._seen < watched.changes:
            watcher._seen = watched.changes
            self.result = watched.value
            return True
        if not watched.open:
            return self.ended("the watch is closed, and its last value was seen")
        return self.wait_in(watched.watchers)


def new_change(watcher: Watcher, iterating: bool) -> Change:
    """Make a `Change`."""
    operation = Change.__new__(Change)
    operation.prepare_queued()
    operation._subject = watcher
    operation.iterating = iterating
    return operation


final(Watch, "(value)")
final(Watcher, "(watched=None)")
