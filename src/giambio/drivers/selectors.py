"""The portable driver, on the standard library's `selectors`.

Selectors are level-triggered: they report a ready descriptor again and again.
A `Source` wants to be told once, so it is armed when somebody waits and
disarmed when it fired. The registration itself is changed late: a socket that
is armed again before the next wait, as a busy one is, costs no system call.
"""

from __future__ import annotations

import selectors
from typing import Any

from giambio.drivers import interest
from giambio.drivers.driver import Driver
from giambio.drivers.source import Source, Waiter

__all__ = ["SelectorsDriver"]

EVENTS = {
    0: 0,
    interest.READING: selectors.EVENT_READ,
    interest.WRITING: selectors.EVENT_WRITE,
    interest.READING | interest.WRITING: selectors.EVENT_READ | selectors.EVENT_WRITE,
}


LONGEST_WAIT = 86_400.0


class SelectorsDriver(Driver):
    """Readiness by whatever `selectors.DefaultSelector` is on this system."""

    __slots__ = ("_entries", "_events", "_selector")

    name = "selectors"

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._entries: dict[int, Entry] = {}
        self._events: list[tuple[Any, int]] = []

    def arm(self, source: Source, direction: int) -> None:
        """See `Driver.arm`."""
        entry = self._entry(source.fd)
        if entry.source is not None and entry.source is not source:
            raise OSError(f"descriptor {source.fd} is already registered by another socket object")
        entry.source = source
        source.armed |= direction
        self._enlarge(entry)

    def forget(self, source: Source) -> None:
        """See `Driver.forget`."""
        entry = self._entries.get(source.fd)
        source.armed = 0
        if entry is not None and entry.source is source:
            entry.source = None
            self._shrink(entry)

    def watch(self, fd: int, direction: int, waiter: Waiter) -> bool:
        """See `Driver.watch`."""
        entry = self._entry(fd)
        entry.watchers[direction - 1] = waiter
        try:
            self._enlarge(entry)
        except PermissionError:  # a file on disk: always ready, says poll(2)
            del self._entries[fd]
            return False
        except BaseException:
            entry.watchers[direction - 1] = None
            self._drop_if_unused(entry)
            raise
        return True

    def unwatch(self, fd: int, direction: int) -> None:
        """See `Driver.unwatch`."""
        entry = self._entries.get(fd)
        if entry is not None:
            entry.watchers[direction - 1] = None
            self._shrink(entry)

    def watcher(self, fd: int, direction: int) -> Waiter | None:
        """See `Driver.watcher`."""
        entry = self._entries.get(fd)
        return None if entry is None else entry.watchers[direction - 1]

    def wait(self, timeout: float) -> None:
        """See `Driver.wait`."""
        if self._events:
            return  # a signal came in between
        self._events = self._selector.select(None if timeout < 0 else min(timeout, LONGEST_WAIT))

    def deliver(self) -> None:
        """See `Driver.deliver`."""
        events = self._events
        self._events = []
        for key, happened in events:
            entry = self._entries.get(key.fd)
            # If a descriptor was closed since `wait`, its entry was taken away.
            if entry is key.data and entry is not None:
                self._dispatch(entry, happened)

    def close(self, forked: bool = False) -> None:
        """See `Driver.close`."""
        for entry in self._entries.values():
            if entry.source is not None:
                entry.source.armed = 0
        self._entries.clear()
        self._events = []
        self._selector.close()

    def _entry(self, fd: int) -> Entry:
        entry = self._entries.get(fd)
        if entry is None:
            entry = self._entries[fd] = Entry(fd)
        return entry

    def _dispatch(self, entry: Entry, happened: int) -> None:
        ready = (interest.READING if happened & selectors.EVENT_READ else 0) | (
            interest.WRITING if happened & selectors.EVENT_WRITE else 0
        )
        if not ready & entry.wanted():
            self._shrink(entry)  # nobody armed it again since it last fired
            return
        source = entry.source
        if source is not None and source.armed & ready:
            fired = source.armed & ready
            source.armed &= ~fired
            source.report(bool(fired & interest.READING), bool(fired & interest.WRITING), False)
        for direction in (interest.READING, interest.WRITING):
            waiter = entry.watchers[direction - 1]
            if ready & direction and waiter is not None:
                entry.watchers[direction - 1] = None
                self._shrink(entry)
                waiter._ready()

    def _enlarge(self, entry: Entry) -> None:
        """Register the directions that are wanted and not yet registered."""
        self._register(entry, entry.registered | entry.wanted())

    def _shrink(self, entry: Entry) -> None:
        """Unregister the directions that nobody wants any more."""
        wanted = entry.wanted()
        if wanted != entry.registered:
            self._register(entry, wanted)
        self._drop_if_unused(entry)

    def _register(self, entry: Entry, wanted: int) -> None:
        """Bring the selector in line with the directions that are wanted."""
        registered = entry.registered
        if wanted == registered:
            return
        entry.registered = 0
        if not wanted:
            self._selector.unregister(entry.fd)
        elif not registered:
            self._selector.register(entry.fd, EVENTS[wanted], entry)
        else:
            try:
                self._selector.modify(entry.fd, EVENTS[wanted], entry)
            except FileNotFoundError:
                # Closed behind our back, and the number is used again: the system
                # has not met the new one, and the selector has dropped the old one.
                self._selector.register(entry.fd, EVENTS[wanted], entry)
        entry.registered = wanted

    def _drop_if_unused(self, entry: Entry) -> None:
        if entry.source is None and not entry.registered:
            self._entries.pop(entry.fd, None)


class Entry:
    """The state of one descriptor in this driver."""

    __slots__ = ("fd", "registered", "source", "watchers")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.registered = 0
        self.source: Source | None = None
        self.watchers: list[Waiter | None] = [None, None]

    def wanted(self) -> int:
        """Return the directions that are waited for."""
        wanted = 0 if self.source is None else self.source.armed
        for direction in (interest.READING, interest.WRITING):
            if self.watchers[direction - 1] is not None:
                wanted |= direction
        return wanted
