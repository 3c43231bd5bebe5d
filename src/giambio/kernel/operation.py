"""Operations: awaitables that do something, or park their task until they can.

Every awaitable of giambio is an `Operation`, and all of them keep one order: a
pending cancellation raises and nothing was done; a task that has used up its
budget yields control; then the operation is tried; then the task parks, and tries
again when it is woken. So a ready operation costs no trip through the
scheduler, and still nobody starves.

An operation is an object with `__next__` and not a coroutine: it costs no
Python frame, and it leaves none in tracebacks. For the same reason it has no
`throw`: an exception that the kernel throws is raised in the user's own frame, at the await.
"""

from __future__ import annotations

import types
import warnings
from typing import Any

from giambio.kernel import constants, current, trap
from giambio.kernel.closed_from_outside import no_task_runs
from giambio.kernel.kernel import Kernel
from giambio.kernel.run_queue import BaseTask
from giambio.kernel.tracebacks import DROPPER
from giambio.kernel.trap import Trap

__all__ = ["NOTHING", "Closed", "Driven", "Immediate", "Operation", "Wait", "current_kernel"]


class Operation(Trap):
    """One await. Subclasses implement how to try, and how to withdraw."""

    __slots__ = ("kernel", "shielded", "task")

    #: The operation's name in messages.
    what = "operation"

    __class_getitem__ = classmethod(types.GenericAlias)  # type: ignore[var-annotated]

    def prepare(self, kernel: Kernel | None) -> None:
        """The constructor's work, as a method that costs nothing when compiled.

        `kernel` is given when the operation belongs to one loop; else it is
        the one that runs when it is awaited.
        """
        self.kernel = kernel
        self.task: BaseTask | None = None
        self.state = constants.FRESH
        self.result: Any = None
        self.shielded = False

    def __await__(self) -> Any:
        if self.state != constants.FRESH:
            if not self.iterates():
                self.refuse_await()
            return Driven(self)
        self.state = constants.AWAITED
        return self

    def __del__(self) -> None:
        if self.state == constants.FRESH or self.state == constants.AWAITED:
            forgotten = self.state == constants.FRESH
            self.state = constants.DONE
            self.discard()
            if not forgotten:
                return  # its task was closed before it had its turn
            warnings.warn(
                f"{self.what} was never awaited", RuntimeWarning, stacklevel=DROPPER, source=None
            )

    def close(self) -> None:
        """End this, because the coroutine that awaits it is closed.

        If it was closed by hand instead, its task still waits here, and gets an error.
        """
        self.withdraw()
        if self.kernel is not None and self.task is not None:
            self.kernel._wake(self.task, self)

    # -- for subclasses --------------------------------------------------------

    def attempt(self) -> bool:
        """Try.

        Returns:
            True if it is done, with `result` set; False if it has to wait, after
            arranging for `_ready` or `grant` to be called, or if it failed
            (see `fail`).
        """
        raise NotImplementedError

    def abort(self) -> bool:
        """See `Park.abort`. Also called when woken and cancelled before it ran."""
        return True

    def repeatable(self) -> bool:
        """See `Park.repeatable`: `attempt` is called again."""
        return True

    def withdraw(self) -> None:
        """Leave, also if it was woken already: nobody awaits this any more."""
        if self.state == constants.TRIED:
            self.state = constants.DONE
            self.abort()

    def iterates(self) -> bool:
        """Return whether this is a step of an iteration, which `anext` may drive (see `Driven`)."""
        return False

    def discard(self) -> None:
        """Release the arguments, because it was never tried and will not be."""

    # -- waking ------------------------------------------------------------------

    def _ready(self) -> None:
        """See `Waiter._ready`: make the task try again."""
        if self.task is not None and self.kernel is not None:
            self.kernel._wake(self.task, self)

    def grant(self, result: object) -> bool:
        """Give the operation its result; it is done and cannot be cancelled any more.

        Returns:
            False if the task has left this park: then the result is not taken.
        """
        if self.task is None or self.kernel is None or self.state == constants.GRANTED:
            return False
        if not self.kernel._wake(self.task, self):
            return False
        self.result = result
        self.state = constants.GRANTED
        return True

    def check_thread(self, what: str) -> None:
        """Raise if the caller may not wake the task that waits here.

        Raises:
            RuntimeError: it is another thread than the loop's.
        """
        if self.kernel is not None and not self.kernel._in_own_thread():
            raise RuntimeError(
                f"{what} was called from another thread than the loop's, in which tasks wait; "
                "hand it to loop.call_soon_threadsafe(...) instead of calling it"
            )

    # -- the order of things ---------------------------------------------------

    def bind(self) -> BaseTask:
        """Return the task that awaits this.

        Raises:
            RuntimeError: there is none, or it runs on another loop.
        """
        kernel = current.get()
        if kernel is not None and kernel._steps_for is not None:
            kernel._steps_for._check_caller(self.what)
        if kernel is None or kernel._running is None:
            raise no_task_runs(
                f"{self.what} must be awaited in a giambio task; start one with giambio.run(main)"
            )
        if self.kernel is None:
            self.kernel = kernel
        elif self.kernel is not kernel:
            raise RuntimeError(
                f"{self.what} belongs to another loop than the one that runs this task; "
                "use each object in the loop it was made for"
            )
        task: BaseTask = kernel._running
        if task._parked is not None:
            left = task._parked
            task._parked = None
            if isinstance(left, Operation):
                left.close()  # the task runs, so it does not wait for what it has stepped by hand
        self.task = task
        return task

    def refuse_await(self) -> None:
        """Raise, because this was awaited already.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            f"this {self.what} was awaited already; an operation can be awaited once, "
            "call it again to do it again"
        )

    def refuse_step(self) -> None:
        """Raise, because this was stepped by hand.

        Raises:
            RuntimeError: always.
        """
        if self.state == constants.DONE:
            problem = "has ended already"
        elif self.task is not None and self.task._parked is self:
            problem = "waits already"
        else:
            problem = "is awaited by another task"
        raise RuntimeError(
            f"this {self.what} {problem}; an operation is awaited once, by one task, "
            "and not stepped by hand"
        )

    def advance(self) -> bool:
        """Do as much as can be done now.

        Returns:
            True when the operation is done; False when the task has to leave.
        """
        # Hardly a local variable: counting its references would be a tenth of all this.
        if self.task is None:
            self.bind()
        if self.task is None or self.kernel is None:
            return True
        if (
            self.kernel._running is not self.task
            or self.task._parked is self
            or self.state == constants.DONE
        ):
            self.refuse_step()
        if self.state == constants.GRANTED:
            self.state = constants.DONE
            return True
        if self.task._pending and not self.shielded:
            if self.state == constants.TRIED:
                self.abort()  # woken, and cancelled before it could try again
            self.state = constants.DONE
            task = self.task  # an interruption may let go of it
            task._thrown = self.interruption(task)
            return False
        if self.state <= constants.AWAITED:
            if self.kernel._budget <= 0:
                self.kernel._queue.append(self.task)
                return False
            self.kernel._budget -= 1
            self.state = constants.TRIED
        if self.attempt():
            self.state = constants.DONE
            return True
        if self.task._thrown is None and not self.task._queued:
            self.task._parked = self
        return False

    def continues_here(self) -> bool:
        """Whether the running task is the one that has begun to wait."""
        kernel = current.get()
        return kernel is not None and self.task is kernel._running and self.state != constants.DONE

    def spend(self, operations: int) -> bool:
        """Count a large transfer as several operations.

        Returns:
            Whether the budget is used up.
        """
        kernel = self.kernel
        if kernel is None:
            return False
        kernel._budget -= operations
        return kernel._budget <= 0

    def give_way(self) -> None:
        """Yield control; `attempt` is called again when it is this task's turn."""
        if self.kernel is not None and self.task is not None:
            self.kernel._queue.append(self.task)

    def fail(self, exc: BaseException) -> bool:
        """Raise an exception at the await, with none of our frames in its traceback.

        Returns:
            False, so that `attempt` can return it.
        """
        self.state = constants.DONE
        if self.task is not None:
            self.task._thrown = exc
        return False


trap.install_am_send(Operation)


class Driven:
    """An operation under way, for Python's `anext` with a default.

    That asks for the awaitable's iterator at every step, and throws into the iterator, while
    operations have no `throw` on purpose (see `Operation`).
    """

    __slots__ = ("_operation",)

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    def __iter__(self) -> Driven:
        return self

    def __next__(self) -> Any:
        if not self._operation.continues_here():
            self._operation.refuse_await()
        return self._operation.__next__()

    def send(self, value: object) -> Any:
        """Continue."""
        return self.__next__()

    def throw(self, exc: Any, value: Any = None, traceback: Any = None) -> None:
        """Raise the kernel's exception; the operation has withdrawn already."""
        raise exc if value is None else value

    def close(self) -> None:
        """See `Operation.close`."""
        self._operation.close()


class Immediate(Operation):
    """An operation that has its result already: no checkpoint, and it need not be awaited."""

    __slots__ = ()

    what = "operation"

    def __init__(self, result: object) -> None:
        self.prepare(None)
        self.state = constants.AWAITED
        self.result = result

    def __await__(self) -> Operation:
        return self

    def advance(self) -> bool:
        """See `Operation.advance`: nothing is left to do."""
        return True

    def __del__(self) -> None:
        pass  # never awaited is fine; and at exit, when the module's names are gone, too


#: The result of leaving a block when there is nothing to wait for.
NOTHING = Immediate(None)


class Closed(Operation):
    """The result of a `close` that has acted already: a checkpoint that need not be awaited."""

    __slots__ = ()

    what = "close()"

    def __init__(self) -> None:
        self.prepare(None)

    def attempt(self) -> bool:
        """See `Operation.attempt`: it is closed already."""
        return True

    def __del__(self) -> None:
        pass  # never awaited is fine


class Wait(Operation):
    """The bare park: wait until a result is granted.

    `abort` is a function that answers as `Park.abort` does; without one the
    wait can always be interrupted. It is what interpreted code and tests build
    on; compiled code subclasses `Operation`.
    """

    __slots__ = ("_abort", "_error", "what")

    def __init__(self, abort: Any = None, name: str = "wait", kernel: Kernel | None = None) -> None:
        self.prepare(kernel)
        self._abort = abort
        self.what = name
        self._error: BaseException | None = None

    def __await__(self) -> Any:
        if self.state == constants.GRANTED:
            return self
        return Operation.__await__(self)

    def advance(self) -> bool:
        """See `Operation.advance`; it may have been refused before it was awaited."""
        if self._error is None:
            return Operation.advance(self)
        if self.task is None:
            self.bind()
        error = self._error
        self._error = None
        return self.fail(error)

    def attempt(self) -> bool:
        """See `Operation.attempt`: only `wake` ends it."""
        return False

    def abort(self) -> bool:
        """See `Park.abort`."""
        return True if self._abort is None else bool(self._abort())

    def repeatable(self) -> bool:
        """See `Park.repeatable`: the effect of `abort` is unknown."""
        return False

    def wake(self, result: object = None) -> bool:
        """Grant the result; also before the wait has begun. See `Operation.grant`."""
        if self.state == constants.FRESH or self.state == constants.AWAITED:
            self.result = result
            self.state = constants.GRANTED
            return True
        return self.grant(result)

    def wake_error(self, exc: BaseException) -> bool:
        """Raise an exception at the await; see `wake`."""
        if not self.wake():
            return False
        self._error = exc
        return True

    def interrupted(self) -> BaseException:
        """Return the cancellation, for an abort that answered *not yet* to raise later."""
        if self.task is None:
            raise RuntimeError("nobody waits here")
        return self.task._interruption()


def current_kernel() -> Kernel:
    """Return the loop that runs the calling task or callback.

    Raises:
        RuntimeError: no loop runs in this thread.
    """
    kernel: Kernel | None = current.get()
    if kernel is None:
        raise no_task_runs(
            "no giambio loop runs in this thread; call this from a task, "
            "or start one with giambio.run(main)"
        )
    return kernel
