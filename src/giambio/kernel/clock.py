"""Time, as the kernel sees it: a clock can be replaced, so tests need not wait."""

from __future__ import annotations

from time import monotonic
from typing import Any

__all__ = ["Clock", "checked_clock"]


class Clock:
    """The system's monotonic clock.

    ``EventLoop(clock=)`` takes any object with its two methods. One with a third,
    ``jump_to(deadline)``, is told to jump instead of being waited for: see
    `giambio.testing.VirtualClock`.

    Example:
        >>> import giambio
        >>> class InHours(giambio.Clock):
        ...     def now(self):
        ...         return super().now() / 3600
        >>> giambio.EventLoop(clock=InHours()).current_time() < giambio.Clock().now()
        True
    """

    __slots__ = ()

    def now(self) -> float:
        """Return the time in seconds; only differences mean anything.

        Example:
            >>> import giambio
            >>> clock = giambio.Clock()
            >>> clock.now() <= clock.now()
            True
        """
        return monotonic()

    def wait_time(self, deadline: float) -> float:
        """Return how many seconds to wait for a deadline.

        Parameters:
            deadline: a time of this clock.

        Example:
            >>> import giambio
            >>> clock = giambio.Clock()
            >>> clock.wait_time(clock.now() - 1)
            0.0
        """
        return max(0.0, deadline - self.now())


def checked_clock(clock: Any) -> Any:
    """Return a clock for a loop.

    Raises:
        TypeError: it is none.
    """
    methods = (getattr(clock, name, None) for name in ("now", "wait_time"))
    if isinstance(clock, type) or not all(map(callable, methods)):
        raise TypeError(
            "clock= needs an object with the methods now() and wait_time(deadline), such as "
            f"giambio.testing.VirtualClock(), not {clock!r}"
        )
    return clock
