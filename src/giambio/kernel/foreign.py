"""Waiting for objects of other libraries.

A coroutine that awaits, say, an asyncio future yields an object that the kernel
does not know. It asks `Kernel._foreign_hook`, and the hook answers with one of
these parks, or with None if the object means nothing to it either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import BaseTask, Park

__all__ = ["ForeignPark"]


class ForeignPark(Park):
    """A park on an object of another library.

    Parameters:
        kernel: the loop.
        task: the task that yielded the object.
        abort: a function that answers as `Park.abort` does; without one the
            wait can always be interrupted.
        interruption: a function that makes the exception for an interruption
            out of ours, for a library with a cancellation class of its own.
    """

    __slots__ = ("_abort", "_interruption", "_kernel", "_task")

    def __init__(
        self,
        kernel: Kernel,
        task: BaseTask,
        abort: Callable[[], object] | None = None,
        interruption: Callable[[BaseException], BaseException] | None = None,
    ) -> None:
        self._kernel = kernel
        self._task = task
        self._abort: Any = abort
        self._interruption: Any = interruption

    def wake(self, error: BaseException | None = None) -> bool:
        """Resume the coroutine, or raise an error in it, where it yielded.

        Returns:
            False if the task is not in this park: then nothing happens.
        """
        if not self._kernel._wake(self._task, self):
            return False
        self._task._thrown = error
        return True

    def interrupted(self) -> BaseException:
        """Return the cancellation, for an abort that answered *not yet* to raise later."""
        return self.interruption(self._task)

    def abort(self) -> bool:
        """See `Park.abort`."""
        return True if self._abort is None else bool(self._abort())

    def interruption(self, task: BaseTask) -> BaseException:
        """See `Park.interruption`."""
        ours = task._interruption()
        exc: BaseException = ours if self._interruption is None else self._interruption(ours)
        return exc
