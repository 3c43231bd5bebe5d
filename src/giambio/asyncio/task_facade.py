"""What `asyncio.current_task()` and `asyncio.create_task()` return: a task, seen from asyncio.

It is an `asyncio.Task` whose coroutine is stepped by giambio's kernel. Its constructor was called,
so that all that asyncio keeps in there is in its place (C code reads it), but its first step never
runs.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.futures import Future
from asyncio.tasks import Task
from contextvars import Context
from typing import Any

from giambio.kernel.operation import Operation

__all__ = ["TaskFacade", "new_facade"]

#: From Python 3.13 on, `uncancel()` takes back a cancellation that was not delivered yet.
WITHDRAWS = sys.version_info >= (3, 13)


class TaskFacade(Task):  # type: ignore[type-arg]
    """See the module."""

    __slots__ = ("_link",)

    _link: Any
    _log_destroy_pending: bool

    def cancel(self, msg: Any = None) -> bool:
        """See `asyncio.Task.cancel`."""
        if not super().cancel(msg):  # it counts
            return False
        self._log_traceback = False
        self._link.cancel(msg)
        return True

    def uncancel(self) -> int:
        """See `asyncio.Task.uncancel`."""
        left = super().uncancel()
        if left == 0 and WITHDRAWS:
            self._link.withdraw()
        return left

    def set_name(self, value: object) -> None:
        """See `asyncio.Task.set_name`."""
        super().set_name(value)
        self._link.rename(self.get_name())

    @property
    def _must_cancel(self) -> bool:
        return bool(self._link.is_requested())

    @property
    def _fut_waiter(self) -> Any:
        return self._link.waits_for()

    def result(self) -> Any:
        """See `asyncio.Future.result`: the very exception that ended the task is raised."""
        self._raise_cancellation()
        return super().result()

    def exception(self) -> BaseException | None:
        """See `asyncio.Future.exception`."""
        self._raise_cancellation()
        return super().exception()

    def _raise_cancellation(self) -> None:
        if self.cancelled() and (cancellation := self._link.take_cancellation()) is not None:
            try:
                raise cancellation
            finally:
                del cancellation

    def _settle(self, task: Any) -> None:
        """Take over the outcome of the task, which has ended."""
        if self.done():
            return
        message = self._link.cancel_message()
        if message is not None:
            Future.cancel(self, *message)
        elif task.cancelled():
            Future.cancel(self)
        elif task._failed():
            self._fail(task._failure())
        else:
            Future.set_result(self, task.result())

    def _fail(self, exc: BaseException) -> None:
        Future.set_exception(self, exc)
        if self._link.native:
            self._log_traceback = False  # its manager raises it
        elif isinstance(exc, (KeyboardInterrupt, SystemExit)):
            self._link.crash(exc)


TaskFacade.__name__ = "Task"  # which asyncio's `repr` shows


def new_facade(loop: Any, link: Any, coro: Any, name: str, context: Context) -> TaskFacade:
    """Make the `asyncio.Task` of a task."""
    alone = isinstance(coro, Operation)  # asyncio takes a coroutine only
    if alone:
        coro = placeholder()
    loop._host.makes_a_facade = True  # its first step is dropped: that is the kernel's
    try:
        facade = TaskFacade(coro, loop=loop, name=name, context=context)
    finally:
        loop._host.makes_a_facade = False
    facade._link = link
    if alone:
        coro.close()
    if link.native:
        # "Cancel all tasks but me" is not to reach into managers; and those wait for it.
        asyncio.tasks._unregister_task(facade)
        facade._log_destroy_pending = False
    return facade


async def placeholder() -> None:
    """Stand for an operation that is all that a task does."""
