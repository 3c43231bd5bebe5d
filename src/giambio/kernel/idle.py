"""The idle loop: how long it waits when nothing can run, and what follows a wait in vain.

With an ordinary clock it waits until the next deadline. Three kinds of listeners want to know
that the driver has waited in vain: a virtual clock, which jumps to that deadline;
`wait_all_tasks_blocked`, which goes on; and the deadlock detector. Each of them wants the
loop to be idle for a while first, in real seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

from giambio._build.sealed import final
from giambio.kernel.timers import Timers

__all__ = ["Idle"]

#: How many seconds nothing may happen before a deadlock is looked for: a deadlock
#: does not go away, and a busy loop has no time for questions.
FIRST_PATIENCE = 0.05


class Idle:
    """The waiting of one kernel when nothing can run, and the listeners to that."""

    __slots__ = (
        "_clock",
        "_jump",
        "_look_for_deadlock",
        "_patience",
        "_since",
        "_timers",
        "_waiters",
        "in_flight",
    )

    def __init__(self, clock: Any, timers: Timers) -> None:
        self._clock = clock
        # A clock that need not wait, such as a virtual one, is told to jump instead. Then
        # its `wait_time` says how many real seconds nothing may happen before that.
        self._jump: Any = getattr(clock, "jump_to", None)
        self._timers = timers
        # The number of jobs of threads or the system that a task waits for, and that will
        # soon be done: time does not jump meanwhile.
        self.in_flight = 0
        # The waiters to notify when nothing has happened for so many seconds.
        self._waiters: list[tuple[float, Any]] = []
        # The deadlock detector, and after how many seconds to call it; below zero: not now.
        self._look_for_deadlock: Callable[[], float] | None = None
        self._patience = -1.0
        # Since when nothing has happened; below zero: something has.
        self._since = -1.0

    # -- listeners ---------------------------------------------------------------

    def time_jumps(self) -> bool:
        """Return whether the clock is a virtual one, whose seconds are no real ones."""
        return self._jump is not None

    def add_waiter(self, seconds: float, waiter: Any) -> None:
        """Notify a waiter, once, when nothing has happened for so many real seconds.

        Of several, those with the shortest time are notified; then it begins anew.
        """
        self._waiters.append((seconds, waiter))
        self._since = -1.0

    def remove_waiter(self, waiter: Any) -> None:
        """Undo `add_waiter`; harmless if it was notified."""
        self._waiters = [entry for entry in self._waiters if entry[1] is not waiter]

    def watch_for_deadlock(self, look: Callable[[], float] | None) -> None:
        """Call `look` when nothing has happened for a while, and no timer is set.

        Parameters:
            look: it returns after how many seconds to call it again; below zero: not before
                something happens. None to call nothing.
        """
        self._look_for_deadlock = look
        self._patience = -1.0 if look is None else FIRST_PATIENCE

    def is_watched(self) -> bool:
        """Return whether there is a listener."""
        return (
            self._look_for_deadlock is not None or self._jump is not None or len(self._waiters) != 0
        )

    def forget(self) -> None:
        """Forget waiters and jobs, because the loop ends. The deadlock detector remains."""
        self._waiters = []
        self.in_flight = 0

    # -- waiting -----------------------------------------------------------------

    def timeout(self) -> float:
        """Return how long the driver may wait if nothing can run; below zero: for ever."""
        timeout: float = -1.0
        if self._timers.is_empty():
            timeout = self._patience
        elif self._jump is None:
            timeout = self._clock.wait_time(self._timers.next_deadline())
        elif not self._waiters and self.in_flight <= 0:  # they are notified first
            timeout = self._rest_of(self._clock.wait_time(self._timers.next_deadline()))
        if self._waiters:
            shortest: float = self._rest_of(min(entry[0] for entry in self._waiters))
            if timeout < 0 or timeout > shortest:
                return shortest
        return timeout

    def _rest_of(self, seconds: float) -> float:
        """Return how much is left of so many idle seconds; below zero: it never ends."""
        if seconds == inf:
            return -1.0
        return max(0.0, seconds - self._lasts())

    def _lasts(self) -> float:
        """Return for how many seconds it has been idle; it begins now, if it has not yet."""
        now = monotonic()
        if self._since < 0:
            self._since = now
        return now - self._since

    def look(self) -> None:
        """Notify the listeners: the driver has waited, and nothing can run."""
        seconds = self._lasts()
        if self._waiters:
            self._tell_waiters(seconds)
        elif not self._timers.is_empty():
            if self._jump is not None and self.in_flight <= 0:
                self._jump_after(seconds)
        elif self._look_for_deadlock is not None and seconds >= self._patience >= 0:
            self._patience = self._look_for_deadlock()

    def end(self) -> None:
        """End the idle time, because something happens."""
        self._since = -1.0
        if self._look_for_deadlock is not None:
            self._patience = FIRST_PATIENCE

    def _jump_after(self, seconds: float) -> None:
        """Make time jump to the next deadline, if it was idle for long enough."""
        deadline = self._timers.next_deadline()
        if seconds >= self._clock.wait_time(deadline):
            self._since = -1.0
            self._jump(deadline)

    def _tell_waiters(self, seconds: float) -> None:
        """Notify the waiters whose time of idleness has passed."""
        shortest = min(entry[0] for entry in self._waiters)
        if seconds < shortest:
            return
        told = [waiter for wanted, waiter in self._waiters if wanted == shortest]
        self._waiters = [entry for entry in self._waiters if entry[0] != shortest]
        self._since = -1.0
        for waiter in told:
            waiter._ready()


final(Idle, "(clock, timers)")
