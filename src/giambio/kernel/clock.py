"""Time, as the kernel sees it: a clock can be replaced, so tests need not wait."""

from __future__ import annotations

from math import inf, isnan
from time import monotonic

__all__ = ["Clock", "check_number"]


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
        """The time in seconds; only differences mean anything.

        Example:
            >>> import giambio
            >>> clock = giambio.Clock()
            >>> clock.now() <= clock.now()
            True
        """
        return monotonic()

    def wait_time(self, deadline: float) -> float:
        """How many seconds to wait for a deadline.

        Parameters:
            deadline: a time of this clock.

        Example:
            >>> import giambio
            >>> clock = giambio.Clock()
            >>> clock.wait_time(clock.now() - 1)
            0.0
        """
        return max(0.0, deadline - self.now())


def check_number(what: str, name: str, value: float) -> None:
    """Refuse what is no number of seconds.

    Parameters:
        what: who asks, for messages.
        name: what it is for.
        value: the number.

    Raises:
        ValueError: it is NaN, or larger than any time.
        TypeError: it is no number.
    """
    try:
        wrong = isnan(value) or value < -inf  # what can be converted may not be comparable
    except TypeError:
        raise TypeError(f"{what} needs a number for {name}, not {value!r}") from None
    except OverflowError:
        raise ValueError(
            f"{what} needs a number for {name} that a float can hold; for ever is math.inf"
        ) from None
    if wrong:
        raise ValueError(f"{what} needs a number for {name}, not NaN")
