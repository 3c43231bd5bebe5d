"""The kernel's few numbers, which natively are C constants (`constants.pxd`)."""

from __future__ import annotations

from typing import Final

#: How many operations a task may do in one step before it must yield control. Measured with
#: one task that always can go on, beside one that counts its turns: from 16 upwards an
#: operation costs the same, and the other's delay grows in proportion (docs/design.md).
BUDGET: Final = 64

#: How many items of the run queue may run before the driver is asked for events again.
MOST_UNASKED: Final = 64

# How a step ended.
PARKED: Final = 0
FOREIGN: Final = 1
RETURNED: Final = 2
RAISED: Final = 3

# The life of an operation.
FRESH: Final = 0  # made, not awaited
AWAITED: Final = 1  # awaited, not tried
TRIED: Final = 2  # has had its turn: parked, or about to try again
GRANTED: Final = 3  # the one who woke it has given it its result
DONE: Final = 4

# How a task is.
RUNNING: Final = 0
SUCCEEDED: Final = 1
FAILED: Final = 2
CANCELLED: Final = 3

# The life of a block of tasks.
NEW: Final = 0
OPEN: Final = 1
LEFT: Final = 2

# What a cancel scope is for.
PLAIN: Final = 0
OWNED: Final = 1  # a manager's, which enters and leaves it itself
FAILS: Final = 2  # its deadline raises `TimeoutError`
FOLLOWS_STOPS: Final = 3  # a soft stop around it cancels it
