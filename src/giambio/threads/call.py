"""A function that runs in a worker thread, and the task that waits for it.

One object is both: the worker runs it and hands it back to the loop, the task
awaits it. It is compiled, because a trip to a thread and back should cost
little more than what the system needs to switch between the two.

A function in a thread cannot be stopped. So a cancelled task either goes on
waiting, and gets what the function returns, or it leaves the thread to itself,
and the result is dropped. Which of the two is agreed beforehand.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from contextvars import Context
from typing import Any

from giambio.errors import CancelledError
from giambio.kernel import constants
from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.introspect import is_awaitable
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.run_queue import BaseTask
from giambio.kernel.tracebacks import user_part

__all__ = ["ThreadCall", "calling", "check_call", "refuse_async"]


class Calling(threading.local):
    """The call that a worker thread is busy with."""

    call: Any = None


calling = Calling()


class AbandonedCalls:
    """The abandoned calls of a loop whose threads have not given their tokens back.

    A service of the kernel. When the loop ends, it gives them back itself: the limiter may
    be used by another loop then, which a thread of this one must not meddle with.
    """

    def __init__(self) -> None:
        self.calls: dict[ThreadCall, None] = {}

    def loop_ended(self, forked: bool) -> None:
        """Called by the kernel."""
        for call in list(self.calls):
            call.give_back()


class ThreadCall(Operation):
    """One call of a function in a thread."""

    __slots__ = (
        "_abandonable",
        "_args",
        "_begun",
        "_context",
        "_debts",
        "_error",
        "_function",
        "_leaving",
        "_limiter",
        "_line",
        "_name",
        "_owed",
        "_returned",
        "_submit",
        "_working",
        "abandoned",
        "delivered",
        "reason",
        "visit",
    )

    def __init__(
        self,
        name: str,
        submit: Callable[[Any], object],
        function: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context,
        limiter: Any,
        abandonable: bool,
    ) -> None:
        self.prepare(None)
        self._name = name
        # Where jobs for threads are handed in.
        self._submit = submit
        self._function: Callable[..., Any] | None = function
        self._args = args
        self._context = context
        # The limiter or the function that finds it, the operation that waits for one
        # of its tokens, and whether the token is to be given back.
        self._limiter = limiter
        self._line: Operation | None = None
        self._owed = False
        self._debts: AbandonedCalls | None = None
        # Whether the task may leave the thread to itself, whether it waits for
        # a visit to end before it does, and whether it has.
        self._abandonable = abandonable
        self._leaving = False
        self.abandoned = False
        self.reason: object = None
        self._begun = False
        self._returned: Any = None
        self._error: BaseException | None = None
        # Whether the loop has what came of it: then the thread wakes nobody any more.
        self.delivered = False
        # What the thread is having done in the loop, while it waits for that.
        self.visit: Any = None
        # Whether it is counted among the jobs that time must not run away from.
        self._working = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        return self._name

    # -- in the loop: the task waits -----------------------------------------------

    def __await__(self) -> Operation:
        Operation.__await__(self)
        if self._limiter is not None:
            if callable(self._limiter):  # looked for only now that a loop runs
                self._limiter = self._limiter()
            self._line = self._limiter.acquire_on_behalf_of(self).__await__()
        return self

    def stands_alone(self) -> bool:
        """See `Trap.stands_alone`: it looks for its limiter when it is awaited, in the loop."""
        return False

    def advance(self) -> bool:
        """See `Operation.advance`; first it waits for a token of the limiter."""
        line = self._line
        if line is not None:
            if not line.advance():
                if line.state == constants.DONE:
                    self._line = None  # cancelled: it held us, and we it
                return False
            self._line = None
            self._owed = True
        if self._error is not None and self.state == constants.GRANTED:
            return self.fail(self._take_error())
        return Operation.advance(self)

    def attempt(self) -> bool:
        """Hand the function to a thread, once."""
        if self.delivered:  # while we were on our way out, and were called back
            if self._error is not None:
                return self.fail(self._take_error())
            self.result = self._take_returned()
            return True
        if not self._begun:
            try:
                self._submit(self)
            except BaseException as exc:
                self.give_back()
                return self.fail(exc)
            self._begun = True
            self.keep_count()
        return False

    def repeatable(self) -> bool:
        """See `Park.repeatable`: the function must not run twice."""
        return False

    def abort(self) -> bool:
        """Leave the thread to itself, if that was agreed."""
        if not self._abandonable:
            return False
        if self.visit is not None:  # a task of the thread's, which ends before we go
            self._leaving = True
            self.visit.interrupt()
            return False
        self._abandon()
        return True

    def interruption(self, task: BaseTask) -> BaseException:
        """See `Park.interruption`."""
        if not self._begun:
            self.give_back()
        exc = Operation.interruption(self, task)
        if isinstance(exc, CancelledError):
            self.reason = exc.reason
        self.task = None  # the thread may hold us for long
        return exc

    def is_leaving(self) -> bool:
        """Tell whether the task goes as soon as the visit has ended."""
        return self._leaving

    def visit_began(self, visit: Any) -> None:
        """The thread has something done in the loop, and waits for it."""
        self.visit = visit
        self.keep_count()

    def visit_ended(self) -> None:
        """It is done."""
        self.visit = None
        self.keep_count()
        if self._leaving:
            self._leaving = False
            self._ready()

    def close(self) -> None:
        """The coroutine is closed: nobody waits any more, whatever was agreed."""
        line = self._line
        if line is not None:
            self._line = None
            line.close()
        elif not self._begun:
            self.give_back()
        self._abandon()
        self.state = constants.DONE

    def discard(self) -> None:
        """See `Operation.discard`."""
        self.give_back()

    def _abandon(self) -> None:
        """Nobody waits any more."""
        self.abandoned = True
        self.keep_count()
        kernel = self.kernel
        if self._owed and kernel is not None:
            self._debts = kernel._services.setdefault("debts of threads", AbandonedCalls())
            self._debts.calls[self] = None

    def keep_count(self) -> None:
        """Count as a job in flight while the thread works for somebody who waits."""
        working = self._begun and self.visit is None and not (self.delivered or self.abandoned)
        kernel = self.kernel
        if kernel is not None and working != self._working:
            self._working = working
            kernel._idle.in_flight += 1 if working else -1

    # -- in the thread ---------------------------------------------------------------

    def run(self) -> None:
        """Call the function, and keep what comes of it."""
        function = self._function
        if function is None:
            return
        calling.call = self
        try:
            returned = self._context.run(function, *self._args)
            refuse_async(self._name, function, returned, "await it")
            self._returned = returned
        except BaseException as exc:
            self._error = user_part(exc)
        finally:
            calling.call = None
            self._function = None
            self._args = ()
            del self, function  # from 3.12 on a failed frame holds this one

    def deliver(self) -> None:
        """Tell the loop; if that has ended, nobody waits."""
        kernel = self.kernel
        if kernel is None:
            return
        handle = Handle(self.arrive, (), self._context)
        kernel._hand_in(handle)
        if kernel._driver is None:  # looked at only now: it may end at any moment
            handle.cancel()

    # -- in the loop: the result comes -------------------------------------------------

    def arrive(self) -> None:
        """The thread is done: give the token back, and the task its result."""
        self.delivered = True
        self.keep_count()
        self.give_back()
        if self.abandoned:
            self._error = self._returned = None
        elif self.grant(None):
            self.result = self._take_returned()

    def _take_returned(self) -> Any:
        returned = self._returned
        self._returned = None
        return returned

    def _take_error(self) -> Any:
        error = self._error
        self._error = None
        return error

    def give_back(self) -> None:
        """Give the limiter its token back, if it has lent us one."""
        if self._debts is not None:
            self._debts.calls.pop(self, None)
            self._debts = None
        if self._owed:
            self._owed = False
            self._limiter.release_on_behalf_of(self)

    # -- what the thread asks ------------------------------------------------------------

    def loop(self) -> Kernel | None:
        """The loop that the call was made in; None if it has ended."""
        kernel = self.kernel
        return None if kernel is None or kernel._driver is None else kernel

    def cancellation(self) -> BaseException | None:
        """The cancellation that is in force for the task that waits, if there is one."""
        task = self.task
        if self.abandoned or task is None:
            return CancelledError(self.reason)
        return task._cancellation() if task.has_pending_cancellation() else None


def check_call(name: str, function: Any, keywords: dict[str, Any]) -> None:
    """Refuse what cannot be called elsewhere.

    Raises:
        TypeError: it is no ordinary function, or there are keywords.
    """
    if is_awaitable(function) or not callable(function):
        discard(function)
        raise TypeError(
            f"{name}() needs an ordinary function, not {function!r}; "
            f"write {name}(function, argument, ...), without the parentheses"
        )
    if keywords:
        names = ", ".join(f"{keyword}=..." for keyword in keywords)
        called = getattr(function, "__name__", "function")
        raise TypeError(
            f"{name}() passes no keywords on; "
            f"write {name}(functools.partial({called}, {names}), ...)"
        )


def refuse_async(what: str, function: Any, returned: object, instead: str) -> None:
    """Refuse what an async function returned, where an ordinary one was wanted.

    Raises:
        TypeError: it is that, and was closed.
    """
    if isinstance(returned, types.CoroutineType | Operation):
        discard(returned)
        raise TypeError(
            f"{what} calls ordinary functions, and {name_of(function)}() is async: {instead}"
        )
