"""What tests of programs on giambio need: time that jumps, chance that can be repeated.

Import it by name, `import giambio` leaves it out. The pytest plugin that comes with giambio
(`giambio.pytest_plugin`) runs async tests, and gives them some of this as fixtures.
"""

from giambio.testing.all_tasks_blocked import wait_all_tasks_blocked
from giambio.testing.assert_checkpoints import assert_checkpoints, assert_no_checkpoints
from giambio.testing.seeds import explore
from giambio.testing.swallowed import SwallowedCancellation, swallowed_cancellations
from giambio.testing.virtual_clock import VirtualClock

__all__ = [
    "SwallowedCancellation",
    "VirtualClock",
    "assert_checkpoints",
    "assert_no_checkpoints",
    "explore",
    "swallowed_cancellations",
    "wait_all_tasks_blocked",
]
