"""`Backoff`: how long to wait before what has failed begins anew.

The pause grows, so that what cannot work now does not keep the machine busy, and there is chance
in it, so that many who failed together do not come back together.
"""

from __future__ import annotations

import random
from math import inf

from giambio._build.sealed import final
from giambio.arguments import check_number, check_seconds

__all__ = ["Backoff"]


class Backoff:
    """Pauses that grow from one failure to the next; see `Supervisor`.

    Parameters:
        initial: the pause after the first failure, in seconds; 0 for none at all.
        maximum: the longest pause, in seconds.
        factor: by what the pause is multiplied each time, from 1 up.
        jitter: by up to which part, from 0 to 1, chance makes each pause shorter.

    Raises:
        TypeError, ValueError: an argument makes no sense.

    Example:
        >>> import giambio
        >>> giambio.Backoff(initial=1, maximum=60)
        <giambio.Backoff from 1 s to 60 s, by 2>
    """

    __slots__ = ("_factor", "_initial", "_jitter", "_maximum")

    def __init__(
        self,
        *,
        initial: float = 0.1,
        maximum: float = 30.0,
        factor: float = 2.0,
        jitter: float = 0.1,
    ) -> None:
        check_seconds("Backoff()", "initial", initial)
        check_seconds("Backoff()", "maximum", maximum)
        if not initial <= maximum < inf:
            raise ValueError(
                "Backoff() needs a number of seconds from initial up for maximum, and not "
                f"infinity; these are {initial!r} and {maximum!r}"
            )
        check_number("Backoff()", "factor", factor)
        if not 1 <= factor < inf:
            raise ValueError(f"Backoff() needs a number from 1 up for factor, not {factor!r}")
        check_number("Backoff()", "jitter", jitter)
        if not 0 <= jitter <= 1:
            raise ValueError(f"Backoff() needs a number from 0 to 1 for jitter, not {jitter!r}")
        self._initial = initial
        self._maximum = maximum
        self._factor = factor
        self._jitter = jitter

    def pause(self, failures: int) -> float:
        """Return how many seconds to wait, after so many failures before the one now."""
        try:
            pause = min(self._maximum, self._initial * self._factor**failures)
        except OverflowError:
            pause = self._maximum if self._initial else 0.0
        return pause * (1 - random.uniform(0, self._jitter))

    def __repr__(self) -> str:
        return (
            f"<giambio.Backoff from {self._initial:g} s to {self._maximum:g} s, "
            f"by {self._factor:g}>"
        )


final(Backoff, "(*, initial=0.1, maximum=30.0, factor=2.0, jitter=0.1)")
