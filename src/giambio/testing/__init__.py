"""What tests of programs on giambio need: time that jumps, chance that can be repeated.

Import it by name, `import giambio` leaves it out. The pytest plugin that comes with giambio
(`giambio.pytest_plugin`) runs async tests, and gives them some of this as fixtures.
"""

from giambio.testing.checkpoints import assert_checkpoints, assert_no_checkpoints
from giambio.testing.clock import VirtualClock
from giambio.testing.quiet import wait_all_tasks_blocked
from giambio.testing.seeds import explore
from giambio.testing.swallowed import SwallowedCancellation, swallowed_cancellations

__all__ = [
    "SwallowedCancellation",
    "VirtualClock",
    "assert_checkpoints",
    "assert_no_checkpoints",
    "explore",
    "swallowed_cancellations",
    "wait_all_tasks_blocked",
]
