"""Does a piece of code let itself be cancelled, and does it let others run?

A checkpoint of giambio looks for a cancellation, and costs the task some of its budget; it
gives way only when it has to wait or the budget is used up. So it is not enough to count how
often a task gave way. What is watched instead is the budget, between two steps of the task,
and at the end of a step the operation in which it left.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from giambio._build.sealed import final
from giambio.inspect.task_tree import innermost
from giambio.kernel import constants
from giambio.kernel.hooks import Hook
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation, current_kernel
from giambio.kernel.task import current_task

__all__ = ["assert_checkpoints", "assert_no_checkpoints"]


class Observer(Hook):
    """Watches what one task does while it is in a block."""

    def __init__(self) -> None:
        self._kernel: Kernel = current_kernel()
        self._task: Any = current_task()
        self._budget = self._kernel._budget
        #: Whether the task left, for whatever reason.
        self.gave_way = False
        #: Whether an operation looked for a cancellation and cost budget.
        self.passed_checkpoint = False

    def begin(self) -> None:
        """The block begins."""
        self._kernel.add_hook(self)

    def end(self) -> None:
        """The block ends; then the two attributes are right."""
        self._kernel.remove_hook(self)
        if self._spent() > 0:
            self.passed_checkpoint = True

    def before_step(self, task: Any) -> None:
        """See `Hook.before_step`: the budget is new."""
        if task is self._task:
            self._budget = self._kernel._budget

    def after_step(self, task: Any) -> None:
        """See `Hook.after_step`: find out in what the task has left."""
        if task is not self._task:
            return
        self.gave_way = True
        if task._parked is not None:
            self.passed_checkpoint = True
            return
        operation = innermost(task._coro)
        # One that gives way without looking does not count, also not what it cost.
        looks = isinstance(operation, Operation) and not operation.shielded
        cost = getattr(operation, "state", None) == constants.TRIED
        if looks or self._spent() > cost:
            self.passed_checkpoint = True

    def _spent(self) -> int:
        return self._budget - self._kernel._budget


class assert_checkpoints:
    """A block that must contain a checkpoint: ``with assert_checkpoints(): ...``

    It need not give way. An operation that looks for a cancellation and counts against the
    task's budget is enough, and that is what every operation of giambio does but a few:
    ``cancel_shielded_checkpoint()`` does not look, ``checkpoint_if_cancelled()`` does not
    count, and entering or leaving a `TaskManager` without tasks does neither.

    Raises:
        RuntimeError: on entering: no task runs in this thread.
        AssertionError: on leaving: there was no checkpoint. A block that ends with an
            exception need not have had one.

    Not a checkpoint itself. What other tasks do meanwhile does not count.

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
        AssertionError: no checkpoint in the block: nothing in it can be cancelled or gives way
    """

    __slots__ = ("_watch",)

    def __init__(self) -> None:
        self._watch: Observer | None = None

    def __enter__(self) -> None:
        self._watch = entered(self._watch, "assert_checkpoints()")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        watch = left(self._watch, "assert_checkpoints()")
        if exc is None and not watch.passed_checkpoint:
            raise AssertionError(
                "no checkpoint in the block: it gave way, but did not look for a cancellation"
                if watch.gave_way
                else "no checkpoint in the block: nothing in it can be cancelled or gives way"
            )


class assert_no_checkpoints:
    """A block that must not contain a checkpoint: ``with assert_no_checkpoints(): ...``

    Code between two checkpoints is not interrupted: no other task runs meanwhile, and no
    cancellation arrives. This asserts that a block stays such code.

    Raises:
        RuntimeError: on entering: no task runs in this thread.
        AssertionError: on leaving: there was a checkpoint, or the task gave way.

    Not a checkpoint itself. `checkpoint_if_cancelled` passes unnoticed, because it neither
    gives way nor counts against the budget.

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
        AssertionError: a checkpoint in the block: it gave way, so others could run
    """

    __slots__ = ("_watch",)

    def __init__(self) -> None:
        self._watch: Observer | None = None

    def __enter__(self) -> None:
        self._watch = entered(self._watch, "assert_no_checkpoints()")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        watch = left(self._watch, "assert_no_checkpoints()")
        if watch.gave_way:
            raise AssertionError("a checkpoint in the block: it gave way, so others could run")
        if watch.passed_checkpoint:
            raise AssertionError("a checkpoint in the block: it went on at once, but may give way")


def entered(watch: Observer | None, what: str) -> Observer:
    """Begin watching.

    Raises:
        RuntimeError: the block was entered already.
    """
    if watch is not None:
        raise RuntimeError(f"{what} was entered already; make a new one for each block")
    watch = Observer()
    watch.begin()
    return watch


def left(watch: Observer | None, what: str) -> Observer:
    """Stop watching.

    Raises:
        RuntimeError: the block was not entered.
    """
    if watch is None:
        raise RuntimeError(f"{what} is left, but was not entered")
    watch.end()
    return watch


final(assert_checkpoints)
final(assert_no_checkpoints)
