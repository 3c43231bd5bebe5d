"""How long to wait when nothing can run, and what is done when nothing happens then.

An ordinary clock is waited for until the next deadline. But there are those who want to
know that the driver has waited in vain: a virtual clock, which jumps to that deadline;
`wait_all_tasks_blocked`, which goes on; and whoever looks for a deadlock. Each of them
wants it to be quiet for a while first, in real seconds.
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
    """How long one kernel waits when nothing can run, and what it does when nothing comes."""

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
        # How many jobs a thread or the system does, which somebody waits for and which
        # will soon be done: time does not jump meanwhile.
        self.in_flight = 0
        # Those to be told when nothing has happened for so many seconds.
        self._waiters: list[tuple[float, Any]] = []
        # Who looks for a deadlock, and after how many seconds; below zero: not now.
        self._look_for_deadlock: Callable[[], float] | None = None
        self._patience = -1.0
        # Since when nothing has happened; below zero: something has.
        self._since = -1.0

    # -- who wants to know -------------------------------------------------------

    def time_jumps(self) -> bool:
        """Tell whether the clock is a virtual one, whose seconds are no real ones."""
        return self._jump is not None

    def add_waiter(self, seconds: float, waiter: Any) -> None:
        """Have a waiter told, once, when nothing has happened for so many real seconds.

        Of several, those are told that ask for the shortest time; then it begins anew.
        """
        self._waiters.append((seconds, waiter))
        self._since = -1.0

    def remove_waiter(self, waiter: Any) -> None:
        """Undo `add_waiter`; harmless if it was told."""
        self._waiters = [entry for entry in self._waiters if entry[1] is not waiter]

    def watch_for_deadlock(self, look: Callable[[], float] | None) -> None:
        """Have `look` asked when nothing has happened for a while, and no timer will.

        Parameters:
            look: it says after how many seconds to ask again; below zero: not before
                something happens. None to ask nobody.
        """
        self._look_for_deadlock = look
        self._patience = -1.0 if look is None else FIRST_PATIENCE

    def is_watched(self) -> bool:
        """Tell whether anybody wants to know that nothing happens."""
        return (
            self._look_for_deadlock is not None or self._jump is not None or len(self._waiters) != 0
        )

    def forget(self) -> None:
        """The loop ends: nobody waits any more, and no job is ours. Who looks remains."""
        self._waiters = []
        self.in_flight = 0

    # -- waiting -----------------------------------------------------------------

    def timeout(self) -> float:
        """How long the driver may wait if nothing can run; below zero: for ever."""
        timeout: float = -1.0
        if self._timers.is_empty():
            timeout = self._patience
        elif self._jump is None:
            timeout = self._clock.wait_time(self._timers.next_deadline())
        elif not self._waiters and self.in_flight <= 0:  # they are told first
            timeout = self._rest_of(self._clock.wait_time(self._timers.next_deadline()))
        if self._waiters:
            shortest: float = self._rest_of(min(entry[0] for entry in self._waiters))
            if timeout < 0 or timeout > shortest:
                return shortest
        return timeout

    def _rest_of(self, seconds: float) -> float:
        """How much is left of so many seconds of quiet; below zero: it never ends."""
        if seconds == inf:
            return -1.0
        return max(0.0, seconds - self._lasts())

    def _lasts(self) -> float:
        """For how many seconds it has been quiet; it begins now, if it has not yet."""
        now = monotonic()
        if self._since < 0:
            self._since = now
        return now - self._since

    def look(self) -> None:
        """The driver has waited, and nothing can run: tell those who want to know."""
        seconds = self._lasts()
        if self._waiters:
            self._tell_waiters(seconds)
        elif not self._timers.is_empty():
            if self._jump is not None and self.in_flight <= 0:
                self._jump_after(seconds)
        elif self._look_for_deadlock is not None and seconds >= self._patience >= 0:
            self._patience = self._look_for_deadlock()

    def end(self) -> None:
        """Something happens, so it is quiet no more."""
        self._since = -1.0
        if self._look_for_deadlock is not None:
            self._patience = FIRST_PATIENCE

    def _jump_after(self, seconds: float) -> None:
        """Have time jump to the next deadline, if it was quiet for long enough."""
        deadline = self._timers.next_deadline()
        if seconds >= self._clock.wait_time(deadline):
            self._since = -1.0
            self._jump(deadline)

    def _tell_waiters(self, seconds: float) -> None:
        """Tell those who have waited long enough for nothing to happen."""
        shortest = min(entry[0] for entry in self._waiters)
        if seconds < shortest:
            return
        told = [waiter for wanted, waiter in self._waiters if wanted == shortest]
        self._waiters = [entry for entry in self._waiters if entry[0] != shortest]
        self._since = -1.0
        for waiter in told:
            waiter._ready()


final(Idle, "(clock, timers)")
