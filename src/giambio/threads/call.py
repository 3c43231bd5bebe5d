"""A function that runs in a worker thread, and the task that waits for it.

One object is both: the worker runs it and hands it back to the loop, and the task awaits it. It
is compiled, because a trip to a thread and back should cost little more than the system needs
to switch between the two.

A function in a thread cannot be stopped. So a cancelled task either goes on waiting, and gets
the result of the function, or it leaves the thread to itself, and the result is dropped. Which
of the two is agreed beforehand.
"""

from __future__ import annotations

import threading
import types
import weakref
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any

from giambio.errors import CancelledError
from giambio.kernel import constants
from giambio.kernel.callbacks import Handle
from giambio.kernel.coroutines import discard, name_of
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation, current_kernel
from giambio.kernel.run_queue import BaseTask
from giambio.kernel.tracebacks import user_part
from giambio.sync.limiter import CapacityLimiter

__all__ = [
    "ThreadCall",
    "calling",
    "check_limiter",
    "loop_limiter",
    "refuse_async",
    "with_keywords",
]


#: Its attribute `call` is the `ThreadCall` that a worker thread runs, or None.
calling = threading.local()


class AbandonedCalls:
    """The abandoned calls of a loop whose threads have not given their tokens back.

    A service of the kernel. When the loop ends, it gives the tokens back itself: the limiter
    may be used by another loop then, which a thread of this one must not meddle with.
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
        "_abandoned_calls",
        "_args",
        "_begun",
        "_callback_task",
        "_context",
        "_error",
        "_function",
        "_leaving",
        "_limiter",
        "_line",
        "_name",
        "_owed",
        "_submit",
        "_waiter",
        "_working",
        "abandoned",
        "delivered",
        "reason",
    )

    def __init__(
        self,
        name: str,
        submit: Callable[[ThreadCall], object],
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
        # The limiter or the function that finds it, the operation that waits for one of its
        # tokens, whether the token is to be given back, and the service that else does so.
        self._limiter = limiter
        self._line: Operation | None = None
        self._owed = False
        self._abandoned_calls: AbandonedCalls | None = None
        # Whether the task may leave the thread to itself, whether it does so as soon as
        # a callback task has ended, and whether it has.
        self._abandonable = abandonable
        self._leaving = False
        self.abandoned = False
        self.reason: object = None
        self._begun = False
        self._error: BaseException | None = None
        # Whether the loop has the outcome: then the thread wakes nobody any more.
        self.delivered = False
        # The task in the loop that the thread waits for.
        self._callback_task: Any = None
        # The task that waits, for the thread, which may look at it at any moment.
        self._waiter: weakref.ref[Any] | None = None
        # Whether it is counted among the jobs that time must not run away from.
        self._working = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """See `Operation.what`."""
        return self._name

    # -- in the loop: the task waits -----------------------------------------------

    def __await__(self) -> Any:
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
            return self._raise()
        return Operation.advance(self)

    def attempt(self) -> bool:
        """Hand the function to a thread, once."""
        if self.delivered:  # while we were on our way out, and were called back
            return True if self._error is None else self._raise()
        if not self._begun:
            try:
                self._waiter = weakref.ref(self.task)
                self._submit(self)
            except BaseException as exc:
                self.give_back()
                return self.fail(exc)
            self._begun = True
            self._keep_count()
        return False

    def _raise(self) -> bool:
        error: Any = self._error
        self._error = None  # its frames hold us
        return self.fail(error)

    def repeatable(self) -> bool:
        """See `Park.repeatable`: the function must not run twice."""
        return False

    def abort(self) -> bool:
        """Leave the thread to itself, if that was agreed."""
        if self._begun and self._function is None:
            self._arrive()  # it is done; perhaps the callback that was to say so has failed
            return False
        if not self._abandonable:
            return False
        if self._callback_task is not None:  # it ends before we go
            self._leaving = True
            self._callback_task.interrupt()
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

    def callback_began(self, task: Any) -> None:
        """The thread waits for a callback task in the loop."""
        self._callback_task = task
        self._keep_count()

    def callback_ended(self) -> None:
        """The callback task is done, and the thread goes on."""
        self._callback_task = None
        self._keep_count()
        if self._leaving:
            self._leaving = False
            self._ready()

    def withdraw(self) -> None:
        """See `Operation.withdraw`: leave the thread to itself, whatever was agreed."""
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
        self._keep_count()
        kernel = self.kernel
        if self._owed and kernel is not None:
            abandoned = kernel._services.setdefault("abandoned calls", AbandonedCalls())
            abandoned.calls[self] = None
            self._abandoned_calls = abandoned

    def _keep_count(self) -> None:
        """Count as a job in flight while the thread works for a task that waits."""
        waits = self._callback_task is not None
        working = self._begun and not (waits or self.delivered or self.abandoned)
        kernel = self.kernel
        if kernel is not None and working != self._working:
            self._working = working
            kernel._idle.in_flight += 1 if working else -1

    # -- in the thread ---------------------------------------------------------------

    def run(self) -> None:
        """Call the function, and keep the outcome."""
        function = self._function
        if function is None:
            return
        try:
            calling.call = self
            returned = self._context.run(function, *self._args)
            refuse_async(self._name, function, returned, "await it")
            self.result = returned
        except BaseException as exc:
            self._error = user_part(exc)
        finally:
            calling.call = None
            self._function = None
            self._args = ()
            del self, function  # from 3.12 on a failed frame holds this one

    def refuse(self, error: BaseException) -> None:
        """Keep an error instead of an outcome, because nobody will run the function."""
        self._error = error
        self._function = None
        self._args = ()

    def deliver(self) -> None:
        """Tell the loop; if that has ended, nobody waits."""
        if self.kernel is not None:
            self.kernel._hand_over(Handle(self._arrive, (), self._context))

    # -- in the loop: the result comes -------------------------------------------------

    def _arrive(self) -> None:
        """The thread is done: give the token back, and the task its result.

        A second call does nothing, or what the first has left undone for want of memory.
        """
        self.delivered = True
        self._keep_count()
        self.give_back()
        if self.abandoned:
            self._error = self.result = None
        else:
            self.grant(self.result)

    def give_back(self) -> None:
        """Give the limiter its token back, if it has lent us one."""
        if self._abandoned_calls is not None:
            self._abandoned_calls.calls.pop(self, None)
            self._abandoned_calls = None
        if self._owed:
            self._owed = False
            self._limiter.release_on_behalf_of(self)

    # -- for the thread ------------------------------------------------------------------

    def loop(self) -> Kernel | None:
        """The loop that the call was made in; None if it has ended."""
        kernel = self.kernel
        return kernel if kernel is not None and kernel._is_begun() else None

    def may_be_cancelled(self) -> bool:
        """Whether the task that waits is cancelled, or is to be told something else, or has gone.

        The thread can ask no more of it: scopes change while one looks at them.
        """
        task: BaseTask | None = None if self._waiter is None else self._waiter()
        return self.abandoned or task is None or task._pending


def with_keywords(name: str, function: Any, keywords: dict[str, Any]) -> Callable[..., Any]:
    """Return a function to be called elsewhere, with its keywords bound.

    Raises:
        TypeError: it is not an ordinary function.
    """
    if not callable(function):
        discard(function)
        raise TypeError(
            f"{name}() needs an ordinary function, not {function!r}; "
            f"write {name}(function, argument, ...), without the parentheses"
        )
    return partial(function, **keywords) if keywords else function


def check_limiter(name: str, limiter: object) -> None:
    """Raise unless `limiter` is one, or None.

    Raises:
        TypeError: it is something else.
    """
    if limiter is not None and not isinstance(limiter, CapacityLimiter):
        raise TypeError(f"{name}(limiter=) needs a giambio.CapacityLimiter, not {limiter!r}")


def loop_limiter(name: str, tokens: Callable[[], int]) -> CapacityLimiter:
    """Return a limiter that a loop keeps: by default, who makes calls elsewhere takes its tokens.

    Parameters:
        name: its name in the loop, as in ``"thread limiter"``.
        tokens: tells how many it has, if it is not there yet.

    Raises:
        RuntimeError: no loop runs in this thread.
    """
    services: dict[str, Any] = current_kernel()._services
    limiter: CapacityLimiter | None = services.get(name)
    if limiter is None:
        limiter = services[name] = CapacityLimiter(tokens())
    return limiter


def refuse_async(what: str, function: Any, returned: object, instead: str) -> None:
    """Refuse the result of an async function where an ordinary function was wanted.

    Raises:
        TypeError: it is one, and was closed.
    """
    if isinstance(returned, types.CoroutineType | Operation):
        discard(returned)
        raise TypeError(
            f"{what} calls ordinary functions, and {name_of(function)}() is async: {instead}"
        )
