"""Where a task is: it runs, it is on the run queue, or it is parked.

Three primitives move it: it *parks* (an awaitable hands the kernel its sentinel), it is
*woken*, or it is *interrupted*. Everything else, from sleep to sockets, is built on these. The
kernel knows only this part of a task; `Task` adds an outcome, scopes, and the user's methods.

The queue is a chain through its own items, so that putting a task on it costs two
assignments and no memory.
"""

from __future__ import annotations

from contextvars import Context
from typing import Any

from giambio._build.sealed import final
from giambio.drivers.source import Waiter
from giambio.kernel.system_clock import system_time

__all__ = ["BaseTask", "Park", "RunQueue", "Runnable"]


class Runnable(Waiter):
    """An item of the run queue: a task or a callback."""

    __slots__ = ("_following", "_is_task", "_queued")

    _following: Runnable | None
    _is_task: bool
    _queued: bool

    def _run(self) -> None:
        """Call the callback. A task is stepped by the kernel instead."""
        raise NotImplementedError


class Park(Waiter):
    """The object in which a task is parked.

    A wake names the park it is meant for. Once the task has left that park the
    wake does nothing, so the object itself is the park's serial number.
    """

    __slots__ = ()

    #: Whether only another task of the loop can end the wait.
    internal = False

    def abort(self) -> bool:
        """Withdraw the operation, because the task is to be interrupted.

        Returns:
            True if the operation is withdrawn and has done nothing; False if
            that cannot be done at once: then the operation itself wakes the
            task, with its result or with the cancellation.
        """
        raise NotImplementedError

    def repeatable(self) -> bool:
        """Return whether the operation can be tried again after it was aborted.

        Then it is aborted as soon as it is interrupted, and its resources
        are free. If not, it is aborted only when the interruption is delivered:
        until then that can be withdrawn, and a wake still counts.
        """
        return False

    def subject(self) -> object:
        """Return the object of the wait, for reports: a lock, a channel, another task."""
        return None

    def interruption(self, task: BaseTask) -> BaseException:
        """Return the exception to raise at the await when the task is interrupted in here.

        A park on a foreign future answers with the foreign class.
        """
        return task._interruption()


class BaseTask(Runnable):
    """The part of a `Task` that moves it, for the kernel and for operations.

    It is a class of its own because a task can be awaited: `Task.join` makes an operation, and
    an operation has a task.
    """

    __slots__ = (
        "_aborted",
        "_asked",
        "_context",
        "_injected",
        "_outcome",
        "_parked",
        "_pending",
        "_since",
        "_thrown",
        "_coro",
        "_longest",
        "_seconds",
    )

    #: Its coroutine; or the operation that is all it does, until that has ended.
    _coro: Any
    #: None when it has ended.
    _context: Context | None
    #: Where the task is parked; None while it runs or waits for its turn.
    _parked: Park | None
    #: The park it was interrupted in, until the exception is delivered or withdrawn; it is
    #: still parked there if that one is not repeatable.
    _aborted: Park | None
    #: The park that was asked to abort and answered *not yet*.
    _asked: Park | None
    #: An exception to raise at the await, at the next step.
    _thrown: BaseException | None
    #: The object that the coroutine last yielded, returned or raised.
    _outcome: Any
    #: Whether the next checkpoint raises, because a scope is cancelled or something was
    #: injected.
    _pending: bool
    _injected: list[BaseException] | None
    #: When the turn of its last step began, by the system's clock.
    _since: float
    #: For how many seconds it has run, and the longest step, since the loop takes the time.
    _seconds: float
    _longest: float

    def _add_time(self, began: float) -> None:
        """Note how long a step has taken."""
        seconds = system_time() - began
        self._seconds += seconds
        if seconds > self._longest:
            self._longest = seconds

    def _interruption(self) -> BaseException:
        """Return the exception that a pending interruption raises, made at delivery."""
        raise NotImplementedError

    def _exited(self, failed: bool) -> None:
        """Note that the coroutine has ended; `_outcome` says how."""
        raise NotImplementedError


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
        item._following = None
        if self._tail is None:
            self._head = item
        else:
            self._tail._following = item
        self._tail = item
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
        items: list[Any] = [self.pop() for _ in range(self.length)]
        tasks = [item for item in items if item._is_task]
        random.shuffle(tasks)
        for item in items:
            self.append(tasks.pop() if item._is_task else item)

    def clear(self) -> list[Any]:
        """Empty the queue. An item that a destructor puts on it meanwhile stays.

        Returns:
            The callbacks that were on it.
        """
        items: list[Any] = [self.pop() for _ in range(self.length)]
        return [item for item in items if not item._is_task]

    def __del__(self) -> None:
        self.clear()  # one by one: C's stack is too small to free a long chain


final(RunQueue, "()")
