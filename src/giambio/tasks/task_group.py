"""Task groups: a block that ends when all its tasks have, and raises their failures.

The common part of `TaskManager` and of the combinators (`gather` and the like). The
first failure cancels the other tasks. A group holds the tasks that run, and the failures
until it raises them; nothing of a task that has succeeded.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Awaitable
from types import TracebackType
from typing import Any

from giambio._build.sealed import final
from giambio.arguments import check_int, is_int
from giambio.errors import RunFinishedError, is_cancellation, without_cancellations
from giambio.kernel import constants, current
from giambio.kernel.blocks import refuse_with
from giambio.kernel.checkpoints import cancel_shielded_checkpoint
from giambio.kernel.closed_from_outside import closes_from_outside
from giambio.kernel.free_list import FreeList
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Immediate, Operation
from giambio.kernel.reraise import Failure, Raised, Unchained
from giambio.kernel.task import Supervisor, Task, current_task
from giambio.tasks import cancel
from giambio.tasks.cancel import CancelScope
from giambio.tasks.exception_groups import unique

__all__ = ["Entering", "Leaving", "TaskGroup", "check_limit", "new_leaving"]


class TaskGroup(Supervisor):
    """Tasks that run inside the scopes of another one, their host, which waits for their end.

    `TaskManager` is the one that users open, and spawn tasks in.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_cancelled",
        "_errors",
        "_interruption",
        "_kernel",
        "_leaving",
        "_state",
        "_stray",
        "_strict",
    )

    #: The group's name in messages, without and with an article.
    _label = "block"
    _a_label = "a block"
    #: The reason of the cancellation when a task has failed.
    _reason = "another task of the block has failed"

    def _prepare(self, kernel: Kernel | None, strict: bool | None) -> None:
        """Initialize: a method, because compiled it costs less than `__init__`.

        `kernel` is to be checked when the block is entered; None takes the host's.
        """
        scope = cancel.new_scope()
        scope._role = constants.OWNED
        self._children = {}
        self._scope = scope
        self._kernel: Kernel | None = kernel
        self._strict = strict
        self._state = constants.NEW
        self._host: Task | None = None
        self._leaving: Leaving | None = None
        self._errors: list[Raised] | None = None
        self._body: Raised | None = None
        self._cancelled = False
        self._stray = False
        # The cancellation by asyncio that has reached the host while it waited.
        self._interruption: BaseException | None = None

    # -- as a context manager ----------------------------------------------------------

    def __aenter__(self) -> Operation:
        return new_entering(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        if exc is not None and self._is_closed_from_outside(exc):
            return self._close()
        # An exception of a plain operation is raised with `throw`, which chains it to
        # the exception that is being handled there; see `unchained`.
        chained = exc is None and sys.exc_info()[1] is None
        leaving = new_leaving(self, exc, chained)
        return leaving if chained else Unchained(leaving)

    def _is_closed_from_outside(self, exc: BaseException) -> bool:
        """Return whether the block's coroutine, or its async generator, is closed elsewhere.

        Parameters:
            exc: what the body has raised: not `GeneratorExit` if its clean-up has failed.
        """
        host = self._host
        if host is not None and host._runs():
            return False
        return isinstance(exc, GeneratorExit) or (host is not None and closes_from_outside())

    def _drop(self) -> bool:
        """End a block that is closed from outside: its host cannot wait, and may go on.

        Returns:
            Whether there was something to wait for.
        """
        busy = self._is_busy()
        self._abandon()
        host = self._host
        if host is not None and not host.done():
            self._host = None
            host._drop_block(self)
            self._pass_place_on()  # nobody will get one any more
        return busy

    def _close(self) -> Awaitable[object]:
        """Leave a block that is closed from outside."""
        busy = self._drop()
        kernel = current.get()
        if busy and kernel is not None and kernel._running is not None:
            # An async generator, closed in a task that waits no more than it has to. It has to
            # here, and may warn about that.
            return cancel_shielded_checkpoint()
        return Immediate(False)

    __enter__ = __exit__ = refuse_with

    # -- its tasks ---------------------------------------------------------------------

    def _check_open(self) -> None:
        """Raise unless tasks can be spawned.

        Raises:
            RuntimeError, RunFinishedError: the block is not open.
        """
        if self._state == constants.NEW:
            raise RuntimeError(
                f"this {self._label} was not entered yet; spawn inside of "
                f"`async with {self._label}() as manager:`"
            )
        if self._state == constants.LEFT:
            raise RunFinishedError(
                f"this {self._label}'s block was left already; spawn while it is open"
            )

    def _launch(self, coro: Any, name: str | None, context: contextvars.Context) -> Task:
        """Make a task and put it on the run queue."""
        kernel: Kernel = self._kernel  # type: ignore[assignment]  # for the block is open
        task = cancel.new_task(kernel, coro, context, self, name)
        kernel._add_task(task)
        return task

    def _child_exited(self, task: Task) -> None:
        """See `Supervisor._child_exited`."""
        del self._children[task]
        self._settle(task)
        self._pass_place_on()

    def _settle(self, task: Task) -> None:
        """Note the outcome of a task."""
        if task._failed():
            real = without_cancellations(task._failure())
            if real is not None:
                self._add_error(real)
        elif task.cancelled():
            scope: CancelScope | None = self._scope  # type: ignore[assignment]
            if scope is not None and scope._effective:
                self._cancelled = True
                scope._cancel_as_around()

    def _add_error(self, exc: BaseException) -> None:
        """Note a failure, and cancel the rest."""
        if self._errors is None:
            self._errors = []
        self._errors.append(Raised(exc))
        self._cancel_all(self._reason)

    def _add_interruption(self, exc: BaseException) -> None:
        """Note an exception that was raised in the host while it waits for the tasks."""
        if is_cancellation(exc):  # by asyncio: it goes on as it came, if nothing fails
            self._interruption = exc
            self._cancelled = self._stray = True
            self._cancel_all(f"the block of {self._a_label} was cancelled")
        else:
            self._add_error(exc)

    def _cancel_all(self, reason: str) -> None:
        """Cancel the body and the tasks."""
        if self._scope is not None:
            self._scope.cancel(reason)

    def _pass_place_on(self) -> None:
        """A task has ended, or will not be spawned: wake the host if it was the last."""
        if self._leaving is not None and not self._is_busy():
            self._leaving._ready()

    def _mend(self) -> None:
        """See `Supervisor._mend`: nobody has told the host that the last task has ended."""
        self._pass_place_on()

    def _is_busy(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._children)

    # -- entering and leaving ----------------------------------------------------------

    def _open(self, task: Task) -> None:
        """Enter the block."""
        if self._state != constants.NEW:
            raise RuntimeError(
                f"this {self._label} was used already; make a new one for each block"
            )
        kernel = task._kernel
        if self._kernel is not None and self._kernel is not kernel:
            raise RuntimeError(
                f"this {self._label} was made for another loop than the one that runs this task"
            )
        self._kernel = kernel
        scope: CancelScope = self._scope  # type: ignore[assignment]
        scope._enter(task)
        self._state = constants.OPEN
        self._join_host(task)  # where `spread` finds the tasks

    def _begin_leaving(self, leaving: Leaving, body: BaseException | None) -> None:
        """Note how the body has ended: it counts as one of the tasks."""
        if self._host is None or self._state != constants.OPEN:
            if self._host is not None and closes_from_outside():
                leaving._yielded = True
                return  # its host has ended
            problem = (
                "but was not entered" if self._state == constants.NEW else "but was left already"
            )
            raise RuntimeError(f"this {self._label} is left, {problem}")
        scope: CancelScope = self._scope  # type: ignore[assignment]
        try:
            if not scope._check_leaving(None):
                leaving._yielded = not self._drop()
                return
        except RuntimeError as exc:
            if not self._host._runs():
                raise
            # A scope is still open inside: raised when the tasks are joined.
            self._add_error(exc)
        self._leaving = leaving
        if body is not None:
            self._body = Raised(body)
            real = without_cancellations(body)
            if real is None:
                self._cancelled = True
                scope._cancel_as_around()
                if not scope._effective:
                    # Raised by hand, then: neither ours nor from outside. The tasks do
                    # not know of it, and it must not be caught here.
                    self._stray = True
                    scope.cancel(f"the block of {self._a_label} was cancelled")
            else:
                self._add_error(real)

    def _abandon(self) -> None:
        """See `Supervisor._abandon`: the host waits no more."""
        self._state = constants.LEFT
        for child in list(self._children):  # not by the scope: the host may go on
            child.cancel(f"the block of {self._a_label} was closed from outside")
        scope: CancelScope = self._scope  # type: ignore[assignment]
        scope._abandon()

    def _take_failures(self) -> list[BaseException]:
        """See `Supervisor._take_failures`: each once, as they were raised the first time."""
        if self._errors is None:
            return []
        errors = self._errors
        self._errors = None
        # From the last one back, because the same error may have been raised again.
        return unique([raised.restored() for raised in errors[::-1]][::-1])

    def _add_failure(self, exc: BaseException) -> None:
        """See `Supervisor._add_failure`."""
        self._add_error(exc)

    def _finish(self, body: BaseException | None) -> Any:
        """Leave the scope, when all tasks have ended.

        Returns:
            The result of the await, or a `Failure` to raise.
        """
        self._state = constants.LEFT
        self._leaving = None
        host = self._host
        self._host = None
        errors = self._take_failures()
        cancelled = self._cancelled or (body is not None and is_cancellation(body))
        scope: CancelScope = self._scope  # type: ignore[assignment]
        scope._report_swallowed(body)
        caught = scope._leave(cancelled and not errors and not self._stray)
        if host is None or host._supervisors is None:
            return False
        host._supervisors.remove(self)
        if errors:
            outcome = self._failure(errors, body)
        else:
            outcome = self._conclude(host, body, cancelled and not caught, caught)
        self._body = None
        return outcome

    def _conclude(
        self, host: Task, body: BaseException | None, cancelled: bool, caught: bool
    ) -> Any:
        """Return the result of `__aexit__`, or a `Failure`, when no task has failed.

        Parameters:
            host: the task that leaves the block.
            body: the cancellation that the body has raised, if any.
            cancelled: whether a cancellation goes on to the blocks around.
            caught: whether a cancellation was caught here.
        """
        interruption = self._interruption
        if interruption is not None:
            self._interruption = None
            return Failure(interruption)
        if not cancelled:
            return caught and body is not None
        if body is not None or not host._pending:
            return False  # it goes on as it came, or is no longer in force
        return Failure(host._interruption())

    def _failure(self, errors: list[BaseException], body: BaseException | None) -> Any:
        """Return the `Failure` to raise, or False if the body has raised it already."""
        strict = self._strict
        if strict is None:
            strict = self._kernel is not None and self._kernel._strict
        error: BaseException
        if len(errors) > 1 or strict:
            failed = "several tasks" if len(errors) > 1 else "a task"
            error = BaseExceptionGroup(f"{failed} of {self._a_label} failed", errors)
        else:
            error = errors[0]
        if error is not body:
            return Failure(error)
        if self._body is not None:
            self._body.restored()
        return False


class Entering(Operation):
    """Enters a block: not a checkpoint, and never waits."""

    __slots__ = ("_block",)

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return f"{self._block._label}.__aenter__()"

    _block: TaskGroup

    def advance(self) -> bool:
        """See `Operation.advance`."""
        self.bind()
        self.state = constants.DONE
        self._block._open(current_task())
        self.result = self._block
        return True


class Leaving(Operation):
    """Leaves a block: waits for its tasks, and cannot be cancelled itself.

    A cancellation from outside reaches the tasks by themselves. An exception that is
    injected into the host (an interrupt, the error of a callback) counts as a failure of
    the body.
    """

    __slots__ = ("_begun", "_block", "_body", "_chained", "_yielded")

    internal = True

    @property
    def what(self) -> str:  # type: ignore[override]
        """The operation's name in messages."""
        return f"{self._block._label}.__aexit__()"

    def prepare_leaving(self, block: TaskGroup, body: BaseException | None, chained: bool) -> None:
        """See `Operation.prepare`."""
        self.prepare(None)
        self.shielded = True
        self._block = block
        self._body = body
        # Whether it may raise by itself; otherwise `Unchained` does.
        self._chained = chained
        self._begun = False
        self._yielded = False

    def attempt(self) -> bool:
        """Done when no task is left, after yielding control at least once."""
        task = self.task
        block = self._block
        if not self._begun:
            self._begun = True
            block._begin_leaving(self, self._body)
            self._take_injected()
        if block._is_busy():
            self._yielded = True
            return False
        if not self._yielded and self.kernel is not None and task is not None:
            self._yielded = True
            self.kernel._queue.append(task)
            return False
        self._take_injected()
        if block._is_busy():
            return False
        body = self._body
        self._body = None
        outcome = block._finish(body)
        if self._chained and isinstance(outcome, Failure):
            return self.fail(outcome.exception)
        self.result = outcome
        return True

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._block

    def abort(self) -> bool:
        """See `Park.abort`: not now. The tasks are cancelled too, and the last one wakes this."""
        self._take_injected()
        return False

    def _take_injected(self) -> None:
        task: Task | None = self.task  # type: ignore[assignment]
        if task is not None and task._injected:
            for exc in task._injected:
                self._block._add_interruption(exc)
            task._injected = None
            task._refresh_pending()


final(Entering)

ENTERINGS = FreeList(Entering)
LEAVINGS = FreeList(Leaving)


def new_entering(block: TaskGroup) -> Entering:
    """Make an `Entering`."""
    operation: Entering = ENTERINGS.take()
    operation.prepare(None)
    operation._block = block
    return operation


def new_leaving(block: TaskGroup, body: BaseException | None, chained: bool) -> Leaving:
    """Make a `Leaving`."""
    operation: Leaving = LEAVINGS.take()
    operation.prepare_leaving(block, body, chained)
    return operation


def check_limit(what: str, limit: int) -> int:
    """Return `limit`, or the largest number there is room for.

    Raises:
        TypeError, ValueError: it is not a number of tasks.
    """
    return check_int(what, "limit", min(limit, sys.maxsize) if is_int(limit) else limit, 1)
