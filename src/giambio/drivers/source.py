"""The interface between a driver and its users: the cached readiness of one descriptor.

Readiness belongs to the object that uses the descriptor and never to the
descriptor's number, which the system reuses at once. So each user has a
`Source`; the driver keeps its `fd`, and reports to it.
"""

from __future__ import annotations

__all__ = ["Source", "Waiter"]


class Waiter:
    """Interface for objects notified when an event that they await occurs.

    It is all that a driver or a timer knows of the world above it.
    """

    __slots__ = ()

    def _ready(self) -> None:
        """Note the event; called by a driver or the timers. A hint: it may come too often."""
        raise NotImplementedError


class Source:
    """The readiness of one descriptor, as far as it is known.

    `readable` and `writable` are hints that say "try": they begin as true and
    only the user of the descriptor clears them, when the system answered
    `EAGAIN`. `sticky` says that the descriptor reported an end, an error or
    urgent data: from then on a short read proves nothing.
    """

    __slots__ = (
        "armed",
        "fd",
        "generation",
        "readable",
        "reader",
        "slot",
        "sticky",
        "writable",
        "writer",
    )

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.readable = True
        self.writable = True
        self.sticky = False
        self.reader: Waiter | None = None
        self.writer: Waiter | None = None
        # The rest is the driver's: where this source stands in its tables, and for which
        # directions it is to report, so that it need not be asked again.
        self.slot = -1
        self.generation = 0
        self.armed = 0

    def report(self, readable: bool, writable: bool, sticky: bool) -> None:
        """Note an event, and notify the waiters."""
        if sticky:
            self.sticky = True
        if readable:
            self.readable = True
            if self.reader is not None:
                self.reader._ready()
        if writable:
            self.writable = True
            if self.writer is not None:
                self.writer._ready()
