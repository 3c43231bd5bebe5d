"""The three routes by which a file is read or written, and which of them there are here.

What is in the page cache is read at once, on the spot. What has to wait for a disk
goes through io_uring, where it can be set up, and else through a worker thread. The
result is the same; how often each was used is counted, for `build_info`.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, NamedTuple

from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.drivers.uring import Ring
from giambio.kernel.callback import Callback
from giambio.kernel.kernel import Kernel

__all__ = ["Counts", "FileRoute", "Switch", "counts", "ring_of", "routes", "switch"]

#: Reasons for having no io_uring that may be gone at the next attempt.
PASSING = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)


class FileRoute(NamedTuple):
    """A way to the data of a file, as `build_info` tells of it.

    Attributes:
        name: "page cache", "io_uring" or "worker threads".
        problem: why it cannot be used here; "" if it can.
        reads: how many reads it has served in this process.
        others: how many other requests: opening, writing, asking for the size...

    Example:
        >>> import giambio
        >>> [route.name for route in giambio.build_info().files]
        ['page cache', 'io_uring', 'worker threads']
    """

    name: str
    problem: str
    reads: int
    others: int


class Counts:
    """How often each route was used."""

    __slots__ = (
        "cached_others",
        "cached_reads",
        "ring_others",
        "ring_reads",
        "worker_others",
        "worker_reads",
    )

    def __init__(self) -> None:
        self.cached_reads = 0
        self.cached_others = 0
        self.ring_reads = 0
        self.ring_others = 0
        self.worker_reads = 0
        self.worker_others = 0


class Switch:
    """Which routes may be used by the files that are opened from now on; for the tests."""

    __slots__ = ("io_uring", "page_cache")

    def __init__(self) -> None:
        self.page_cache = True
        self.io_uring = True


counts = Counts()
switch = Switch()

#: Why no ring can be set up in this process; "" as far as is known.
ring_problem = ""


class LoopRing:
    """The ring of one loop: set up when it is first needed, gone when the loop ends."""

    __slots__ = ("_driver", "_ring", "_source")

    def __init__(self) -> None:
        self._ring: Any = None
        self._driver: Any = None
        self._source: Source | None = None

    def get(self, kernel: Kernel) -> Any:
        """The ring, if there can be one."""
        if self._ring is None and not ring_problem:
            self._set_up(kernel._driver)
        return self._ring

    def _set_up(self, driver: Any) -> None:
        ring = new_ring()
        if ring is None:
            return
        source = Source(ring.event_fd)
        source.reader = Callback(self._completed)
        try:
            driver.arm(source, interest.READING)
        except BaseException:
            ring.close()
            raise
        self._ring = ring
        self._driver = driver
        self._source = source

    def _completed(self) -> None:
        """The eventfd says so. It is read before the ring, so that nothing is missed."""
        ring = self._ring
        if ring is not None:
            ring.drain_event()
            self._driver.arm(self._source, interest.READING)
            ring.reap()

    def loop_ended(self, forked: bool) -> None:
        """The loop has ended, or this is a forked child, which leaves all to its parent."""
        ring = self._ring
        if ring is not None:
            self._ring = None
            if not forked:
                self._driver.forget(self._source)
            self._driver = self._source = None
            ring.close()


def new_ring() -> Any:
    """A new ring, or None if there can be none."""
    global ring_problem
    try:
        return Ring()
    except OSError as exc:
        if exc.errno not in PASSING:
            ring_problem = exc.strerror or str(exc)
        return None


def ring_of(kernel: Kernel) -> Any:
    """The ring of a loop; None if it has to do without."""
    service = kernel._services.get("io_uring")
    if service is None:
        service = kernel._services["io_uring"] = LoopRing()
    return service.get(kernel)


def routes() -> tuple[FileRoute, ...]:
    """What `build_info` tells of files."""
    if not ring_problem:
        ring = new_ring()
        if ring is not None:
            ring.close()
    cache_problem = ""
    if sys.platform != "linux" or not hasattr(os, "preadv"):
        cache_problem = "this system cannot tell what is in the page cache"
    return (
        FileRoute("page cache", cache_problem, counts.cached_reads, counts.cached_others),
        FileRoute("io_uring", ring_problem, counts.ring_reads, counts.ring_others),
        FileRoute("worker threads", "", counts.worker_reads, counts.worker_others),
    )
