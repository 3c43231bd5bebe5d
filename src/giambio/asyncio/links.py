"""What binds a task of giambio's to its `asyncio.Task`, and how it waits for a future of asyncio's.

Two kinds of cancellation meet here. A scope's is a level: each checkpoint of giambio's raises. But
code written for asyncio expects an edge: it is told once, cleans up by waiting, and may go on. So a
scope enters the waits for futures once per task; and `asyncio.Task.cancel` is an edge everywhere.
"""

from __future__ import annotations

import asyncio
import weakref
from contextvars import Context
from typing import Any

from giambio import errors
from giambio.asyncio.cancellation import COMPARED_BY_IDENTITY
from giambio.asyncio.task_facade import TaskFacade
from giambio.kernel.callbacks import Handle
from giambio.kernel.run_queue import Park
from giambio.kernel.task import Task
from giambio.tasks.cancel import CancelScope

__all__ = ["FutureWait", "Link"]


class Link:
    """One task, seen from asyncio: the part of its facade that reaches into the kernel.

    Parameters:
        task: the task.
        native: whether it is held by a `TaskManager` (or is the main task), and not by asyncio's
            loop.
    """

    __slots__ = (
        "_cancellation",
        "_on_its_way",
        "_request",
        "_task",
        "_telling",
        "_told",
        "_wait",
        "facade",
        "native",
    )

    def __init__(self, task: Task, native: bool) -> None:
        self._task = task
        self.native = native
        #: The `asyncio.Task`; set by who makes it.
        self.facade: Any = None
        # The wait for a future that it is in, or was in until its present turn.
        self._wait: FutureWait | None = None
        # Whether it has its turn for asyncio's reasons: then an exception can be thrown where it
        # waits, and nothing that an operation of giambio's has got for it is lost.
        self._on_its_way = not native
        # The exception of a `cancel()` that was not delivered yet.
        self._request: BaseException | None = None
        # The scopes whose cancellation was raised at a wait of asyncio's.
        self._told: weakref.WeakSet[CancelScope] | None = None
        # The one of them whose cancellation is raised in the next step.
        self._telling: CancelScope | None = None
        # The `CancelledError` that ended it.
        self._cancellation: BaseException | None = None

    # -- steps ---------------------------------------------------------------------

    def begin_step(self) -> None:
        """Note that the task runs."""
        self._wait = None
        self._telling = None
        self._on_its_way = False

    def end_step(self) -> None:
        """Note that the task has run: an exception that was raised in it is its own affair now."""
        if self._request is not None and not self.is_requested():
            self._request = None

    def begin_wait(self, wait: FutureWait) -> None:
        """Note that the task waits for a future."""
        self._wait = wait
        self._on_its_way = True
        self._task._parked = wait

    def begin_yield(self) -> None:
        """Note that the task has yielded control as asyncio does, and tell it what is pending."""
        self._on_its_way = True
        task = self._task
        if task._pending:
            task._thrown = self._pending_exception()

    def _pending_exception(self) -> BaseException | None:
        """Return what is to be raised at a wait of asyncio's that can always be interrupted."""
        if self._task._injected:
            return self._task._interruption()
        scope = self.untold_scope()
        if scope is None:
            return None
        return self.tell(scope) or asyncio.CancelledError(*message_of(scope))

    # -- cancellation ----------------------------------------------------------------

    def untold_scope(self) -> CancelScope | None:
        """Return the innermost cancelled scope that asyncio's waits have not told the task of."""
        if not self._task.has_pending_cancellation():
            return None
        scope: Any = self._task._scope
        while scope is not None and scope._effective:
            if scope._cancel_called and (self._told is None or scope not in self._told):
                return scope  # type: ignore[no-any-return]
            scope = scope._parent
        return None

    def tell(self, scope: CancelScope) -> BaseException | None:
        """Note that a scope's cancellation is raised now.

        Returns:
            The exception; None if it is to be the future's own.
        """
        if self._told is None:
            self._told = weakref.WeakSet()
        self._told.add(scope)
        self._telling = scope
        self._task._told = scope
        self._task._cut_short = False
        return None if COMPARED_BY_IDENTITY else errors.raised_cancellation(scope._reason)

    def cancel(self, message: Any) -> None:
        """Cancel the task as `asyncio.Task.cancel` does: once, at the next wait."""
        task = self._task
        wait = self._wait
        if wait is not None and task._parked is wait and wait.cancel_future(message):
            return
        arguments = () if message is None else (message,)
        if self._request is not None and self.is_requested():
            self._request.args = arguments  # however often it is called: raised once
            return
        exc = asyncio.CancelledError(*arguments)
        self._request = exc
        if wait is not None and task._parked is wait:
            wait.error = exc
        elif self._on_its_way and task._parked is None and may_be_replaced(task._thrown):
            self._untell()
            task._thrown = exc
            if wait is not None:
                look_at(wait.future)
        elif task._kernel is not None:
            task._kernel._inject(task, exc)

    def _untell(self) -> None:
        """Note that the task is not told of a scope's cancellation: another one is raised."""
        scope = self._telling
        if scope is not None and self._told is not None:
            self._told.discard(scope)
            self._telling = None
            if self._task._told is scope:
                self._task._told = None

    def is_requested(self) -> bool:
        """Return whether a `cancel()` was not delivered yet."""
        exc = self._request
        if exc is None:
            return False
        task = self._task
        return (
            task._thrown is exc
            or (self._wait is not None and self._wait.error is exc)
            or (task._injected is not None and exc in task._injected)
        )

    def withdraw(self) -> None:
        """Undo a `cancel()` that was not delivered yet."""
        if self.is_requested():
            task = self._task
            if task._thrown is self._request:
                task._thrown = None
            elif self._wait is not None and self._wait.error is self._request:
                self._wait.error = None
            else:
                task._injected.remove(self._request)  # type: ignore[union-attr, arg-type]
                task._refresh_pending()
        self._request = None

    def take_request(self) -> BaseException | None:
        """Return the exception of a `cancel()` if that is what the task is to be told next."""
        task = self._task
        if task._injected and task._injected[0] is self._request:
            self._request = None
            return task._interruption()
        return None

    def rename(self, name: str) -> None:
        """Give the task another name."""
        self._task._name = name  # type: ignore[attr-defined]  # the stub shows `name`

    def waits_for(self) -> Any:
        """Return the future that the task waits for, or has waited for until its next turn."""
        return None if self._wait is None else self._wait.future

    # -- the end -----------------------------------------------------------------------

    def accounts_for(self, cancellation: BaseException) -> bool:
        """See `Guest._accounts_for`."""
        if not isinstance(cancellation, asyncio.CancelledError):
            return False
        if self.native and not self.facade.cancelling():
            return False
        self._cancellation = cancellation
        return True

    def take_cancellation(self) -> BaseException | None:
        """Give away the exception by which a `cancel()` has ended the task.

        Its traceback may lead back to the `asyncio.Task`, so only the first who asks gets it.
        """
        cancellation = self._cancellation
        self._cancellation = None
        return cancellation

    def cancel_message(self) -> tuple[Any, ...] | None:
        """Return the arguments of that exception; None if there is none."""
        return None if self._cancellation is None else self._cancellation.args[:1]

    def crash(self, exc: BaseException) -> None:
        """Raise an exception of the task that is to end the program."""
        if self._task._kernel is not None:
            self._task._kernel._crash(exc)

    def end(self) -> None:
        """Let go of everything, because the task has ended."""
        self.facade = None  # which holds this
        self._wait = None
        self._request = None

    def wake(self, wait: FutureWait, error: BaseException | None) -> None:
        """Have the task go on, or raise an error where it waits."""
        task = self._task
        if task._kernel is not None and task._kernel._wake(task, wait):
            task._thrown = error


class FutureWait(Park):
    """A task waits for a future of asyncio's. It is the future's done-callback, too."""

    __slots__ = ("_link", "_scope", "error", "future")

    def __init__(self, link: Link, future: Any) -> None:
        self._link = link
        self.future = future
        # The scope whose cancellation has cancelled the future.
        self._scope: CancelScope | None = None
        #: What to raise instead of the future's outcome.
        self.error: BaseException | None = None

    def __call__(self, future: Any) -> None:
        """Have the task go on, because the future is done."""
        task = self._link._task
        kernel = task._kernel
        if task._parked is self and task._queued and kernel is not None:
            # A scope's cancellation has got it a turn, before the callbacks that the future had
            # before this one. They come first; in that turn the task is found waiting, still.
            kernel._queue.append(Handle(self, (future,), Context()))
            return
        error = self.error
        if error is None and future.cancelled():
            if self._scope is not None:
                error = self._link.tell(self._scope)
            elif isinstance(future, TaskFacade):
                error = future._link.take_cancellation()
        elif error is not None:
            look_at(future)
        self._link.wake(self, error)

    def cancel_future(self, message: Any) -> bool:
        """Cancel the future; its end wakes the task."""
        cancel = self.future.cancel
        return bool(cancel() if message is None else cancel(msg=message))

    def abort(self) -> bool:
        """See `Park.abort`: the future is cancelled, and when it is done it wakes the task."""
        link = self._link
        task = link._task
        if task._injected:
            request = link.take_request()
            if request is not None:
                if not self.cancel_future(request.args[0] if request.args else None):
                    self.error = request
                return False
            self.future.remove_done_callback(self)
            self.future.cancel()
            return True  # an error of the program's does not wait for a clean-up of asyncio's
        scope = link.untold_scope()
        if scope is not None:
            self._scope = scope  # first, because the future may wake the task at once
            message = message_of(scope)
            if not self.cancel_future(message[0] if message else None):
                self._scope = None
        return False

    def subject(self) -> object:
        """See `Park.subject`."""
        return self.future

    def __repr__(self) -> str:
        # It is one of the future's callbacks, which the future shows.
        return f"<wakes task {self._link._task.name!r}>"


def look_at(future: Any) -> None:
    """Take note of the error of a future, because its task raises a cancellation instead.

    asyncio's task does, which looks at the outcome first; else it would be reported as lost.
    """
    if future.done() and not future.cancelled():
        future.exception()


def may_be_replaced(thrown: BaseException | None) -> bool:
    """Return whether another exception can be thrown instead: an error of the program's is kept."""
    return thrown is None or errors.is_cancellation(thrown)


def message_of(scope: CancelScope) -> tuple[str, ...]:
    """Return the arguments of asyncio's exception for the cancellation of a scope."""
    return () if scope._reason is None else (str(scope._reason),)
