"""Cancel scopes, as in Trio: cancellation is level-triggered and follows the tree of scopes.

A cancelled scope makes every checkpoint inside it raise `CancelledError`, again
and again, until the scope is left. Each scope knows its parent; the outermost one of
a task hangs below the scope of its manager. No scope knows its children, so entering
one costs next to nothing. Only when a scope is cancelled or shielded, `spread` walks
through the tasks inside and updates their flags.

A scope can also be stopped softly, which is told to those inside that want to know, and raises
nothing by itself. It is not kept in flags: those who ask walk up the scopes around, and
`announce_stop` looks for the scopes inside that follow it. So it costs nothing where it is not
used.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context
from math import inf
from types import TracebackType
from typing import Any

from giambio import errors
from giambio._build.sealed import final
from giambio.arguments import check_number, check_seconds
from giambio.errors import is_cancellation, without_cancellations
from giambio.kernel import constants
from giambio.kernel.blocks import refuse_async_with
from giambio.kernel.closed_from_outside import closes_from_outside
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import current_kernel
from giambio.kernel.task import Scope, Supervisor, Task, current_task
from giambio.tasks.exception_groups import leaves

__all__ = ["CancelScope", "Stop", "new_scope", "new_task"]


class Stop:
    """A soft stop of a scope, which is cancelled for this reason when the grace is over."""

    __slots__ = ("deadline", "reason")

    def __init__(self, deadline: float, reason: object) -> None:
        self.deadline = deadline
        self.reason = reason


class CancelScope(Scope):
    """A block that can be cancelled: ``with CancelScope() as scope: ...``

    Parameters:
        deadline: the time on the loop's clock, in seconds, at which the scope
            cancels itself; infinity by default.
        shield: True protects the block from cancellations of the scopes around it.

    A cancelled scope catches the `CancelledError` that reaches the end of its block,
    and sets `cancelled_caught`.

    Raises:
        TypeError, ValueError: the deadline is not a time, or `shield` not a bool.

    Entering and leaving are no checkpoints. A scope is used once.

    Example:
        >>> import giambio
        >>> async def main():
        ...     with giambio.CancelScope() as scope:
        ...         scope.cancel("enough")
        ...         await giambio.checkpoint()
        ...     return scope.cancelled_caught
        >>> giambio.run(main)
        True
    """

    __slots__ = (
        "__weakref__",
        "_cancel_called",
        "_cancelled_caught",
        "_deadline",
        "_entered",
        "_expired",
        "_misused",
        "_reason",
        "_role",
        "_shield",
        "_parent",
        "_task",
    )

    def __init__(self, *, deadline: float = inf, shield: bool = False) -> None:
        check_number("CancelScope()", "deadline", deadline)
        self._prepare(deadline, shield)

    def _prepare(self, deadline: float, shield: bool) -> None:
        """Initialize: a method, because compiled it costs less than `__init__`."""
        check_shield(shield)
        self._deadline = deadline
        self._shield = shield
        self._effective = False
        self._task: Task | None = None
        self._parent: CancelScope | None = None
        self._cancel_called = False
        self._cancelled_caught = False
        # Why it was cancelled; until then the `Stop` that it is under, if there is one.
        self._reason: object = None
        self._entered = False
        self._expired = False
        self._misused = False
        self._role = constants.PLAIN

    # -- entering and leaving ------------------------------------------------------

    def __enter__(self) -> CancelScope:
        if self._role == constants.OWNED:
            self._refuse()
        self._enter(current_task())
        if self._role == constants.FOLLOWS_STOPS:
            self._follow_stop()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._role == constants.OWNED:
            self._refuse()
        if not self._check_leaving(exc):
            return False
        if self._cancel_called:
            self._report_swallowed(exc)
        caught = self._leave(exc is not None and is_cancellation(exc))
        if caught:
            if self._role == constants.FAILS and self._expired:
                raise TimeoutError("the time given to fail_after() or fail_at() is over") from exc
            return True
        if self._cancel_called and isinstance(exc, BaseExceptionGroup):
            self._leave_group(exc)
        return False

    def _leave_group(self, exc: BaseExceptionGroup[BaseException]) -> None:
        """Remove this scope's cancellations from a mixed group."""
        if self._visible_from_outside():
            return
        rest = without_cancellations(exc)
        if rest is not None and rest is not exc and len(leaves(rest)) != len(leaves(exc)):
            self._cancelled_caught = True
            context = rest.__context__
            try:
                # Without the frames it has passed: ours would stand between the user's.
                raise rest.with_traceback(None)
            finally:
                rest.__context__ = context  # not the group that it is a part of

    __aenter__ = __aexit__ = refuse_async_with

    # -- for users ---------------------------------------------------------------------

    def cancel(self, reason: object = None) -> bool:
        """Cancel everything inside, from now until the scope is left.

        Parameters:
            reason: the ``reason`` of the `CancelledError`.

        Returns:
            False if the scope was cancelled already.

        Not a checkpoint. Call it in the loop's own thread only; from another one use
        ``loop.call_soon_threadsafe(scope.cancel)``.

        Raises:
            RuntimeError: called from another thread than the loop's.

        Example:
            >>> import giambio
            >>> scope = giambio.CancelScope()
            >>> scope.cancel(), scope.cancel()
            (True, False)
        """
        if self._cancel_called:
            return False
        self._check_thread("cancel()", "scope.cancel")
        self._cancel_called = True
        self._reason = reason
        self._stop_timer()
        spread(self)
        return True

    def stop(self, *, grace: float, reason: object = None) -> bool:
        """Stop softly: let what runs inside come to an end, and cancel the rest later.

        Everything inside is *stopping* from now on, also tasks that are spawned later. Nothing
        is raised by that, except in blocks of `cancel_on_stop`, which are cancelled;
        `stopping` and `wait_stopping` tell. A scope inside with a shield keeps it out.

        Parameters:
            grace: how many seconds until the scope is cancelled, from 0 up; `math.inf` never
                cancels it.
            reason: the ``reason`` of the `CancelledError`, both then and in those blocks.

        Returns:
            False if that has no effect: the scope was cancelled or left, or it is stopping and
            will be cancelled as early. So a second call can only shorten the time.

        Not a checkpoint. Call it in the loop's own thread only.

        Raises:
            TypeError, ValueError: `grace` is not a number of seconds.
            RuntimeError: called from another thread than the loop's, or where no loop runs.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with giambio.CancelScope() as scope:
            ...         scope.stop(grace=5)
            ...         await giambio.sleep(0.01)
            ...         return giambio.stopping()
            >>> giambio.run(main)
            True
        """
        check_seconds("stop()", "grace", grace)
        self._check_thread("stop()", "lambda: scope.stop(grace=...)")
        return self._stop(grace, reason)

    @property
    def deadline(self) -> float:
        """The time on the loop's clock, in seconds, at which the scope cancels itself.

        It can be changed while tasks wait inside. That of a scope which is stopping is not later
        than the end of its grace.

        Example:
            >>> import giambio
            >>> giambio.CancelScope(deadline=5).deadline
            5
        """
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        check_number("CancelScope.deadline", "deadline", deadline)
        self._set_deadline(deadline)

    @property
    def shield(self) -> bool:
        """Whether the block is protected from cancellations of the scopes around it.

        It can be changed while tasks wait inside.

        Example:
            >>> import giambio
            >>> giambio.CancelScope(shield=True).shield
            True
        """
        return self._shield

    @shield.setter
    def shield(self, shield: bool) -> None:
        check_shield(shield)
        self._shield = shield
        spread(self)
        announce_stop(self)

    @property
    def cancel_called(self) -> bool:
        """Whether the scope was cancelled: by `cancel`, or because its deadline has passed.

        Example:
            >>> import giambio
            >>> giambio.CancelScope().cancel_called
            False
        """
        return self._cancel_called

    @property
    def cancelled_caught(self) -> bool:
        """Whether the scope caught a cancellation, so that its block was cut short.

        Example:
            >>> import giambio
            >>> async def main():
            ...     with giambio.move_on_after(0) as scope:
            ...         await giambio.checkpoint()
            ...     return scope.cancelled_caught
            >>> giambio.run(main)
            True
        """
        return self._cancelled_caught

    @property
    def reason(self) -> object:
        """The argument of `cancel`, or None.

        Example:
            >>> import giambio
            >>> scope = giambio.CancelScope()
            >>> scope.cancel("enough")
            True
            >>> scope.reason
            'enough'
        """
        return self._reason if self._cancel_called else None

    def __repr__(self) -> str:
        if self._cancel_called:
            state = "cancelled"
        elif not self._entered:
            state = "unused"
        elif self._task is None:
            state = "left"
        else:
            state = "active" if self._own_stop() is None else "stopping"
        return f"<giambio.CancelScope {state}>"

    # -- for the runtime ---------------------------------------------------------------

    def _adopt(self, task: Task, parent: Scope | None) -> None:
        """Become a scope of a task, inside `parent`."""
        self._task = task
        self._parent = parent  # type: ignore[assignment]
        self._entered = True
        self._refresh()

    def _enclose(self, task: Task) -> CancelScope:
        """See `Scope._enclose`: it stands between this scope and the task's own."""
        own = new_scope()
        own._adopt(task, self)
        own._check_thread("cancel()", "task.cancel")
        scope: CancelScope = task._scope  # type: ignore[assignment]
        if scope is self:
            task._scope = own
            return own
        while scope._parent is not self and scope._parent is not None:
            scope = scope._parent
        scope._parent = own
        return own

    def _disown(self) -> None:
        """See `Scope._disown`."""
        self._task = None
        self._parent = None

    def _abandon(self) -> None:
        """Drop the scope: the task's coroutine is being closed from outside."""
        self._stop_timer()
        task = self._task
        if task is not None:
            if task._told is self and not task.done():
                task._cut_short = True
            if task._scope is self:
                task._scope = self._parent
                refresh_task(task, None)  # it may go on: see below
            else:  # in an async generator that was collected while its task goes on
                self._cut_out(task)
        self._disown()

    def _left_open(self) -> bool:
        """See `Scope._left_open`."""
        self._abandon()
        return not self._misused

    def _enter(self, task: Task) -> None:
        """Become the innermost scope of a task."""
        if self._entered:
            raise RuntimeError("this CancelScope was used already; make a new one for each block")
        parent: CancelScope = task._scope  # type: ignore[assignment]
        self._adopt(task, parent)
        task._scope = self
        self._start_timer()
        task._refresh_pending()
        if task._kernel is not None and task._kernel._on_scope_entered is not None:
            task._kernel._tell(task._kernel._on_scope_entered, (task, self))

    def _check_leaving(self, exc: BaseException | None) -> bool:
        """Raise unless the scope may be left here and now.

        Parameters:
            exc: what the block has raised.

        Returns:
            False if that is done: it was closed from outside, by another task or none.

        Raises:
            RuntimeError: it was not entered, or in another task; or a scope that was
                entered later has not been left.
        """
        task = self._task
        if task is None or not task._runs():
            if isinstance(exc, GeneratorExit) or (self._entered and closes_from_outside()):
                self._abandon()
                return False
            if task is None:
                raise RuntimeError("this CancelScope is left, but was not entered")
            raise RuntimeError(
                f"this CancelScope was entered in task {task.name!r} and is left in another; "
                "a scope must be left where it was entered"
            )
        if task._scope is not self and not self._outlives_interruption(task):
            inner: CancelScope = task._scope  # type: ignore[assignment]
            while inner is not self and inner is not None:
                inner._misused = True
                inner = inner._parent  # type: ignore[assignment]
            self._misused = True
            raise RuntimeError(
                "this CancelScope is left while one that was entered after it is still open; "
                "leave scopes in the opposite order (a scope must not stay open across the "
                "yield of a generator)"
            )
        return True

    def _outlives_interruption(self, task: Task) -> bool:
        """Leave the blocks inside, if they may be open because a signal handler raised there."""
        if task._kernel is None or not task._kernel._is_torn():
            return False
        scope: CancelScope | None = task._scope  # type: ignore[assignment]
        while scope is not None and scope is not self:
            scope = scope._parent
        if scope is None:
            return False
        task._leave_scopes(self)
        return True

    def _leave(self, cancelled: bool) -> bool:
        """Stop being the innermost scope.

        Parameters:
            cancelled: whether a cancellation reaches the end of the block.

        Returns:
            Whether the cancellation is caught here.
        """
        task = self._task
        parent = self._parent
        self._stop_timer()
        self._task = None
        if task is None or parent is None:
            return False
        if task._scope is self:
            task._scope = parent
            task._refresh_pending()
        else:
            self._cut_out(task)
        if task._kernel is not None and task._kernel._on_scope_left is not None:
            task._kernel._tell(task._kernel._on_scope_left, (task, self))
        if cancelled and self._cancel_called and not self._visible_from_outside():
            self._cancelled_caught = True
            if task._cut_short:  # what went on outside of the block ends here
                task._cut_short = False
                task._told = None
            return True
        return False

    def _report_swallowed(self, exc: BaseException | None) -> None:
        """Report a cancellation that was raised in the block and has not reached its end."""
        task = self._task
        if task is not None and task._told is self:
            if isinstance(exc, GeneratorExit):  # the cancellation may be on its way out there
                task._cut_short = True
                return
            task._told = None
            if exc is None and task._kernel is not None:
                task._kernel._tell(task._kernel._on_swallowed, (task, self))

    def _cut_out(self, task: Task) -> None:
        """Remove this scope from the chain; the scopes inside it go on."""
        scope: CancelScope | None = task._scope  # type: ignore[assignment]
        while scope is not None:
            if scope._parent is self:
                scope._parent = self._parent
                break
            scope = scope._parent
        refresh_task(task, None)

    def _visible_from_outside(self) -> bool:
        """Return whether a scope further out is cancelled as well."""
        return self._parent is not None and self._parent._effective and not self._shield

    def _cancellation(self, task: Task) -> BaseException:
        """See `Scope._cancellation`."""
        scope: CancelScope | None = self
        while scope is not None:
            if scope._cancel_called:
                task._told = scope
                task._cut_short = False
                return errors.raised_cancellation(scope._reason)
            scope = scope._parent
        return errors.raised_cancellation()

    def _cancel_as_around(self) -> None:
        """Cancel this scope as well if one around it is: what was hit inside does not recover."""
        scope: CancelScope | None = self
        while scope is not None and not scope._cancel_called:
            scope = scope._parent
        if scope is not None and self._effective:
            self.cancel(scope._reason)

    def _reparent(self, parent: Scope) -> None:
        """See `Scope._reparent`."""
        self._parent = parent  # type: ignore[assignment]
        spread(self)
        announce_stop(self)

    def _ready(self) -> None:
        """See `Waiter._ready`: the deadline has passed, or the grace of a stop is over."""
        stop = self._own_stop()
        if stop is not None and stop.deadline <= self._deadline:
            self.cancel(stop.reason)
            return
        self._expired = True
        self.cancel("the deadline has passed")

    def _set_deadline(self, deadline: float) -> None:
        """Change the deadline; that of a scope which is stopping can only be earlier."""
        stop = self._own_stop()
        self._stop_timer()
        self._deadline = deadline if stop is None else min(deadline, stop.deadline)
        self._start_timer()

    def _start_timer(self) -> None:
        task = self._task
        if task is None or self._cancel_called or self._deadline == inf:
            return
        kernel = task._kernel
        if kernel is None:
            return
        deadline = self._deadline
        if deadline <= kernel.current_time():
            self._ready()
        else:
            kernel._add_timer(deadline, self)

    def _stop_timer(self) -> None:
        task = self._task
        if task is not None and task._kernel is not None:
            task._kernel._remove_timer(self)

    def _refresh(self) -> None:
        """Recompute whether a cancellation is in force inside."""
        parent = self._parent
        self._effective = self._cancel_called or (
            not self._shield and parent is not None and parent._effective
        )

    # -- stopping ----------------------------------------------------------------------

    def _stop(self, grace: float, reason: object) -> bool:
        """See `stop`."""
        task = self._task
        if self._cancel_called or (self._entered and task is None):
            return False
        kernel = None if task is None else task._kernel
        if kernel is None:
            kernel = current_kernel()
        deadline = kernel.current_time() + grace
        earlier = self._own_stop()
        if earlier is not None and earlier.deadline <= deadline:
            return False
        self._reason = Stop(deadline, reason)
        announce_stop(self)
        self._set_deadline(self._deadline)
        return True

    def _follow_stops(self) -> None:
        """Have the scope cancelled by a stop around it, once it is entered."""
        self._role = constants.FOLLOWS_STOPS

    def _follow_stop(self) -> None:
        """Cancel the scope if a stop is in force here."""
        stop = self._stop_in_force()
        if stop is not None:
            self.cancel(stop.reason)

    def _own_stop(self) -> Stop | None:
        """Return the stop of this very scope, until it is cancelled."""
        return self._reason if not self._cancel_called and type(self._reason) is Stop else None

    def _stop_in_force(self) -> Stop | None:
        """Return the stop that is in force inside, of this scope or one around it."""
        scope: CancelScope | None = self
        while scope is not None:
            stop = scope._own_stop()
            if stop is not None or scope._shield:
                return stop
            scope = scope._parent
        return None

    def _is_stopping(self) -> bool:
        """Return whether what runs inside is to end: a stop is in force, or a cancellation."""
        return self._effective or self._stop_in_force() is not None

    # -- mistakes ----------------------------------------------------------------------

    def _refuse(self) -> None:
        """Raise, because the scope is a manager's, and was entered or left by hand."""
        raise RuntimeError(
            "this CancelScope belongs to a TaskManager, which enters and leaves it itself"
        )

    def _check_thread(self, what: str, call: str) -> None:
        task = self._task
        if task is not None and task._kernel is not None and not task._kernel._in_own_thread():
            raise RuntimeError(
                f"{what} was called from another thread than the loop's; "
                f"use loop.call_soon_threadsafe({call})"
            )


final(CancelScope, "(*, deadline=inf, shield=False)")


def check_shield(value: object) -> None:
    """Raise unless a value is a bool: it may be a forgotten argument."""
    if not isinstance(value, bool):
        raise TypeError(f"CancelScope.shield is True or False, not {value!r}")


def new_scope(deadline: float = inf, shield: bool = False) -> CancelScope:
    """Make a `CancelScope` whose deadline needs no check."""
    scope = CancelScope.__new__(CancelScope)
    scope._prepare(deadline, shield)
    return scope


def new_task(
    kernel: Kernel,
    coro: Coroutine[Any, Any, Any],
    context: Context,
    supervisor: Supervisor,
    name: str | None,
) -> Task:
    """Make a `Task` that a supervisor holds, in the supervisor's scope or else in one of its own.

    It runs once it was passed to `Kernel._add_task`.
    """
    task = Task.__new__(Task)
    task._prepare(kernel, coro, context, supervisor, name)
    if task._scope is None:
        scope = new_scope()
        scope._adopt(task, None)
        task._own_scope = task._scope = scope
    supervisor._children[task] = None
    return task


def spread(scope: CancelScope) -> None:
    """Update all tasks inside a scope that has changed, if it is entered.

    Parents come before their children, and children in the order they were spawned.
    """
    host = scope._task
    if host is None:
        return
    refresh_task(host, scope)
    for task in tasks_inside(host, scope):
        refresh_task(task, None)


def announce_stop(scope: CancelScope) -> None:
    """Cancel the scopes that follow stops, inside a scope that has changed.

    They are cancelled in the order of `spread`.
    """
    host = scope._task
    if host is None or scope._stop_in_force() is None:
        return
    follow_stop(host, scope)
    for task in tasks_inside(host, scope):
        follow_stop(task, None)


def follow_stop(task: Task, outermost: CancelScope | None) -> None:
    """Cancel the scopes of one task that follow stops; see `refresh_task`."""
    around = None if task._supervisor is None else task._supervisor._scope
    for scope in scopes_of(task, around, outermost):
        if scope._role == constants.FOLLOWS_STOPS:
            scope._follow_stop()


def tasks_inside(host: Task, scope: CancelScope) -> list[Task]:
    """Return the tasks inside a scope of the host, without that one: parents first."""
    todo: list[Task] = []
    for supervisor in supervisors_inside(host, scope):
        todo.extend(supervisor._children)
    for task in todo:
        for supervisor in task._supervisors or ():
            todo.extend(supervisor._children)
    return todo


def supervisors_inside(host: Task, outer: CancelScope) -> list[Supervisor]:
    """Return the supervisors of a task whose scopes are `outer` or lie inside it.

    Only the scopes inside are looked at, however deep all of them are nested.
    """
    inside: list[Supervisor] = []
    scope: CancelScope | None = host._scope  # type: ignore[assignment]
    for supervisor in reversed(host._supervisors or ()):
        own: CancelScope | None = supervisor._scope  # type: ignore[assignment]
        if own is None or own._task is not host:
            continue  # its block was abandoned, or it is in the scope of another task
        while scope is not own:
            if scope is None or scope is outer:
                return inside[::-1]
            scope = scope._parent
        inside.append(supervisor)
    return inside[::-1]


def refresh_task(task: Task, outermost: CancelScope | None) -> None:
    """Update the scopes of one task, and interrupt it if a cancellation is in force.

    Parameters:
        task: the task.
        outermost: the outermost of its scopes that may have changed; None for all of them.
    """
    around = None if task._supervisor is None else task._supervisor._scope
    if task._scope is not around:  # most tasks have no scope of their own
        for scope in scopes_of(task, around, outermost):
            scope._refresh()
    kernel = task._kernel
    if task._scope is None or kernel is None:
        return
    task._refresh_pending()
    if task._pending:
        kernel._interrupt(task)
    else:
        task._aborted = None  # an interruption that was not delivered yet: it waits on


def scopes_of(task: Task, around: Scope | None, outermost: CancelScope | None) -> list[CancelScope]:
    """Return the scopes of one task inside of another scope; see `refresh_task`.

    The outer ones come first.
    """
    chain: list[CancelScope] = []
    scope: CancelScope | None = task._scope  # type: ignore[assignment]
    while scope is not None and scope is not around:
        chain.append(scope)
        if scope is outermost:
            break
        scope = scope._parent
    chain.reverse()
    return chain
