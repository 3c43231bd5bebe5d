"""The driver of a simulation: it keeps apart the descriptors that are simulated and the real ones.

A simulated descriptor is a number that the system never gives, and its socket reports to its
`Source` itself. The others go to a real driver, which is asked only now and then while there is
simulated work: only what comes from outside the simulation can be there.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from math import inf

from giambio import drivers
from giambio.drivers import interest
from giambio.drivers.driver import Driver
from giambio.drivers.source import Source, Waiter
from giambio.kernel.callbacks import Callback
from giambio.net.socket_calls import FIRST_VIRTUAL
from giambio.testing.simulation.sockets import SimulatedSocket
from giambio.testing.simulation.tcp import system_error

__all__ = ["SimulatedDriver"]

#: The real driver is asked in one of so many turns.
SELDOM = 64


class SimulatedDriver(Driver):
    """A driver for the sockets of a simulation.

    Parameters:
        stalled: called when every task waits, and nothing is under way. It returns False if
            something real is waited for.
        now: the clock.
        limit: a time of it.
        too_late: called once when that has passed.
    """

    name = "simulated"

    def __init__(
        self,
        stalled: Callable[[], bool],
        now: Callable[[], float],
        limit: float,
        too_late: Callable[[], object],
    ) -> None:
        #: The simulated sockets by their descriptors.
        self.sockets: dict[int, SimulatedSocket] = {}
        self._stalled = stalled
        self._now = now
        self._limit = limit
        self._too_late = too_late
        self._real = drivers.create()
        self._turns = 0
        self._watches: dict[tuple[int, int], Waiter] = {}
        # What of the real driver's was watched, and may still be.
        self._outside: set[tuple[int, int]] = set()
        self._armed_outside: set[Source] = set()

    def arm(self, source: Source, direction: int) -> None:
        """See `Driver.arm`."""
        if source.fd < FIRST_VIRTUAL:
            self._real.arm(source, direction)
            if not isinstance(source.reader, Callback):  # the loop's own wakeup
                self._armed_outside.add(source)
        else:
            source.armed |= direction
            sock = self._socket(source.fd)
            sock.source = source
            sock.tell()  # what has happened before

    def forget(self, source: Source) -> None:
        """See `Driver.forget`."""
        if source.fd < FIRST_VIRTUAL:
            self._real.forget(source)
            self._armed_outside.discard(source)
        else:
            source.armed = 0
            sock = self.sockets.get(source.fd)
            if sock is not None:
                sock.source = None

    def watch(self, fd: int, direction: int, waiter: Waiter) -> bool:
        """See `Driver.watch`."""
        if fd < FIRST_VIRTUAL:
            self._outside.add((fd, direction))
            return self._real.watch(fd, direction, waiter)
        sock = self._socket(fd)
        self._watches[fd, direction] = waiter
        sock.on_event = self._look
        sock.tell()
        return True

    def _socket(self, fd: int) -> SimulatedSocket:
        """Return the socket that has a descriptor.

        Raises:
            OSError: none has it any more: its host has crashed.
        """
        sock = self.sockets.get(fd)
        if sock is None:
            raise system_error(errno.ENETDOWN)
        return sock

    def _look(self, fd: int, readable: bool, writable: bool) -> None:
        """Notify who watches a socket, if it is ready."""
        ready = {interest.READING: readable, interest.WRITING: writable}
        for direction, is_ready in ready.items():
            if is_ready and (waiter := self._watches.pop((fd, direction), None)) is not None:
                notify(fd, waiter)

    def unwatch(self, fd: int, direction: int) -> None:
        """See `Driver.unwatch`."""
        if fd < FIRST_VIRTUAL:
            self._real.unwatch(fd, direction)
        else:
            self._watches.pop((fd, direction), None)

    def watcher(self, fd: int, direction: int) -> Waiter | None:
        """See `Driver.watcher`."""
        if fd < FIRST_VIRTUAL:
            return self._real.watcher(fd, direction)
        return self._watches.get((fd, direction))

    def wait(self, timeout: float) -> None:
        """See `Driver.wait`."""
        if self._now() > self._limit:
            self._limit = inf
            self._too_late()
        watches = self._watches_outside()
        if timeout < 0 and not watches and self._stalled():
            timeout = 0.0
        self._turns += 1
        if timeout or watches or not self._turns % SELDOM:
            self._real.wait(timeout)

    def _watches_outside(self) -> bool:
        """Whether a task waits for a real descriptor."""
        if self._outside:
            self._outside = {key for key in self._outside if self._real.watcher(*key) is not None}
        return bool(self._outside) or any(
            source.reader is not None or source.writer is not None for source in self._armed_outside
        )

    def deliver(self) -> None:
        """See `Driver.deliver`."""
        self._real.deliver()

    def close(self, forked: bool = False) -> None:
        """See `Driver.close`."""
        self._real.close(forked)


def notify(fd: int, waiter: Waiter) -> None:
    """Notify a waiter; only a `Source` can call one that is compiled."""
    source = Source(fd)
    source.reader = waiter
    source.report(True, False, False)
