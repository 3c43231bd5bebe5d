"""The loop of another library that runs on the kernel, such as asyncio's.

Its futures can be awaited in tasks then, and its own tasks are tasks of the kernel, which knows no
more of it than this interface. A room above makes the guests, and says how in `invite`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from giambio.kernel.run_queue import BaseTask

__all__ = ["Guest", "invite"]

#: Makes a kernel that begins a run have its guest; None while there is none to be had.
invite: Callable[[Any], object] | None = None


class Guest:
    """Interface for the loop of another library, in one run of a kernel."""

    __slots__ = ()

    def _take(self, task: BaseTask, foreign: object) -> bool:
        """Have a task wait for an object that it has yielded.

        Returns:
            Whether it waits: it is parked or on the run queue. If not, the object means nothing.
        """
        raise NotImplementedError

    def _entered(self) -> None:
        """Note that the kernel is the running loop of this thread from now on."""
        raise NotImplementedError

    def _left(self) -> None:
        """Undo `_entered`; harmless without it."""
        raise NotImplementedError

    def _before_step(self, task: BaseTask) -> None:
        """Note that a task is about to run; only for `Kernel._steps_for`."""
        raise NotImplementedError

    def _after_step(self, task: BaseTask) -> None:
        """Note that a task has parked, yielded or ended."""
        raise NotImplementedError

    def _exited(self, task: BaseTask) -> None:
        """Note that a task has ended; its outcome is set."""
        raise NotImplementedError

    def _accounts_for(self, task: BaseTask, cancellation: BaseException) -> bool:
        """Return whether it is the library that has cancelled a task, which ends by that."""
        raise NotImplementedError

    def _check_caller(self, what: str) -> None:
        """Raise if code awaits a giambio operation in a task that the library steps by itself.

        Only for `Kernel._steps_for`.

        Parameters:
            what: the operation's name.

        Raises:
            RuntimeError: it does.
        """
        raise NotImplementedError

    def _roots(self) -> list[Any]:
        """Return the tasks that belong to the library's loop and to no task of giambio's."""
        raise NotImplementedError

    def _shut_down(self) -> None:
        """Cancel the tasks of the library's loop, because the main task has ended.

        Afterwards `_roots` is empty as soon as they have ended, and no thread of its is left.
        """
        raise NotImplementedError
