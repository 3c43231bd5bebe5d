"""An event for which one thread waits that Ctrl-C may interrupt anywhere.

`threading.Event`, and the futures of `concurrent.futures`, take a lock in a method that is written
in Python. When the interruption comes just after that, the lock stays taken, and whoever wants to
set the event waits for ever. Where threads do not take turns, that is no rare moment.
"""

from __future__ import annotations

import sys
import threading

__all__ = ["Latch"]

#: For how long to wait in one go, in seconds; below zero: until it is set. A Python 3.13 without a
#: GIL can miss a signal that comes just when it begins to wait for a lock, until the wait is over.
PATIENCE = -1.0 if getattr(sys, "_is_gil_enabled", lambda: True)() else 0.5


class Latch:
    """It is set once, by one thread, and another one waits for that."""

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self, *_: object) -> None:
        """Wake the thread that waits. A second time it does nothing."""
        if not self._is_set:
            self._is_set = True
            self._lock.release()

    def wait(self) -> None:
        """Wait until it is set; also once more, after an interruption."""
        while not self._is_set and not self._lock.acquire(timeout=PATIENCE):
            pass
