"""The figures that all programs of this folder share, so that they do the same work.

Each program has the same functions, written in its library's own idiom. One does
`n` operations and ends; `idle_tasks` calls `parked()` while `n` tasks wait. So does
`crowd`, beside which another task calls `turn()` whenever it has its turn.
"""

from __future__ import annotations

from collections.abc import Iterator

BLOCK = 100
"""How many tasks one block of `spawn_block` has."""

YIELDERS = 500
"""How many tasks take turns in `checkpoint`."""

FAR_AWAY = 10.0
"""Seconds; the deadline of a timeout that does not fire."""

AN_HOUR = 3600.0
"""Seconds; how long a task of `crowd` would sleep."""

DEPTH = 1000
"""How many scopes are around the one that `deep_scopes` cancels."""

PROGRAM = "/bin/true"
"""What `process` runs, without pipes."""

BREATH = 100
"""Timeouts between two turns of the loop, which some libraries use to tidy up timers."""


def delays(n: int) -> Iterator[float]:
    """Seconds for `n` sleepers: from half a second on, spread over another half, out of order."""
    for i in range(n):
        yield 0.5 + i * 7919 % 10007 / 20014
