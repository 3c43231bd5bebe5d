"""What the kernel needs to know of a task, and of what it is parked in.

Three primitives move a task: it *parks* (an awaitable hands the kernel its
sentinel), it is *woken*, or it is *interrupted*. Everything else, from sleep to
sockets, is built on these. The public `Task` is a `BaseTask` with a vocabulary.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from giambio.drivers.source import Waiter
from giambio.errors import CancelledError
from giambio.kernel.runnable import Runnable

__all__ = ["BaseTask", "Park"]


class Park(Waiter):
    """What a task is parked in.

    A wake names the park it is meant for. Once the task has left that park the
    wake does nothing, so the object itself is the park's serial number.
    """

    __slots__ = ()

    def abort(self) -> bool:
        """The task is to be interrupted: withdraw the operation.

        Returns:
            True if the operation is withdrawn and has done nothing; False if
            that cannot be done at once: then the operation itself wakes the
            task, with its result or with the cancellation.
        """
        raise NotImplementedError

    def repeatable(self) -> bool:
        """Tell whether the operation can be tried again after it was aborted.

        Then it is aborted as soon as it is interrupted, and what it held is
        free. If not, it is aborted only when the interruption is delivered:
        until then that can be withdrawn, and a wake still counts.
        """
        return False

    def internal(self) -> bool:
        """Tell whether only another task of the loop can end the wait."""
        return False

    def subject(self) -> object:
        """What the task waits for, for reports: a lock, a channel, another task."""
        return None

    def interruption(self, task: BaseTask) -> BaseException:
        """What to raise at the await when the task is interrupted in here.

        A park on a foreign future answers with the foreign class.
        """
        return task._interruption()


class BaseTask(Runnable):
    """A coroutine under way."""

    __slots__ = (
        "_aborted",
        "_asked",
        "_context",
        "coro",
        "_injected",
        "_outcome",
        "_parked",
        "_pending",
        "_thrown",
    )

    def __init__(self, coro: Coroutine[Any, Any, Any], context: Context) -> None:
        self._following = None
        self._queued = False
        self._is_task = True
        # Its coroutine; or the operation that is all it does, until that has ended.
        self.coro: Any = coro
        self._context: Context | None = context
        # What the task is parked in; None while it runs or waits for its turn.
        self._parked: Park | None = None
        # The park it was interrupted in, until the exception is delivered or
        # withdrawn; it is still parked there if that one is not repeatable.
        self._aborted: Park | None = None
        # The park that was asked to abort and answered *not yet*.
        self._asked: Park | None = None
        # An exception to raise at the await, at the next step.
        self._thrown: BaseException | None = None
        # What the coroutine last yielded, returned or raised.
        self._outcome: Any = None
        # Whether the next checkpoint raises, because a scope is cancelled or
        # something was injected.
        self._pending = False
        self._injected: list[BaseException] | None = None

    def _interruption(self) -> BaseException:
        """The exception that a pending interruption raises, made at delivery."""
        if self._injected:
            exc = self._injected.pop(0)
            self._pending = bool(self._injected) or self._cancelled_from_outside()
            return exc
        return self._cancellation()

    def _cancellation(self) -> BaseException:
        """The exception for a cancellation; the layer above knows its reason."""
        return CancelledError()

    def _cancelled_from_outside(self) -> bool:
        """Tell whether a cancellation is in force; for the layer above."""
        return False

    def _exited(self, failed: bool) -> None:
        """The coroutine has ended, and `outcome` says how."""
        raise NotImplementedError
