"""Detection of swallowed cancellations: a task catches one, and does not let it pass.

A task that catches a `CancelledError` and goes on is not wrong by itself: the next checkpoint
raises again, so nothing hangs. But mostly it is an ``except BaseException``, or a ``return`` in a
``finally``, that was meant for something else.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from giambio._build.sealed import final
from giambio.inspect.task_tree import FrameInfo, user_frames
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.hooks import Hook
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel
from giambio.kernel.tracebacks import user_frame

__all__ = ["SwallowedCancellation", "swallowed_cancellations"]


class SwallowedCancellation(NamedTuple):
    """A task caught a cancellation itself, and left the cancelled block normally.

    `task` is the task's name and `reason` the argument of ``cancel``. `block` is the place where
    the cancelled scope was left, or where the task began if the task itself was cancelled.
    `raised` is the await at which the cancellation was raised first; None if the task was not
    waiting at that time.

    Example:
        >>> import giambio
        >>> from giambio.testing import SwallowedCancellation
        >>> block = giambio.FrameInfo("app.py", 12, "fetch")
        >>> print(SwallowedCancellation("app.fetch", "enough", block, None))
        task 'app.fetch' swallowed a cancellation ('enough') in the block at app.py:12 in fetch
    """

    task: str
    reason: object
    block: FrameInfo | None
    raised: FrameInfo | None

    def __str__(self) -> str:
        reason = "" if self.reason is None else f" ({self.reason!r})"
        block = "" if self.block is None else f" in the block at {place(self.block)}"
        raised = "" if self.raised is None else f"; it was raised at {place(self.raised)}"
        return f"task {self.task!r} swallowed a cancellation{reason}{block}{raised}"


def place(frame: FrameInfo) -> str:
    """Return a place in the format of the task tree."""
    return f"{frame.file}:{frame.line} in {frame.function}"


class Listener(Hook):
    """Notes swallowed cancellations, and where each task was when it was cancelled."""

    def __init__(self) -> None:
        self.found: list[SwallowedCancellation] = []
        self._raised: WeakKeyDictionary[Any, FrameInfo] = WeakKeyDictionary()

    def cancelled(self, task: Any) -> None:
        """See `Hook.cancelled`."""
        frames = list(user_frames(task, None))
        if frames:
            self._raised[task] = frames[-1]

    def parked(self, task: Any, on: object) -> None:
        """See `Hook.parked`: if it may wait again, and not for a shield, that is over."""
        shielded = task._scope is not task._supervisor._scope and task._scope.shield
        if not (task.has_pending_cancellation() or shielded):
            self._raised.pop(task, None)

    def swallowed(self, task: Any, scope: Any) -> None:
        """See `Hook.swallowed`."""
        raised = self._raised.pop(task, None)
        reason = getattr(scope, "reason", None)
        self.found.append(SwallowedCancellation(task.name, reason, block_of(task), raised))


def block_of(task: Any) -> FrameInfo | None:
    """Return the block that a task has just left: in its running frame, or the whole of it."""
    frame = None if task.done() else user_frame(sys._getframe())
    code = getattr(task._coro, "cr_code", None) if frame is None else frame.f_code
    if code is None:
        return None
    line = code.co_firstlineno if frame is None else frame.f_lineno
    return FrameInfo(code.co_filename, line, code.co_qualname)


class swallowed_cancellations:
    """A block that takes note of the cancellations that tasks swallow.

    Parameters:
        strict: True raises an `AssertionError` that names them at the end of the block;
            unless the block ends with an exception anyway.

    ``with swallowed_cancellations() as report:`` gives a list, of `SwallowedCancellation`s;
    it covers all tasks of the running loop. It is empty as long as every task that was
    cancelled let the `CancelledError` pass.

    Raises:
        RuntimeError: on entering: no loop runs in this thread.
        AssertionError: on leaving, if it is strict.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> from giambio.testing import swallowed_cancellations
        >>> async def careless():
        ...     try:
        ...         await giambio.sleep_forever()
        ...     except BaseException:
        ...         pass
        >>> async def main():
        ...     with swallowed_cancellations() as report:
        ...         with giambio.move_on_after(0.01):
        ...             await careless()
        ...     return report[0].raised.function
        >>> giambio.run(main)
        'careless'
    """

    __slots__ = ("_kernel", "_listener", "_strict")

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._listener = Listener()
        self._kernel: Kernel | None = None

    __aenter__ = __aexit__ = refuse_async_with

    def __enter__(self) -> list[SwallowedCancellation]:
        if self._kernel is not None:
            raise RuntimeError("swallowed_cancellations() was entered already; make a new one")
        self._kernel = current_kernel()
        self._kernel.add_hook(self._listener)
        return self._listener.found

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        if self._kernel is None:
            raise RuntimeError("swallowed_cancellations() is left, but was not entered")
        self._kernel.remove_hook(self._listener)
        if self._strict and exc is None and self._listener.found:
            found = "\n".join(str(one) for one in self._listener.found)
            raise AssertionError(f"a cancellation must be allowed to pass:\n{found}")


final(swallowed_cancellations)
