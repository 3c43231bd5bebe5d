"""Tools for tests of programs on giambio: virtual time, random schedules, whole systems simulated.

Import it by name; `import giambio` leaves it out. The pytest plugin that comes with giambio
(`giambio.pytest_plugin`) runs async tests, and offers some of this as fixtures.
"""

from giambio.testing.all_tasks_blocked import wait_all_tasks_blocked
from giambio.testing.assert_checkpoints import assert_checkpoints, assert_no_checkpoints
from giambio.testing.seeds import explore
from giambio.testing.simulation.faults import Fault, Faults
from giambio.testing.simulation.host import Host
from giambio.testing.simulation.network import Link, Packet
from giambio.testing.simulation.simulation import Simulation, simulate
from giambio.testing.swallowed import SwallowedCancellation, swallowed_cancellations
from giambio.testing.virtual_clock import VirtualClock

__all__ = [
    "Fault",
    "Faults",
    "Host",
    "Link",
    "Packet",
    "Simulation",
    "SwallowedCancellation",
    "VirtualClock",
    "assert_checkpoints",
    "assert_no_checkpoints",
    "explore",
    "simulate",
    "swallowed_cancellations",
    "wait_all_tasks_blocked",
]


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
