"""`RateLimiter`: at most so many per second, or per minute, however many tasks there are.

A leaky bucket, as a meter: each permit fills it by one, it leaks at the rate that is allowed, and
who would make it run over waits. So a burst passes that fills it, and from then on permits come
evenly. The names are those of aiolimiter.
"""

from __future__ import annotations

from math import inf

from giambio._build.sealed import final
from giambio.arguments import check_number, check_positive
from giambio.kernel.blocks import refuse_with
from giambio.kernel.checkpoints import current_time, sleep
from giambio.sync.lock import Lock

__all__ = ["RateLimiter"]

#: How much fuller than full the bucket may seem, because of rounding.
ROUNDING = 1 + 1e-9


class RateLimiter:
    """Let so many through in a time, and have others wait for their turn, first come, first served.

    Parameters:
        max_rate: how many may pass in `time_period`, above 0; as many may pass at once.
        time_period: that time, in seconds, above 0.

    Raises:
        TypeError, ValueError: an argument makes no sense.

    Not for several loops at a time. A `CapacityLimiter` or `Semaphore` limits how many are at work
    at the same time.

    Example:
        >>> import giambio
        >>> async def main():
        ...     limiter = giambio.RateLimiter(2, 1)  # two per second
        ...     for _ in range(5):
        ...         async with limiter:
        ...             print(giambio.current_time())
        >>> from giambio.testing import VirtualClock
        >>> giambio.run(main, clock=VirtualClock())
        0.0
        0.0
        0.5
        1.0
        1.5
    """

    __slots__ = ("_leaked", "_level", "_max_rate", "_time_period", "_turn")

    def __init__(self, max_rate: float, time_period: float = 60) -> None:
        check_positive("RateLimiter()", "max_rate", max_rate)
        check_positive("RateLimiter()", "time_period", time_period)
        self._max_rate = float(max_rate)
        self._time_period = float(time_period)
        self._level = 0.0
        # Until when the bucket has leaked.
        self._leaked = -inf
        self._turn = Lock()

    @property
    def max_rate(self) -> float:
        """How many may pass in `time_period`."""
        return self._max_rate

    @property
    def time_period(self) -> float:
        """The time, in seconds, in which `max_rate` may pass."""
        return self._time_period

    async def acquire(self, amount: float = 1) -> None:
        """Wait until so many more may pass.

        Parameters:
            amount: how many, at most `max_rate`.

        Raises:
            TypeError, ValueError: `amount` makes no sense.
            CancelledError: the caller is in a cancelled scope.

        A checkpoint. A task that is cancelled here has taken nothing, and holds up nobody.

        Example:
            >>> import giambio
            >>> async def main():
            ...     limiter = giambio.RateLimiter(1_000_000, 1)  # bytes per second
            ...     await limiter.acquire(4096)
            >>> giambio.run(main)
        """
        self._check("acquire", amount)
        async with self._turn:
            while seconds := self._seconds_until(amount):
                await sleep(seconds)
            self._level += amount

    def has_capacity(self, amount: float = 1) -> bool:
        """Return whether so many might pass now; others may wait for that, too.

        Parameters:
            amount: how many, at most `max_rate`.

        Raises:
            TypeError, ValueError: `amount` makes no sense.
            RuntimeError: no giambio loop runs in this thread.

        Not a checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     return giambio.RateLimiter(10).has_capacity()
            >>> giambio.run(main)
            True
        """
        self._check("has_capacity", amount)
        return not self._seconds_until(amount)

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    __enter__ = __exit__ = refuse_with

    def __repr__(self) -> str:
        return f"<giambio.RateLimiter {self._max_rate:g} per {self._time_period:g} s>"

    def _check(self, method: str, amount: float) -> None:
        check_number(f"RateLimiter.{method}()", "amount", amount)
        if not 0 < amount <= self._max_rate:
            raise ValueError(
                f"RateLimiter.{method}() needs an amount above 0 and up to max_rate, which is "
                f"{self._max_rate:g}, not {amount!r}"
            )

    def _seconds_until(self, amount: float) -> float:
        """Let the bucket leak, and return for how long it has to, until there is room."""
        now = current_time()
        per_second = self._max_rate / self._time_period
        # Another run may have another clock, which is behind.
        self._level = max(0.0, self._level - max(0.0, now - self._leaked) * per_second)
        self._leaked = now
        too_much = self._level + amount - self._max_rate
        if too_much <= 0 or self._level + amount <= self._max_rate * ROUNDING:
            return 0.0
        return too_much / per_second


final(RateLimiter, "(max_rate, time_period=60)")
