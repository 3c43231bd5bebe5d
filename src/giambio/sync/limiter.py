"""A capacity limiter: tokens that are borrowed, each by somebody, and given back.

It is a semaphore that knows its borrowers. So giving back what was never taken
is an error, a task that takes a second token does not wait for itself, and one
can see who holds what. The number of tokens can be changed at any time.
"""

from __future__ import annotations

import sys
from math import inf
from types import TracebackType
from typing import Any, NamedTuple

from giambio._build.sealed import final
from giambio.arguments import check_int
from giambio.errors import WouldBlock
from giambio.kernel import current
from giambio.kernel.operation import NOTHING, Operation
from giambio.kernel.task import Task, current_task
from giambio.kernel.wait_queue import QueuedOperation, WaitQueue

__all__ = ["CapacityLimiter", "CapacityLimiterStatistics"]


class CapacityLimiterStatistics(NamedTuple):
    """What `CapacityLimiter.statistics` returns; `borrowers` in the order they came.

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
        total_tokens: how many there are: a whole number from 0 up, or `math.inf`. It can
            be changed later; with 0 everybody waits until it is.

    Raises:
        TypeError, ValueError: `total_tokens` is something else.

    A borrower has at most one token. It is the task itself, or any other hashable object
    with `acquire_on_behalf_of`. A token that is given back goes to whoever has waited
    longest; nobody can barge in.

    Example:
        >>> import giambio
        >>> async def main():
        ...     limiter = giambio.CapacityLimiter(10)
        ...     async with limiter:
        ...         return limiter.available_tokens
        >>> giambio.run(main)
        9
    """

    __slots__ = ("__weakref__", "_borrowers", "_line", "_most", "_total", "_waiting")

    def __init__(self, total_tokens: float) -> None:
        self.set_total("CapacityLimiter()", total_tokens)
        self._borrowers: dict[object, None] = {}
        # The borrowers for whom somebody waits.
        self._waiting: set[object] = set()
        self._line = WaitQueue()

    # -- how many -------------------------------------------------------------------------

    @property
    def total_tokens(self) -> float:
        """How many tokens there are, borrowed or not; it can be set.

        Setting more hands them to those who wait. Setting less than are borrowed takes
        nothing away: no new ones are lent until enough have come back.

        Example:
            >>> import giambio
            >>> limiter = giambio.CapacityLimiter(10)
            >>> limiter.total_tokens = 5
            >>> limiter.total_tokens
            5
        """
        total: float = self._total
        return total

    @total_tokens.setter
    def total_tokens(self, total_tokens: float) -> None:
        first = self._line.first
        if first is not None:
            first.check_thread("setting CapacityLimiter.total_tokens")
        self.set_total("CapacityLimiter", total_tokens)
        self.hand_out()

    @property
    def borrowed_tokens(self) -> int:
        """How many tokens are borrowed.

        Example:
            >>> import giambio
            >>> giambio.CapacityLimiter(10).borrowed_tokens
            0
        """
        return len(self._borrowers)

    @property
    def available_tokens(self) -> float:
        """How many tokens are free; below zero if more are borrowed than there are now.

        Example:
            >>> import giambio
            >>> giambio.CapacityLimiter(10).available_tokens
            10
        """
        total: float = self._total
        return total - len(self._borrowers)

    def statistics(self) -> CapacityLimiterStatistics:
        """How many tokens there are, who has them, and how many tasks wait. Not a checkpoint.

        Example:
            >>> import giambio
            >>> limiter = giambio.CapacityLimiter(2)
            >>> limiter.acquire_on_behalf_of_nowait("a request")
            >>> limiter.statistics().borrowers
            ('a request',)
        """
        return CapacityLimiterStatistics(
            len(self._borrowers), self._total, tuple(self._borrowers), self._line.length
        )

    # -- borrowing and giving back ----------------------------------------------------------

    def acquire(self) -> Operation:
        """Borrow a token for the calling task; wait as long as none is free.

        Raises:
            RuntimeError: the task has or waits for a token of this limiter already, or tasks
                of another loop wait for it.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, no token was borrowed; if one was handed over in the same
        moment it is kept, and the next checkpoint raises.

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
        self.take_now(current_task())

    def acquire_on_behalf_of(self, borrower: Any) -> Operation:
        """Borrow a token for somebody; wait as long as none is free.

        Parameters:
            borrower: who is to have the token: any hashable object. The limiter keeps it
                until the token is given back.

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

    def acquire_on_behalf_of_nowait(self, borrower: Any) -> None:
        """Borrow a token for somebody if one is free.

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
        self.take_now(borrower)

    def release(self) -> None:
        """Give the calling task's token back; whoever has waited longest has it at once.

        Raises:
            RuntimeError: the task has none, or no task runs here, or it is another loop's
                than those that wait.

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
        self.give_up(current_task())

    def release_on_behalf_of(self, borrower: Any) -> None:
        """Give somebody's token back; whoever has waited longest has it at once.

        Parameters:
            borrower: what was given to `acquire_on_behalf_of`, or a task.

        Raises:
            TypeError: the borrower is not hashable.
            RuntimeError: it has no token, or this was called from another thread than that
                of the loop in which tasks wait for it.

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
        self.give_up(borrower)

    def __aenter__(self) -> Operation:
        return LimiterAcquire(self, True, None)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Operation:
        self.leave(exc)
        return NOTHING

    def __repr__(self) -> str:
        return (
            f"<giambio.CapacityLimiter {len(self._borrowers)} of {self._total} borrowed, "
            f"{self._line.length} waiting>"
        )

    # -- inside ---------------------------------------------------------------------------

    def set_total(self, what: str, total: float) -> None:
        """Set how many tokens there are, if that is a number of tokens."""
        if isinstance(total, float) and total == inf:
            self._total: float = inf
            self._most = sys.maxsize
        else:
            name = "total_tokens (math.inf is no limit)"
            self._most = check_int(what, name, total, 0)  # type: ignore[arg-type]
            self._total = self._most

    def problem(self, borrower: object) -> BaseException | None:
        """Why somebody may not even wait for a token."""
        if borrower in self._borrowers:
            return RuntimeError(
                f"{borrower!r} has a token of this CapacityLimiter already, and can have one; "
                "borrow more with acquire_on_behalf_of(), each for another borrower"
            )
        if borrower in self._waiting:
            return RuntimeError(
                f"{borrower!r} waits for a token of this CapacityLimiter already, "
                "and can have one; use another borrower for each token"
            )
        return None

    def take_now(self, borrower: object) -> None:
        """See `acquire_on_behalf_of_nowait`."""
        problem = self.problem(borrower)
        if problem is not None:
            raise problem
        if len(self._borrowers) >= self._most:
            raise WouldBlock(
                f"no token of this CapacityLimiter is free: {len(self._borrowers)} of "
                f"{self._total} are borrowed"
            )
        self._borrowers[borrower] = None

    def give_up(self, borrower: object) -> None:
        """See `release_on_behalf_of`."""
        first = self._line.first
        if first is not None:
            first.check_thread("giving back a token of a CapacityLimiter")
        if borrower not in self._borrowers:
            raise RuntimeError(
                f"{borrower!r} has no token of this CapacityLimiter that it could give back"
            )
        del self._borrowers[borrower]
        self.hand_out()

    def hand_out(self) -> None:
        """Give what is free to those who have waited longest."""
        while len(self._borrowers) < self._most:
            first: LimiterAcquire = self._line.pop()  # type: ignore[assignment]
            if first is None:
                return
            self._waiting.remove(first._borrower)
            if first.grant(None):
                self._borrowers[first._borrower] = None

    def leave(self, exc: BaseException | None) -> None:
        """Give the token back at the end of a block.

        When a task is closed from outside, its `finally` blocks run while it is done already
        and no task is the calling one.
        """
        kernel = current.get()
        if isinstance(exc, GeneratorExit) and (kernel is None or kernel._running is None):
            for borrower in tuple(self._borrowers):
                if isinstance(borrower, Task) and borrower.done():
                    self.give_up(borrower)
        else:
            self.give_up(current_task())


class LimiterAcquire(QueuedOperation):
    """One task's `CapacityLimiter.acquire`, or `acquire_on_behalf_of`."""

    __slots__ = ("_borrower", "_for_task", "_limiter")

    def __init__(self, limiter: CapacityLimiter, for_task: bool, borrower: object) -> None:
        self.prepare_queued()
        self._limiter = limiter
        self._for_task = for_task
        self._borrower = borrower

    @property
    def what(self) -> str:  # type: ignore[override]
        """How the operation is called in messages."""
        suffix = "" if self._for_task else "_on_behalf_of"
        return f"CapacityLimiter.acquire{suffix}()"

    def attempt(self) -> bool:
        """Done when a token is free; else whoever gives one back hands it over."""
        limiter = self._limiter
        if self._for_task:
            self._borrower = self.task
        problem = limiter.problem(self._borrower)
        if problem is not None:
            return self.fail(problem)
        if len(limiter._borrowers) < limiter._most:
            limiter._borrowers[self._borrower] = None
            return True
        self.wait_in(limiter._line)
        if self.line is not None:
            limiter._waiting.add(self._borrower)
        return False

    def abort(self) -> bool:
        """See `Park.abort`: leave the line."""
        if self.line is not None:
            self._limiter._waiting.remove(self._borrower)
            self.line.remove(self)
        return True

    def give_back(self) -> None:
        """See `QueuedOperation.give_back`."""
        self._limiter.give_up(self._borrower)

    def subject(self) -> object:
        """See `Park.subject`."""
        return self._limiter


def check_borrower(borrower: object) -> None:
    """Refuse what cannot be told from others.

    Raises:
        TypeError: it is not hashable.
    """
    try:
        hash(borrower)
    except TypeError:
        raise TypeError(
            f"a borrower of a CapacityLimiter must be hashable, and {borrower!r} is not"
        ) from None


final(CapacityLimiter, "(total_tokens)")
final(LimiterAcquire)
