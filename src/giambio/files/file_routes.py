"""The three routes to the data of a file, and which of them are available.

Data in the page cache is read on the spot. A call that has to wait for a disk uses
io_uring where available, and a worker thread otherwise. The result is the same; the use
of each route is counted, for `build_info`.
"""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.drivers.uring import Ring
from giambio.kernel.callbacks import Callback
from giambio.kernel.kernel import Kernel

__all__ = ["Counts", "FileRoute", "counts", "ring_of", "routes", "switch"]

#: Errors of setting up io_uring that may be gone at the next attempt.
PASSING = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)


class FileRoute(NamedTuple):
    """A route to the data of a file, as reported by `build_info`.

    Attributes:
        name: "page cache", "io_uring" or "worker threads".
        problem: why it is unavailable; "" if it is available.
        reads: number of reads in this process.
        others: number of other calls: opening, writing, asking for the size...

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
    """Number of uses of each route."""

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


counts = Counts()
#: Routes that files opened from now on may use; for the tests.
switch = SimpleNamespace(page_cache=True, io_uring=True)

#: Why io_uring is unavailable in this process; "" as far as is known.
ring_problem = ""


class LoopRing:
    """The io_uring of one loop: set up on first use, closed when the loop ends."""

    __slots__ = ("_driver", "_ring", "_source")

    def __init__(self) -> None:
        self._ring: Any = None
        self._driver: Any = None
        self._source: Source | None = None

    def get(self, kernel: Kernel) -> Any:
        """Return the ring; None if io_uring is unavailable."""
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
        """Handle completions. The eventfd is drained before the ring, so that none is missed."""
        ring = self._ring
        if ring is not None:
            ring.drain_event()
            self._driver.arm(self._source, interest.READING)
            ring.reap()

    def loop_ended(self, forked: bool) -> None:
        """Close the ring; a forked child leaves the driver to its parent."""
        ring = self._ring
        if ring is not None:
            self._ring = None
            if not forked:
                self._driver.forget(self._source)
            self._driver = self._source = None
            ring.close()


def new_ring() -> Any:
    """Set up a ring; None if io_uring is unavailable."""
    global ring_problem
    try:
        return Ring()
    except OSError as exc:
        if exc.errno not in PASSING:
            ring_problem = exc.strerror or str(exc)
        return None


def ring_of(kernel: Kernel) -> Any:
    """Return the ring of a loop; None if io_uring is unavailable."""
    service = kernel._services.get("io_uring")
    if service is None:
        service = kernel._services["io_uring"] = LoopRing()
    return service.get(kernel)


def routes() -> tuple[FileRoute, ...]:
    """The routes, for `build_info`."""
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
