"""An event: something that happens once, and that any number of tasks can wait for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NamedTuple, NoReturn

from giambio._build.sealed import final
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["Event", "EventStatistics"]


class EventStatistics(NamedTuple):
    """Statistics of an `Event`, as `Event.statistics` returns them.

    Example:
        >>> import giambio
        >>> giambio.Event().statistics().tasks_waiting
        0
    """

    tasks_waiting: int


class Event:
    """Something that happens once: ``await event.wait()``, ``event.set()``.

    An event stays set, so no task can come too late. For something that happens
    repeatedly, make a new event each time, or use a `Condition` or a channel.

    Example:
        >>> import giambio
        >>> async def waiter(event):
        ...     await event.wait()
        ...     return "it has happened"
        >>> async def main():
        ...     event = giambio.Event()
        ...     async with giambio.TaskManager() as manager:
        ...         task = await manager.spawn(waiter, event)
        ...         event.set()
        ...     return task.result()
        >>> giambio.run(main)
        'it has happened'
    """

    __slots__ = ("__weakref__", "_waiters", "_set")

    def __init__(self) -> None:
        self._set = False
        self._waiters = WaitQueue()

    def set(self) -> None:
        """Wake all tasks that wait, in the order in which they came.

        Not a checkpoint. Setting it a second time does nothing.

        Raises:
            RuntimeError: tasks wait for it, and this is not their loop's thread.

        Example:
            >>> import giambio
            >>> event = giambio.Event()
            >>> event.set()
            >>> event.is_set()
            True
        """
        self._waiters.check_thread("Event.set()")
        self._set = True
        self._waiters.wake_all()

    def is_set(self) -> bool:
        """Whether the event is set. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Event().is_set()
            False
        """
        return self._set

    def wait(self) -> Coroutine[Any, Any, None]:
        """Wait until the event is set; continue at once if it is.

        Raises:
            CancelledError: the task is in a cancelled scope.
            RuntimeError: tasks of another loop wait for it.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     event = giambio.Event()
            ...     event.set()
            ...     await event.wait()
            >>> giambio.run(main)
        """
        return EventWait(self)

    def statistics(self) -> EventStatistics:
        """Return how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> giambio.Event().statistics()
            EventStatistics(tasks_waiting=0)
        """
        return EventStatistics(self._waiters.length)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "an Event is neither true nor false; ask event.is_set(), or `await event.wait()`"
        )

    def __repr__(self) -> str:
        state = "set" if self._set else "not set"
        return f"<giambio.Event {state}, {self._waiters.length} waiting>"


class EventWait(QueuedOperation):
    """One task's `Event.wait`."""

    __slots__ = ()

    what = "Event.wait()"

    def attempt(self) -> bool:
        """Done when the event is set."""
        event: Event = self._subject
        return event._set or self.wait_in(event._waiters)


final(Event, "()")
