"""What the primitives have in common: how a number is checked, and how a block is left."""

from __future__ import annotations

import sys

from giambio.kernel.operation import Immediate

__all__ = ["NOTHING", "check_count"]

#: What leaving a block returns when there is nothing to wait for.
NOTHING = Immediate(None)


def check_count(what: str, name: str, value: int, least: int) -> int:
    """Refuse what is no whole number, or too small.

    Parameters:
        what: who asks, for messages.
        name: what it is for.
        value: the number.
        least: the smallest that makes sense.

    Returns:
        The number, as a plain `int`.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is too small, or larger than any number of things.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} needs a whole number for {name}, not {value!r}")
    if value < least:
        raise ValueError(f"{what} needs a number from {least} up for {name}, not {value!r}")
    if value > sys.maxsize:
        raise ValueError(f"{what} needs a number up to {sys.maxsize} for {name}")
    return int(value)
