"""Level checks of foreign descriptors, for the epoll driver.

An epoll instance knows a descriptor once, so a program's `wait_readable(fd)`
would clash with the registration of an `AsyncSocket` on the same descriptor.
Watches therefore live in a second, level-triggered instance, which is itself a
descriptor and so one more `Source` of the first.
"""

from __future__ import annotations

import select

from giambio.drivers import interest
from giambio.drivers.source import Source, Waiter

__all__ = ["FdWatches"]

EPOLL_BITS = {
    interest.READING: select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLPRI,
    interest.WRITING: select.EPOLLOUT,
}
MOST_EVENTS = 1024
READABLE = EPOLL_BITS[interest.READING] | select.EPOLLHUP | select.EPOLLERR
WRITABLE = EPOLL_BITS[interest.WRITING] | select.EPOLLHUP | select.EPOLLERR


class FdWatches(Waiter):
    """One-shot watches in an epoll instance of their own."""

    __slots__ = ("_epoll", "_watches", "source")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        # fd -> [the waiter for reading, the waiter for writing]
        self._watches: dict[int, list[Waiter | None]] = {}
        self.source = Source(self._epoll.fileno())
        self.source.reader = self

    def watch(self, fd: int, direction: int, waiter: Waiter) -> bool:
        """See `Driver.watch`."""
        known = fd in self._watches
        waiters = self._watches.setdefault(fd, [None, None])
        waiters[direction - 1] = waiter
        try:
            if known:
                self._modify(fd, waiters)
            else:
                self._epoll.register(fd, mask(waiters))
        except PermissionError:  # a file on disk: always ready, says poll(2)
            del self._watches[fd]
            return False
        except BaseException:
            self._watches.pop(fd, None)
            raise
        return True

    def unwatch(self, fd: int, direction: int) -> None:
        """See `Driver.unwatch`."""
        waiters = self._watches.get(fd)
        if waiters is not None:
            waiters[direction - 1] = None
            self._modify(fd, waiters)

    def watcher(self, fd: int, direction: int) -> Waiter | None:
        """See `Driver.watcher`."""
        waiters = self._watches.get(fd)
        return None if waiters is None else waiters[direction - 1]

    def watching(self) -> bool:
        """Return whether anybody waits."""
        return bool(self._watches)

    def _ready(self) -> None:
        """The outer instance says that a descriptor of this one is ready."""
        while True:
            events = self._epoll.poll(0, MOST_EVENTS)
            self._dispatch(events)
            # The outer instance reports an edge, so nothing may be left for later.
            if len(events) < MOST_EVENTS:
                return

    def close(self) -> None:
        """Release the descriptor."""
        self._watches.clear()
        self._epoll.close()

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        for fd, happened in events:
            waiters = self._watches.get(fd)
            if waiters is None:
                continue
            fired = []
            for direction, bits in ((interest.READING, READABLE), (interest.WRITING, WRITABLE)):
                waiter = waiters[direction - 1]
                if happened & bits and waiter is not None:
                    waiters[direction - 1] = None
                    fired.append(waiter)
            self._modify(fd, waiters)
            for waiter in fired:
                waiter._ready()

    def _modify(self, fd: int, waiters: list[Waiter | None]) -> None:
        """Bring the system's registration in line with the waiters that are left."""
        wanted = mask(waiters)
        try:
            if wanted:
                self._epoll.modify(fd, wanted)
            else:
                del self._watches[fd]
                self._epoll.unregister(fd)
        except FileNotFoundError:
            # The descriptor was closed and its number used again: epoll has
            # forgotten the old one by itself and has not met the new one.
            if wanted:
                self._epoll.register(fd, wanted)
        except OSError:
            # Closed, and not used again: nothing is left to unregister.
            if wanted:
                raise


def mask(waiters: list[Waiter | None]) -> int:
    """Return the epoll events that these waiters want."""
    reader, writer = waiters
    return (EPOLL_BITS[interest.READING] if reader is not None else 0) | (
        EPOLL_BITS[interest.WRITING] if writer is not None else 0
    )
