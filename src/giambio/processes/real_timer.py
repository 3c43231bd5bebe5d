"""A timer that a process can be held to: it counts real time, whatever the loop's clock.

A program knows nothing of a virtual clock, which jumps, or stands still while a task
waits for the program. On an ordinary clock this is an ordinary timer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic

from giambio.kernel.callbacks import Handle
from giambio.kernel.kernel import Kernel

__all__ = ["RealTimer"]

#: A virtual clock's timers ask for so many seconds of quiet, again and again. The kernel tells
#: those who ask for the shortest time, so that all ask for the same.
PART = 0.01


class RealTimer:
    """Calls a function once, after so many real seconds."""

    __slots__ = ("_function", "_handle", "_kernel", "_until")

    def __init__(self, kernel: Kernel, seconds: float, function: Callable[[], object]) -> None:
        self._kernel = kernel
        self._function = function
        self._handle: Handle | None = None
        self._until = monotonic() + seconds
        if seconds == inf:
            return
        if kernel._idle.time_jumps():
            kernel._idle.add_waiter(PART, self)
        else:
            self._handle = kernel.call_later(seconds, function)

    def _ready(self) -> None:
        """The kernel says that nothing has happened for a while."""
        if monotonic() < self._until:
            self._kernel._idle.add_waiter(PART, self)
        else:
            self._function()

    def cancel(self) -> None:
        """Do not call it; harmless if it was called."""
        if self._handle is not None:
            self._handle.cancel()
        else:
            self._kernel._idle.remove_waiter(self)
