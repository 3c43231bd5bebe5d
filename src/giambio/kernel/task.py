"""A task: a name, an outcome, asyncio's vocabulary, and what happens when it ends.

How it moves is in `run_queue`. Managers, which hold tasks, and scopes, which can cancel them,
are built above the kernel, as are locks, which a task must release. Here each of them is only
a small interface, with the methods that a task calls.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from giambio import errors
from giambio._build.sealed import final
from giambio.drivers.source import Waiter
from giambio.errors import TaskCancelled, TaskNotFinished, is_cancellation
from giambio.kernel import constants, current
from giambio.kernel.callbacks import DoneCallback, check_callback
from giambio.kernel.closed_from_outside import no_task_runs
from giambio.kernel.coroutines import discard
from giambio.kernel.free_list import FreeList
from giambio.kernel.kernel import Kernel, copy_or
from giambio.kernel.left_blocks import whose_block
from giambio.kernel.operation import Operation
from giambio.kernel.reraise import Raised
from giambio.kernel.run_queue import BaseTask
from giambio.kernel.wrap_awaitable import wrap_awaitable

__all__ = ["Held", "Scope", "Supervisor", "Task", "current_task"]


class Scope(Waiter):
    """Interface for regions of a task that can be cancelled: see `CancelScope`."""

    __slots__ = ("_effective",)

    #: Whether a cancellation is in force in here: of this scope or, unless it is shielded, of
    #: one around it.
    _effective: bool

    def cancel(self, reason: object = None) -> bool:
        """Cancel everything inside; return whether that had an effect."""
        raise NotImplementedError

    def _cancellation(self, task: Task) -> BaseException:
        """Return the exception that tells a task of the cancellation that is in force here."""
        raise NotImplementedError

    def _left_open(self) -> bool:
        """Leave the task, which has ended inside.

        Returns:
            False if an attempt to leave it has failed, which was an error already.
        """
        raise NotImplementedError

    def _enclose(self, task: Task) -> Scope:
        """Return a new scope around all of a task that runs in here, and nothing else."""
        raise NotImplementedError

    def _reparent(self, parent: Scope) -> None:
        """Move a task's own scope into another scope."""
        raise NotImplementedError

    def _disown(self) -> None:
        """Keep nothing alive, because the task has ended."""
        raise NotImplementedError


class Supervisor:
    """Base of the objects that hold tasks, and are told when one has ended."""

    __slots__ = ("_children", "_host", "_scope")

    def __init__(self) -> None:
        self._children: dict[Task, None] = {}
        # The task that waits for the children, if there is one.
        self._host: Task | None = None
        # The scope that surrounds the children.
        self._scope: Scope | None = None

    def _work_for(self, host: Task) -> None:
        """Hold tasks for a task that waits for them, inside the scopes it is in now."""
        host._isolate()  # or a scope of its own, made later, would not be around them
        self._scope = host._scope
        self._join_host(host)

    def _join_host(self, host: Task) -> None:
        """Become one of the supervisors that a task has open."""
        self._host = host
        if host._supervisors is None:
            host._supervisors = []
        host._supervisors.append(self)

    def _child_exited(self, task: Task) -> None:
        """Let go of a child that has ended; its outcome is set."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Note that the task that waits for the children was closed, and waits no more."""

    def _take_failures(self) -> list[BaseException]:
        """Give away the failures of children that nobody will raise here any more."""
        return []

    def _add_failure(self, exc: BaseException) -> None:
        """Take on a failure that another supervisor has given away, or pass it up."""
        if self._host is not None and self._host._supervisor is not None:
            self._host._supervisor._add_failure(exc)

    def _mend(self) -> None:
        """Finish what was interrupted by a signal handler that raised."""

    def _take_over(self, child: Task) -> None:
        """Hold a task that another supervisor has held until now."""
        own = child._isolate()
        self._children[child] = None
        child._supervisor = self
        if own is not None and self._scope is not None:
            own._reparent(self._scope)


class Held:
    """Interface for objects that a task holds, and must release before it ends: see `Lock`.

    Those of a task are a chain through themselves, so to hold one needs no memory.
    """

    __slots__ = ("beneath",)

    #: The object that its task has taken hold of before.
    beneath: Held | None

    def abandoned(self, task: Task) -> None:
        """Note that its task has ended without releasing it."""
        raise NotImplementedError


class Task(BaseTask):
    """A coroutine that runs by itself, held by a `TaskManager`.

    `TaskManager.spawn` returns one. Awaiting it waits for its end and gives its
    result; several tasks may do that, and as often as they like.

    Example:
        >>> import giambio
        >>> async def double(n):
        ...     return n * 2
        >>> async def main():
        ...     async with giambio.TaskManager() as manager:
        ...         task = await manager.spawn(double, 21)
        ...         return await task
        >>> giambio.run(main)
        42
    """

    __slots__ = (
        "__weakref__",
        "_cut_short",
        "_held",
        "_name",
        "_number",
        "_raised",
        "_state",
        "_joiners",
        "_kernel",
        "_own_scope",
        "_scope",
        "_supervisor",
        "_supervisors",
        "_told",
    )

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def __init__(
        self,
        kernel: Kernel,
        coro: Coroutine[Any, Any, Any],
        context: Context,
        supervisor: Supervisor,
        name: str | None,
    ) -> None:
        self._prepare(kernel, coro, context, supervisor, name)

    def _prepare(
        self,
        kernel: Kernel,
        coro: Coroutine[Any, Any, Any],
        context: Context,
        supervisor: Supervisor,
        name: str | None,
    ) -> None:
        """The constructor's work, as a method that costs nothing when compiled."""
        self._following = None
        self._queued = False
        self._is_task = True
        self._coro = coro
        self._context = context
        self._parked = None
        self._aborted = None
        self._asked = None
        self._thrown = None
        self._outcome: Any = None
        self._injected = None
        self._since = kernel._counters.since
        self._seconds = 0.0
        self._longest = 0.0
        self._kernel: Kernel | None = kernel
        self._supervisor: Supervisor | None = supervisor
        # The scope around the whole task, if somebody has asked for it, and the innermost scope.
        self._own_scope: Scope | None = None
        self._scope: Scope | None = supervisor._scope
        self._pending = self._scope is not None and self._scope._effective
        # The managers that this task has open, the oldest first.
        self._supervisors: list[Supervisor] | None = None
        self._joiners: list[Waiter] | None = None
        # The cancelled scope that it was last told of, until that is left.
        self._told: Scope | None = None
        self._name = name
        self._number = kernel._next_number()
        self._state = constants.RUNNING
        # Whether that scope has been left where the cancellation could not get caught: in an
        # async generator, by closing that one.
        self._cut_short = False
        self._raised: Raised | None = None
        # The locks that it holds, the latest first.
        self._held: Held | None = None

    # -- for users ---------------------------------------------------------------

    @property
    def id(self) -> int:
        """The task's number: no other task of the loop has the same.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep, 0)
            ...     return task.id == giambio.current_task().id
            >>> giambio.run(main)
            False
        """
        return self._number

    @property
    def parent(self) -> Task | None:
        """The task in whose `TaskManager` this one runs; until it has called
        ``started()``, the one that waits for it in `TaskManager.start`. None for the main
        task, and for a task that has ended.

        Example:
            >>> import giambio
            >>> async def child():
            ...     return giambio.current_task().parent.name
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         return await (await manager.spawn(child))
            >>> giambio.run(main).rpartition(".")[2]
            'main'
        """
        return None if self._supervisor is None else self._supervisor._host

    @property
    def root(self) -> Task:
        """The task at the top: the parent's parent, and so on; the loop's main task.

        Example:
            >>> import giambio
            >>> async def main():
            ...     task = giambio.current_task()
            ...     return task.root is task
            >>> giambio.run(main)
            True
        """
        task = self
        while (parent := task.parent) is not None:
            task = parent
        return task

    @property
    def name(self) -> str:
        """The task's name: as given to `spawn`, or its function's full name.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         return (await manager.spawn(giambio.sleep, 0, name="nap")).name
            >>> giambio.run(main)
            'nap'
        """
        if self._name is None:
            self._name = name_of(self._coro)
        return self._name

    def done(self) -> bool:
        """Return whether the task has ended, in whatever way. Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep, 0)
            ...         print(task.done())
            ...     print(task.done())
            >>> giambio.run(main)
            False
            True
        """
        return self._state != constants.RUNNING

    def cancelled(self) -> bool:
        """Return whether the task ended by being cancelled. Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep_forever)
            ...         task.cancel()
            ...     return task.cancelled()
            >>> giambio.run(main)
            True
        """
        return self._state == constants.CANCELLED

    def result(self) -> Any:
        """Return the value that the task returned. Not a checkpoint.

        Raises:
            TaskNotFinished: it still runs.
            TaskCancelled: it was cancelled.
            BaseException: the task's own exception, if it failed.

        Example:
            >>> import giambio
            >>> async def answer():
            ...     return 42
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(answer)
            ...     return task.result()
            >>> giambio.run(main)
            42
        """
        if self._state == constants.SUCCEEDED:
            return self._outcome
        raise self._problem("result()")

    def exception(self) -> BaseException | None:
        """Return the task's exception, or None if it returned. Not a checkpoint.

        Raises:
            TaskNotFinished: it still runs.
            TaskCancelled: it was cancelled.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep, 0)
            ...     return task.exception()
            >>> giambio.run(main) is None
            True
        """
        if self._state == constants.SUCCEEDED:
            return None
        if self._state == constants.FAILED:
            exc: BaseException = self._outcome
            return exc
        raise self._problem("exception()")

    def cancel(self, reason: object = None) -> bool:
        """Cancel the task: every checkpoint in it raises `CancelledError`.

        Parameters:
            reason: goes with the `CancelledError`.

        Returns:
            Whether it had an effect: False if the task has ended or was
            cancelled already.

        Not a checkpoint. The task may clean up; join it to know that it has ended.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep_forever)
            ...         return task.cancel(), task.cancel()
            >>> giambio.run(main)
            (True, False)
        """
        if self._state != constants.RUNNING:
            return False
        own = self._isolate()
        return own is not None and own.cancel(reason)

    def has_pending_cancellation(self) -> bool:
        """Return whether the task's next checkpoint raises `CancelledError`.

        False in a shielded scope, although a scope around that one may be cancelled.
        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with giambio.CancelScope() as scope:
            ...         scope.cancel()
            ...         return giambio.current_task().has_pending_cancellation()
            >>> giambio.run(main)
            True
        """
        return self._scope is not None and self._scope._effective

    def join(self) -> Operation:
        """Wait for the task's end; the same as awaiting the task.

        Returns:
            Awaited: the value that the task returned.

        Raises:
            TaskCancelled: it was cancelled.
            BaseException: the task's own exception, with its own traceback.
            RuntimeError: a task awaits itself.
            CancelledError: the waiting task is in a cancelled scope.

        A checkpoint. Cancelling the task that waits does not cancel the other one.
        Seeing a failure here does not handle it: its manager fails as well.

        Example:
            >>> import giambio
            >>> async def answer():
            ...     return 42
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         return await (await manager.spawn(answer)).join()
            >>> giambio.run(main)
            42
        """
        return new_join(self)

    def add_done_callback(
        self, callback: Callable[[Task], object], *, context: Context | None = None
    ) -> None:
        """Have a function called when the task has ended, however it has.

        Parameters:
            callback: an ordinary function, which is called with the task. Its result is
                dropped; its exception is raised in the main task.
            context: the context to run it in; a copy of the caller's by default.

        Raises:
            TypeError: `callback` is not callable, or an async function; or `context` is
                not a context.
            RunFinishedError: the task has ended, and its loop is closed.

        Not a checkpoint; only from the loop's own thread. It is called in the loop, where no
        task runs, as soon as the task has ended: those that wait for the task, such as its
        manager, go on later. If it has ended already, the function is called in the loop's
        next turn.

        Example:
            >>> import giambio
            >>> async def main():
            ...     async with giambio.TaskManager() as manager:
            ...         task = await manager.spawn(giambio.sleep, 0.01)
            ...         task.add_done_callback(lambda task: print(task.cancelled()))
            >>> giambio.run(main)
            False
        """
        check_callback(callback)
        kernel: Kernel = self._kernel  # type: ignore[assignment]  # for it was spawned
        if self.done():
            kernel.call_soon(callback, self, context=context)
        else:
            self._add_joiner(DoneCallback(callback, self, kernel, copy_or(context)))

    def remove_done_callback(self, callback: Callable[[Task], object]) -> int:
        """Undo `add_done_callback`, as often as it was called with this function.

        Parameters:
            callback: a function that is equal to it.

        Returns:
            How many there were.

        Not a checkpoint; only from the loop's own thread.

        Example:
            >>> import giambio
            >>> async def main():
            ...     task = giambio.current_task()
            ...     task.add_done_callback(print)
            ...     return task.remove_done_callback(print)
            >>> giambio.run(main)
            1
        """
        joiners = self._joiners or []
        kept = [
            joiner
            for joiner in joiners
            if not (isinstance(joiner, DoneCallback) and joiner.function == callback)
        ]
        removed = len(joiners) - len(kept)
        if removed:
            self._joiners = kept
        return removed

    def __await__(self) -> Operation:
        operation = new_join(self)
        operation.state = constants.AWAITED
        return operation

    def __repr__(self) -> str:
        state = ("running", "returned", "failed", "cancelled")[self._state]
        return f"<giambio.Task {self.name!r} {state}>"

    # -- its outcome -----------------------------------------------------------------

    def _failed(self) -> bool:
        """Return whether the task ended with an exception of its own."""
        return self._state == constants.FAILED

    def _failure(self) -> BaseException:
        """Return the exception of a failed task, with the traceback it ended with.

        It is restored each time: raising an exception adds to its traceback.
        """
        raised: Raised = self._raised  # type: ignore[assignment]  # for it has failed
        return raised.restored()

    def _problem(self, what: str) -> BaseException:
        """Return the exception to raise because there is no result."""
        if self._state == constants.FAILED:
            return self._failure()
        if self._state == constants.CANCELLED:
            return TaskCancelled(
                f"task {self.name!r} was cancelled, so it has no result{self._describe_reason()}"
            )
        return TaskNotFinished(
            f"{what}: task {self.name!r} still runs; await it, or ask after its "
            "manager's block has ended"
        )

    def _describe_reason(self) -> str:
        """Return the reason for which the task was cancelled, for the end of a message."""
        # Of a task that was closed from outside it has none.
        return f" (reason: {self._outcome})" if self._outcome else ""

    # -- being cancelled -----------------------------------------------------------

    def _interruption(self) -> BaseException:
        """See `BaseTask._interruption`."""
        if self._injected:
            exc = self._injected.pop(0)
            self._refresh_pending()
            return exc
        return self._cancellation()

    def _refresh_pending(self) -> None:
        """Recompute whether the next checkpoint raises."""
        self._pending = self.has_pending_cancellation() or bool(self._injected)

    def _runs(self) -> bool:
        """Return whether it is the task that runs in this thread."""
        kernel: Kernel | None = current.get()
        return kernel is not None and kernel is self._kernel and self._kernel._running is self

    def _cancellation(self) -> BaseException:
        """Return the exception for a cancellation; its scope knows the reason."""
        return (
            errors.raised_cancellation() if self._scope is None else self._scope._cancellation(self)
        )

    def _isolate(self) -> Scope | None:
        """Return the scope around the whole task and nothing else.

        It is made when it is needed, because most tasks are never cancelled by themselves: that
        saves a quarter of a sleeping task's memory, and of the garbage collector's work.
        """
        if self._own_scope is None and self._supervisor is not None:
            around = self._supervisor._scope
            if around is not None:
                self._own_scope = around._enclose(self)
        return self._own_scope

    def _outermost(self) -> Scope | None:
        """Return the scope that the task was in when it began."""
        if self._own_scope is not None or self._supervisor is None:
            return self._own_scope
        return self._supervisor._scope

    # -- its end ---------------------------------------------------------------------

    def _exited(self, failed: bool) -> None:
        """See `BaseTask._exited`: settle the outcome, and wake the tasks that join this one."""
        if not failed:
            self._state = constants.SUCCEEDED
            kernel = self._kernel
            if self._told is not None and kernel is not None and kernel._listeners is not None:
                kernel._listeners.swallowed(self, self._told)
        elif is_cancellation(self._outcome):
            self._settle_cancellation()
        else:
            self._fail(self._outcome)
        if self._scope is not self._outermost() or self._supervisors:
            self._leave_blocks()
        if self._held is not None:
            self._blame(
                f"task {self.name!r} ended while it held {', '.join(self._describe_held())}; "
                "use `async with lock:`"
            )
            self._abandon_held()
        if isinstance(self._coro, Operation):
            self._drop_operation()
        supervisor = self._supervisor
        self._scope = None
        self._context = None
        self._supervisor = None
        if self._joiners is not None:
            self._wake_joiners()
        if supervisor is not None:
            supervisor._child_exited(self)
        self._told = None
        if self._own_scope is not None:
            self._own_scope._disown()
            self._own_scope = None

    def _wake_joiners(self) -> None:
        joiners = self._joiners
        self._joiners = None
        if joiners is not None:
            for joiner in joiners:
                joiner._ready()

    def _drop_operation(self) -> None:
        """Let go of the operation: unlike a finished coroutine, it keeps its objects."""
        if self._name is None:
            self._name = operation_name(self._coro)
        self._coro = None

    def _settle_cancellation(self) -> None:
        # A shield may have gone up between us and the scope that we were told of.
        outermost = self._outermost()
        told = self._told is not None and not self._cut_short
        if told or (outermost is not None and outermost._effective):
            self._state = constants.CANCELLED
            self._outcome = reason_of(self._outcome)
            return
        stray: BaseException = self._outcome
        guest = None if self._kernel is None else self._kernel._guest
        if guest is not None and guest._accounts_for(self, stray):
            if self._kernel._main is self:  # type: ignore[union-attr]
                self._fail(stray)  # for `run` to raise, as asyncio's does
            else:
                self._state = constants.CANCELLED
                self._outcome = str(stray)
            return
        if self._cut_short:
            error = RuntimeError(self._describe_cut(repr(self._told)))
        else:
            error = RuntimeError(
                f"task {self.name!r} raised CancelledError although none of its scopes was "
                "cancelled; a caught CancelledError must not be raised again later, "
                "and cannot be made by hand"
            )
        error.__cause__ = stray
        self._fail(error)

    def _describe_cut(self, blocks: str) -> str:
        """Return the message for a cancellation that has passed by the block that would catch it.

        Parameters:
            blocks: a description of that one, and of others that were open.
        """
        return (
            f"task {self.name!r} was cancelled inside of {blocks}, but outside of its `with` "
            "statement, which would have caught that: while an async generator is suspended in "
            "a scope with a deadline, or in a manager, this one cuts short the body of the "
            "`async for`, too; have no `yield` inside of it"
        )

    def _hold(self, held: Held) -> None:
        """Note an object that the task must release."""
        held.beneath = self._held
        self._held = held

    def _let_go_of(self, held: Held) -> None:
        """Undo `_hold`; harmless for an object that it does not hold."""
        if self._held is held:
            self._held = held.beneath
        else:
            above = self._held
            while above is not None and above.beneath is not held:
                above = above.beneath
            if above is None:
                return
            above.beneath = held.beneath
        held.beneath = None

    def _describe_held(self) -> list[str]:
        held: list[str] = []
        one = self._held
        while one is not None:
            held.insert(0, repr(one))
            one = one.beneath
        return held

    def _leave_blocks(self) -> None:
        """Leave the blocks in which the task has ended, and take the tasks from them.

        Those are cancelled, and the supervisor of this one waits for them.
        """
        outermost = self._outermost()
        told = self._told if outermost is None or not outermost._effective else None
        blocks = self._leave_scopes(outermost)
        for holder in self._supervisors or ():
            self._pass_children_on(holder)
        # A cancellation may leave async generators behind that are inside of blocks; but one
        # that has come from such a block would have been caught by it.
        cancelled = self._state == constants.CANCELLED
        if blocks and not cancelled:
            self._blame(
                f"task {self.name!r} ended inside of {', '.join(blocks)}, which it had entered "
                "and not left; use `with` or `async with`, and no `yield` inside of it (in an "
                "async generator that has one, iterate in `async with contextlib.aclosing(...)`)"
            )
        elif blocks and told is not None and self._told is None:
            self._blame(self._describe_cut(", ".join(blocks)))

    def _leave_scopes(self, outermost: Scope | None) -> list[str]:
        """Leave the blocks inside of a scope, and take the tasks from them.

        Returns:
            Descriptions of the blocks, but for those that are known to be left in a wrong way.
        """
        blocks: list[str] = []
        while self._scope is not None and self._scope is not outermost:
            scope = self._scope
            holder = self._supervisor_in(scope)
            block: object = scope if holder is None else holder
            described = repr(block)
            if scope is self._told:
                self._told = None
            if holder is not None:
                holder._abandon()
            if scope._left_open():
                blocks.append(described + whose_block(block))
            if holder is not None:
                self._pass_children_on(holder)
        return blocks

    def _pass_children_on(self, holder: Supervisor) -> None:
        """Cancel the tasks in a block that was left, and have our own supervisor wait for them."""
        for child in list(holder._children):
            child.cancel("the task that opened its TaskManager has ended")
            if self._supervisor is not None:
                self._supervisor._take_over(child)
        holder._children.clear()
        for exc in holder._take_failures():
            if self._supervisor is not None:
                self._supervisor._add_failure(exc)

    def _drop_block(self, holder: Supervisor) -> None:
        """Go on without a block that was closed from outside."""
        self._pass_children_on(holder)
        if self._supervisors is not None and holder in self._supervisors:
            self._supervisors.remove(holder)

    def _supervisor_in(self, scope: Scope) -> Supervisor | None:
        """Return the owner of a scope, if that is a manager that this task has open."""
        for holder in self._supervisors or ():
            if holder._scope is scope:
                return holder
        return None

    def _blame(self, problem: str) -> None:
        """Fail because of a mistake, unless it may be the trace of an interruption."""
        if self._kernel is None or not self._kernel._is_torn():
            self._fail_also(problem)

    def _fail_also(self, problem: str) -> None:
        """Fail for this reason, or add it to the one for which the task has failed anyway."""
        if self._state == constants.FAILED:
            self._outcome.add_note(problem)
        else:
            self._fail(RuntimeError(problem))

    def _abandon_held(self) -> None:
        """Report to all that the task holds that nobody will release it any more."""
        while self._held is not None:
            one = self._held
            self._let_go_of(one)
            one.abandoned(self)

    def _fail(self, exc: BaseException) -> None:
        self._state = constants.FAILED
        self._outcome = exc
        self._raised = Raised(exc)

    def _abandon(self) -> None:
        """Close the coroutine, because the loop will not step this task again.

        Raises:
            BaseException: the coroutine raised it instead of ending.
        """
        if self._state != constants.RUNNING:
            return
        self._state = constants.CANCELLED
        parked = self._parked
        self._parked = None
        try:
            if parked is not None:
                if isinstance(parked, Operation):
                    parked.close()
                else:
                    parked.abort()
                parked.interruption(self)  # it releases its objects
            discard(self._coro)  # if it never began
            self._coro.close()
        finally:
            if isinstance(self._coro, Operation):
                self._drop_operation()
            self._abandon_held()
            for supervisor in self._supervisors or ():
                supervisor._abandon()
            self._wake_joiners()

    def _add_joiner(self, joiner: Waiter) -> None:
        """Notify a waiter when the task ends."""
        if self._joiners is None:
            self._joiners = []
        self._joiners.append(joiner)

    def _remove_joiner(self, joiner: Waiter) -> None:
        """Undo `_add_joiner`."""
        if self._joiners is not None and joiner in self._joiners:
            self._joiners.remove(joiner)


class Join(Operation):
    """Waits for a task's end."""

    __slots__ = ("_target",)

    what = "Task.join()"
    internal = True

    #: The task that is waited for, until it has ended.
    _target: Task | None

    def attempt(self) -> bool:
        """See `Operation.attempt`: done when the task is."""
        target = self._target
        if target is None:
            return False
        if target is self.task:
            return self.fail(
                RuntimeError(f"task {target.name!r} awaits itself, which would never end")
            )
        if not target.done():
            target._add_joiner(self)
            return False
        self._target = None
        if target._state == constants.SUCCEEDED:
            self.result = target._outcome
            return True
        return self.fail(target._problem("join()"))

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._target

    def abort(self) -> bool:
        """See `Park.abort`: the task goes on."""
        if self._target is not None:
            self._target._remove_joiner(self)
        return True


final(Task, "(kernel, coro, context, supervisor, name)")
final(Join)

JOINS = FreeList(Join)


def new_join(target: Task) -> Join:
    """Make a `Join`."""
    operation: Join = JOINS.take()
    operation.prepare(target._kernel)
    operation._target = target
    return operation


def current_task() -> Task:
    """Return the task that calls this.

    Raises:
        RuntimeError: no task runs in this thread.

    Not a checkpoint.

    Example:
        >>> import giambio
        >>> async def main():
        ...     return giambio.current_task().done()
        >>> giambio.run(main)
        False
    """
    kernel = current.get()
    if kernel is None or kernel._running is None:
        raise no_task_runs("there is no current task: no giambio task runs in this thread")
    task: Task = kernel._running
    return task


def operation_name(operation: Operation) -> str:
    """Return the name of a task that is nothing but an operation."""
    return f"giambio.{operation.what.removesuffix('()')}"


def reason_of(cancellation: BaseException) -> str:
    """Return the reason of a cancellation, as a text; of a group of them, that of the first.

    The object itself may be an exception whose traceback holds the task.
    """
    while isinstance(cancellation, BaseExceptionGroup):
        cancellation = cancellation.exceptions[0]
    reason = getattr(cancellation, "reason", None)
    return "" if reason is None else str(reason)


def name_of(coro: Any) -> str:
    """Return the full name of a coroutine's function."""
    if isinstance(coro, Operation):
        return operation_name(coro)
    qualname: str = getattr(coro, "__qualname__", None) or type(coro).__qualname__
    if getattr(coro, "cr_code", None) is wrap_awaitable.__code__:
        return qualname  # the full name of the awaitable
    frame = getattr(coro, "cr_frame", None)
    if frame is not None:
        module = frame.f_globals.get("__name__")
    else:  # it has ended, and its module is found by its file
        code = getattr(coro, "cr_code", None)
        path = getattr(code, "co_filename", None)
        module = next(
            (
                name
                for name, module in list(sys.modules.items())
                if path is not None and getattr(module, "__file__", None) == path
            ),
            None,
        )
    return f"{module}.{qualname}" if module else qualname
