"""Assertions about checkpoints: that a block has one, or that it has none.

A checkpoint of giambio looks for a cancellation, and costs the task some of its budget; it
yields control only when it has to wait or the budget is used up. So counting how often a task
yielded is not enough. The observer watches the budget instead, between two steps of the task,
and at the end of a step the operation in which the task left.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from giambio._build.sealed import final
from giambio.inspect.task_tree import innermost
from giambio.kernel import constants
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.hooks import Hook
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation, current_kernel
from giambio.kernel.task import current_task

__all__ = ["assert_checkpoints", "assert_no_checkpoints"]


class Observer(Hook):
    """Watches one task while it is in a block."""

    def __init__(self) -> None:
        self._kernel: Kernel = current_kernel()
        self._task: Any = current_task()
        self._budget = self._kernel._budget
        #: Whether the task left, for whatever reason.
        self.yielded = False
        #: Whether an operation looked for a cancellation and cost budget.
        self.passed_checkpoint = False
        self._kernel.add_hook(self)

    def end(self) -> None:
        """End watching; then the two attributes are right."""
        self._kernel.remove_hook(self)
        if self._spent() > 0:
            self.passed_checkpoint = True

    def before_step(self, task: Any) -> None:
        """See `Hook.before_step`: the budget is new."""
        if task is self._task:
            self._budget = self._kernel._budget

    def after_step(self, task: Any) -> None:
        """See `Hook.after_step`: find out in which operation the task has left."""
        if task is not self._task:
            return
        self.yielded = True
        if task._parked is not None:
            self.passed_checkpoint = True
            return
        operation = innermost(task._coro)
        # One that yields without looking does not count, nor does its cost.
        looks = isinstance(operation, Operation) and not operation.shielded
        cost = getattr(operation, "state", None) == constants.TRIED
        if looks or self._spent() > cost:
            self.passed_checkpoint = True

    def _spent(self) -> int:
        return self._budget - self._kernel._budget


class Block:
    """A block in which a task is watched."""

    __slots__ = ("_observer",)

    def __init__(self) -> None:
        self._observer: Observer | None = None

    __aenter__ = __aexit__ = refuse_async_with

    def __enter__(self) -> None:
        if self._observer is not None:
            name = type(self).__name__
            raise RuntimeError(f"{name}() was entered already; make a new one for each block")
        self._observer = Observer()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        observer = self._observer
        if observer is None:
            raise RuntimeError(f"{type(self).__name__}() is left, but was not entered")
        observer.end()
        problem = self._problem(observer, exc)
        if problem is not None:
            raise AssertionError(problem)

    def _problem(self, observer: Observer, exc: BaseException | None) -> str | None:
        """Return the reason why the assertion fails; None if it holds."""
        raise NotImplementedError


@final
class assert_checkpoints(Block):
    """A block that must contain a checkpoint: ``with assert_checkpoints(): ...``

    It need not yield control. An operation that looks for a cancellation and counts against the
    task's budget is enough, and that is what every operation of giambio does but a few:
    ``cancel_shielded_checkpoint()`` does not look, ``checkpoint_if_cancelled()`` does not
    count, and entering or leaving a `TaskManager` without tasks does neither.

    Raises:
        RuntimeError: on entering: no task runs in this thread.
        AssertionError: on leaving: there was no checkpoint. A block that ends with an
            exception need not have had one.

    Not a checkpoint itself. Other tasks do not count.

    Example:
        >>> import giambio
        >>> from giambio.testing import assert_checkpoints
        >>> async def main():
        ...     with assert_checkpoints():
        ...         await giambio.sleep(0)
        ...     with assert_checkpoints():
        ...         pass
        >>> giambio.run(main)
        Traceback (most recent call last):
        AssertionError: no checkpoint in the block: nothing in it can be cancelled or yields control
    """

    __slots__ = ()

    def _problem(self, observer: Observer, exc: BaseException | None) -> str | None:
        if exc is not None or observer.passed_checkpoint:
            return None
        missing = "nothing in it can be cancelled or yields control"
        if observer.yielded:
            missing = "it yielded control, but did not look for a cancellation"
        return f"no checkpoint in the block: {missing}"


@final
class assert_no_checkpoints(Block):
    """A block that must not contain a checkpoint: ``with assert_no_checkpoints(): ...``

    Code between two checkpoints is not interrupted: no other task runs meanwhile, and no
    cancellation arrives. This asserts that a block stays such code.

    Raises:
        RuntimeError: on entering: no task runs in this thread.
        AssertionError: on leaving: there was a checkpoint, or the task yielded control.

    Not a checkpoint itself. `checkpoint_if_cancelled` passes unnoticed, because it neither
    yields control nor counts against the budget.

    Example:
        >>> import giambio
        >>> from giambio.testing import assert_no_checkpoints
        >>> async def main():
        ...     with assert_no_checkpoints():
        ...         giambio.Event().set()
        ...     with assert_no_checkpoints():
        ...         await giambio.sleep(0)
        >>> giambio.run(main)
        Traceback (most recent call last):
        AssertionError: a checkpoint in the block: it yielded control, so others could run
    """

    __slots__ = ()

    def _problem(self, observer: Observer, exc: BaseException | None) -> str | None:
        if observer.yielded:
            return "a checkpoint in the block: it yielded control, so others could run"
        if observer.passed_checkpoint:
            return "a checkpoint in the block: it went on at once, but may yield control"
        return None
