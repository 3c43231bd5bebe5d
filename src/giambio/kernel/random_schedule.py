"""Chance, from one generator per loop: so that a seed gives the same run again.

A random schedule reveals assumptions of a program about the order in which tasks
run. Two things are random: which of the ready tasks has its turn first, and how many
operations a turn has. Often that is very few, so that operations which could go on at
once yield control instead.
"""

from __future__ import annotations

import os
from typing import Any

from giambio.arguments import is_int
from giambio.kernel import constants

__all__ = ["BUDGETS", "make_random"]

BUDGETS = (0, 1, 2, 5, constants.BUDGET)


def make_random(seed: int | None) -> Any:
    """Return the generator of a loop; None if its schedule is not random.

    Without a seed the environment's ``GIAMBIO_SEED`` counts.

    Raises:
        TypeError: the seed is not a whole number.
        ValueError: that of the environment is not.
    """
    if seed is None:
        text = os.environ.get("GIAMBIO_SEED")
        if not text:
            return None
        try:
            seed = int(text)
        except ValueError:
            raise ValueError(f"GIAMBIO_SEED needs a whole number, not {text!r}") from None
    if not is_int(seed):
        raise TypeError(f"seed= needs a whole number or None, not {seed!r}")
    from random import Random

    return Random(seed)
