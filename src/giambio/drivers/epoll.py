"""The driver for Linux: edge-triggered epoll, each socket registered once.

A socket is registered at its first `EAGAIN`, for everything, and never again:
the system reports edges, the `Source` remembers them, and a busy connection
costs no further `epoll_ctl`.

This is the Python twin of `epoll.pyx`. It finds sources by descriptor, where
the native one carries a generation in its events; a source that was
registered after `wait` is told apart by the number of that wait.
"""

from __future__ import annotations

import math
import select

from giambio.drivers import interest
from giambio.drivers.driver import Driver
from giambio.drivers.fd_watches import FdWatches
from giambio.drivers.source import Source, Waiter

__all__ = ["EpollDriver"]

STICKY = select.EPOLLRDHUP | select.EPOLLPRI | select.EPOLLERR | select.EPOLLHUP
READABLE = select.EPOLLIN | STICKY
WRITABLE = select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP
INTEREST = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLPRI | select.EPOLLET
LONGEST_WAIT = 86_400.0


class EpollDriver(Driver):
    """Readiness by edge-triggered epoll."""

    __slots__ = ("_epoll", "_events", "_levels", "_sources", "_waits")

    name = "epoll"

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._events: list[tuple[int, int]] = []
        self._waits = 0
        # From the start: a program finds no descriptor beside its own that a watch has opened.
        self._levels = FdWatches()
        self.arm(self._levels.source, interest.READING)

    def arm(self, source: Source, direction: int) -> None:
        """See `Driver.arm`: the first time registers for good."""
        if source.slot >= 0:
            return
        try:
            self._epoll.register(source.fd, INTEREST)
        except FileExistsError:
            raise OSError(
                f"descriptor {source.fd} is already registered by another socket object"
            ) from None
        older = self._sources.get(source.fd)
        if older is not None:  # closed behind our back, and the number is used again
            older.slot = -1
            older.armed = 0
        source.slot = source.fd
        source.armed = interest.READING | interest.WRITING
        source.generation = self._waits
        self._sources[source.fd] = source

    def forget(self, source: Source) -> None:
        """See `Driver.forget`."""
        if source.slot >= 0:
            source.slot = -1
            source.armed = 0
            del self._sources[source.fd]
            try:
                self._epoll.unregister(source.fd)
            except OSError:
                pass  # closed behind our back: epoll has forgotten it by itself

    def watch(self, fd: int, direction: int, waiter: Waiter) -> bool:
        """See `Driver.watch`."""
        return self._levels.watch(fd, direction, waiter)

    def unwatch(self, fd: int, direction: int) -> None:
        """See `Driver.unwatch`."""
        self._levels.unwatch(fd, direction)

    def watcher(self, fd: int, direction: int) -> Waiter | None:
        """See `Driver.watcher`."""
        return self._levels.watcher(fd, direction)

    def wait(self, timeout: float) -> None:
        """See `Driver.wait`."""
        if self._events:
            return  # a signal came in between; an edge that is lost never comes back
        if timeout > 0:  # round up: waking early would spin until the deadline
            timeout = math.ceil(min(timeout, LONGEST_WAIT) * 1000) / 1000
        self._events = self._epoll.poll(timeout if timeout >= 0 else None)
        self._waits += 1  # a source that is registered from here on is younger than these events

    def deliver(self) -> None:
        """See `Driver.deliver`."""
        events = self._events
        self._events = []
        if self._levels.watching():
            # The watchers of a descriptor are notified before a receive on it takes the data.
            first = self._levels.source.fd
            events.sort(key=lambda event: event[0] != first)
        for fd, happened in events:
            source = self._sources.get(fd)
            if source is None or source.generation == self._waits:
                continue  # forgotten since `wait`; the number may be another's now
            source.report(
                bool(happened & READABLE), bool(happened & WRITABLE), bool(happened & STICKY)
            )

    def close(self, forked: bool = False) -> None:
        """See `Driver.close`."""
        self._levels.close()
        for source in self._sources.values():
            source.slot = -1
            source.armed = 0
        self._sources.clear()
        self._events = []
        self._epoll.close()
