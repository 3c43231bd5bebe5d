"""A capacity limiter: tokens that borrowers take, one each, and return.

It is a semaphore that knows its borrowers. So returning a token that was never taken is an
error, a task that takes a second token does not wait for itself, and statistics show all
borrowers. The number of tokens can be changed at any time.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Hashable
from math import inf
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.errors import WouldBlock
from giambio.kernel import current
from giambio.kernel.blocks import refuse_with
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.task import Task, current_task
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["CapacityLimiter", "CapacityLimiterStatistics"]


class CapacityLimiterStatistics(NamedTuple):
    """Statistics of a `CapacityLimiter`; `borrowers` in the order in which they came.

    Example:
        >>> import giambio
        >>> giambio.CapacityLimiter(1).statistics().borrowers
        ()
    """

    borrowed_tokens: int
    total_tokens: float
    borrowers: tuple[object, ...]
    tasks_waiting: int


class CapacityLimiter:
    """Tokens that tasks borrow: ``async with limiter: ...``

    Parameters:
        total_tokens: the number of tokens: a whole number from 0 up, or `math.inf`. It can
            be changed later; while it is 0, every borrower waits.

    Raises:
        TypeError, ValueError: `total_tokens` is not such a number.

    A borrower has at most one token. It is the task itself, or any other hashable object
    with `acquire_on_behalf_of`. A returned token goes to the borrower that has waited
    longest; no other one can overtake it.

    Example:
        >>> import giambio
        >>> async def main():
        ...     limiter = giambio.CapacityLimiter(10)
        ...     async with limiter:
        ...         return limiter.available_tokens
        >>> giambio.run(main)
        9
    """

    __slots__ = ("__weakref__", "_borrowers", "_waiters", "_most", "_total", "_requested")

    def __init__(self, total_tokens: float) -> None:
        self._set_total("CapacityLimiter()", total_tokens)
        self._borrowers: dict[object, None] = {}
        # The borrowers for which a task waits.
        self._requested: set[object] = set()
        self._waiters = WaitQueue()

    # -- numbers --------------------------------------------------------------------------

    @property
    def total_tokens(self) -> float:
        """The number of tokens, borrowed or not; it can be set.

        New tokens are handed to the borrowers that wait. Setting fewer than are borrowed
        takes none away: no token is lent until enough have been returned.

        Example:
            >>> import giambio
            >>> limiter = giambio.CapacityLimiter(10)
            >>> limiter.total_tokens = 5
            >>> limiter.total_tokens
            5
        """
        return self._total

    @total_tokens.setter
    def total_tokens(self, total_tokens: float) -> None:
        self._waiters.check_thread("setting CapacityLimiter.total_tokens")
        self._set_total("CapacityLimiter", total_tokens)
        self._hand_out()

    @property
    def borrowed_tokens(self) -> int:
        """The number of borrowed tokens.

        Example:
            >>> import giambio
            >>> giambio.CapacityLimiter(10).borrowed_tokens
            0
        """
        return len(self._borrowers)

    @property
    def available_tokens(self) -> float:
        """The number of free tokens; below zero if more are borrowed than there are now.

        Example:
            >>> import giambio
            >>> giambio.CapacityLimiter(10).available_tokens
            10
        """
        return self._total - len(self._borrowers)

    def statistics(self) -> CapacityLimiterStatistics:
        """Return the numbers of tokens, the borrowers, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> limiter = giambio.CapacityLimiter(2)
            >>> limiter.acquire_on_behalf_of_nowait("a request")
            >>> limiter.statistics().borrowers
            ('a request',)
        """
        return CapacityLimiterStatistics(
            len(self._borrowers), self._total, tuple(self._borrowers), self._waiters.length
        )

    # -- borrowing and returning ------------------------------------------------------------

    def acquire(self) -> Coroutine[Any, Any, None]:
        """Borrow a token for the calling task; wait while none is free.

        Raises:
            RuntimeError: the task has or waits for a token of this limiter already, or tasks
                of another loop wait for it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, no token was borrowed; if one was handed over in the same
        moment, the task keeps it and the next checkpoint raises.

        Example:
            >>> import giambio
            >>> async def main():
            ...     limiter = giambio.CapacityLimiter(1)
            ...     await limiter.acquire()
            ...     limiter.release()
            >>> giambio.run(main)
        """
        return LimiterAcquire(self, True, None)

    def acquire_nowait(self) -> None:
        """Borrow a token for the calling task if one is free.

        Raises:
            WouldBlock: none is free.
            RuntimeError: the task has or waits for a token of this limiter already, or no
                task runs here.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     limiter = giambio.CapacityLimiter(1)
            ...     limiter.acquire_nowait()
            ...     return limiter.available_tokens
            >>> giambio.run(main)
            0
        """
        self.acquire_on_behalf_of_nowait(current_task())

    def acquire_on_behalf_of(self, borrower: Hashable) -> Coroutine[Any, Any, None]:
        """Borrow a token for another borrower; wait while none is free.

        Parameters:
            borrower: the new holder of the token: any hashable object. The limiter keeps it
                until the token is returned.

        Raises:
            TypeError: the borrower is not hashable.
            RuntimeError: it has or waits for a token of this limiter already, or tasks of
                another loop wait for it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint; see `acquire`.

        Example:
            >>> import giambio
            >>> async def main():
            ...     limiter = giambio.CapacityLimiter(1)
            ...     await limiter.acquire_on_behalf_of("a request")
            ...     limiter.release_on_behalf_of("a request")
            >>> giambio.run(main)
        """
        check_borrower(borrower)
        return LimiterAcquire(self, False, borrower)

    def acquire_on_behalf_of_nowait(self, borrower: Hashable) -> None:
        """Borrow a token for another borrower if one is free.

        Parameters:
            borrower: see `acquire_on_behalf_of`.

        Raises:
            WouldBlock: none is free.
            TypeError: the borrower is not hashable.
            RuntimeError: it has or waits for a token of this limiter already.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> limiter = giambio.CapacityLimiter(1)
            >>> limiter.acquire_on_behalf_of_nowait("a request")
            >>> limiter.borrowed_tokens
            1
        """
        check_borrower(borrower)
        problem = self._problem(borrower)
        if problem is not None:
            raise problem
        if len(self._borrowers) >= self._most:
            raise WouldBlock(
                f"no token of this CapacityLimiter is free: {len(self._borrowers)} of "
                f"{self._total} are borrowed"
            )
        self._borrowers[borrower] = None

    def release(self) -> None:
        """Return the calling task's token; the borrower that has waited longest gets it at once.

        Raises:
            RuntimeError: the task has none, or no task runs here, or tasks of another loop
                wait.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     limiter = giambio.CapacityLimiter(1)
            ...     await limiter.acquire()
            ...     limiter.release()
            ...     return limiter.available_tokens
            >>> giambio.run(main)
            1
        """
        self._give_up(current_task())

    def release_on_behalf_of(self, borrower: Hashable) -> None:
        """Return a borrower's token; the borrower that has waited longest gets it at once.

        Parameters:
            borrower: as passed to `acquire_on_behalf_of`, or a task.

        Raises:
            TypeError: the borrower is not hashable.
            RuntimeError: it has no token; or tasks wait, and this is not their loop's thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> limiter = giambio.CapacityLimiter(1)
            >>> limiter.acquire_on_behalf_of_nowait("a request")
            >>> limiter.release_on_behalf_of("a request")
            >>> limiter.borrowed_tokens
            0
        """
        check_borrower(borrower)
        self._give_up(borrower)

    def __aenter__(self) -> Operation[None]:
        return LimiterAcquire(self, True, None)

    def __aexit__(self, exc_type: object, exc: object, traceback: object) -> Operation[None]:
        self._leave(exc)
        return NOTHING

    __enter__ = __exit__ = refuse_with

    def __repr__(self) -> str:
        return (
            f"<giambio.CapacityLimiter {len(self._borrowers)} of {self._total} borrowed, "
            f"{self._waiters.length} waiting>"
        )

    # -- inside ---------------------------------------------------------------------------

    def _set_total(self, what: str, total: float) -> None:
        """Set the number of tokens, if it is one."""
        if isinstance(total, float) and total == inf:
            self._total: float = inf
            self._most = sys.maxsize
        else:
            name = "total_tokens (math.inf is no limit)"
            self._most = check_int(what, name, total, 0)  # type: ignore[arg-type]
            self._total = self._most

    def _problem(self, borrower: object) -> BaseException | None:
        """Return the error of a borrower that may not even wait for a token."""
        if borrower in self._borrowers:
            return RuntimeError(
                f"{borrower!r} has a token of this CapacityLimiter already, and can have one; "
                "borrow more with acquire_on_behalf_of(), each for another borrower"
            )
        if borrower in self._requested:
            return RuntimeError(
                f"{borrower!r} waits for a token of this CapacityLimiter already, "
                "and can have one; use another borrower for each token"
            )
        return None

    def _give_up(self, borrower: object) -> None:
        """See `release_on_behalf_of`."""
        self._waiters.check_thread("giving back a token of a CapacityLimiter")
        if borrower not in self._borrowers:
            raise RuntimeError(
                f"{borrower!r} has no token of this CapacityLimiter that it could give back"
            )
        del self._borrowers[borrower]
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free tokens to the borrowers that have waited longest."""
        while len(self._borrowers) < self._most:
            first: LimiterAcquire = self._waiters.pop()  # type: ignore[assignment]
            if first is None:
                return
            self._requested.remove(first._borrower)
            if first.grant(None):
                self._borrowers[first._borrower] = None

    def _leave(self, exc: object) -> None:
        """Return the token at the end of a block.

        While the `finally` blocks of a task that is closed from outside run, that task is done
        and there is no calling task.
        """
        kernel = current.get()
        if kernel is None or kernel._running is None:
            closed = [one for one in self._borrowers if isinstance(one, Task) and one.done()]
            for borrower in closed:
                self._give_up(borrower)
            if closed or isinstance(exc, GeneratorExit):
                return
        self._give_up(current_task())


class LimiterAcquire(QueuedOperation):
    """One task's `CapacityLimiter.acquire`, or `acquire_on_behalf_of`."""

    __slots__ = ("_borrower", "_for_task")

    def __init__(self, limiter: CapacityLimiter, for_task: bool, borrower: object) -> None:
        self.prepare_queued()
        self._subject = limiter
        self._for_task = for_task
        self._borrower = borrower

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        suffix = "" if self._for_task else "_on_behalf_of"
        return f"CapacityLimiter.acquire{suffix}()"

    def attempt(self) -> bool:
        """Done when a token is free; else the task that returns one hands it over."""
        limiter: CapacityLimiter = self._subject
        if self._for_task:
            self._borrower = self.task
        problem = limiter._problem(self._borrower)
        if problem is not None:
            return self.fail(problem)
        if len(limiter._borrowers) < limiter._most:
            limiter._borrowers[self._borrower] = None
            return True
        self.wait_in(limiter._waiters)
        if self.queue is not None:
            limiter._requested.add(self._borrower)
        return False

    def abort(self) -> bool:
        """See `Park.abort`: leave the queue."""
        if self.queue is not None:
            limiter: CapacityLimiter = self._subject
            limiter._requested.remove(self._borrower)
            self.queue.remove(self)
        return True

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        limiter: CapacityLimiter = self._subject
        limiter._give_up(self._borrower)


def check_borrower(borrower: object) -> None:
    """Raise unless a borrower is hashable.

    Raises:
        TypeError: it is not.
    """
    try:
        hash(borrower)
    except TypeError:
        raise TypeError(
            f"a borrower of a CapacityLimiter must be hashable, and {borrower!r} is not"
        ) from None


final(CapacityLimiter, "(total_tokens)")
