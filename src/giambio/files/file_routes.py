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

__all__ = ["OTHERS", "READS", "FileRoute", "counts", "ring_of", "routes", "switch"]

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


READS, OTHERS = 0, 1
#: Number of reads and of other calls by each route.
counts = {"page cache": [0, 0], "io_uring": [0, 0], "worker threads": [0, 0]}
#: Routes that may be used; for the tests.
switch = SimpleNamespace(page_cache=True, io_uring=True)

#: Why io_uring is unavailable in this process; "" as far as is known.
ring_problem = ""


class LoopRing:
    """The io_uring of one loop: set up on first use, closed when the loop ends."""

    __slots__ = ("_driver", "_source", "ring")

    def __init__(self, driver: Any, ring: Any) -> None:
        self.ring = ring
        self._driver = driver
        self._source = Source(ring.event_fd)
        self._source.reader = Callback(self._completed)
        driver.arm(self._source, interest.READING)

    def _completed(self) -> None:
        """Handle completions. The eventfd is drained before the ring, so that none is missed."""
        if self.ring is not None:
            self.ring.drain_event()
            self._driver.arm(self._source, interest.READING)
            self.ring.reap()

    def loop_ended(self, forked: bool) -> None:
        """Close the ring; a forked child leaves the driver to its parent."""
        ring, self.ring = self.ring, None
        if ring is not None:
            if not forked:
                self._driver.forget(self._source)
            self._driver = self._source.reader = None
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
    if not switch.io_uring:
        return None
    service = kernel._services.get("io_uring")
    if service is None or service.ring is None:
        ring = None if ring_problem else new_ring()
        if ring is None:
            return None
        try:
            service = LoopRing(kernel._driver, ring)
        except BaseException:
            ring.close()
            raise
        kernel._services["io_uring"] = service
    return service.ring


def routes() -> tuple[FileRoute, ...]:
    """The routes, for `build_info`."""
    if not ring_problem:
        ring = new_ring()
        if ring is not None:
            ring.close()
    cache_problem = ""
    if sys.platform != "linux" or not hasattr(os, "preadv"):
        cache_problem = "this system cannot tell what is in the page cache"
    problems = {"page cache": cache_problem, "io_uring": ring_problem, "worker threads": ""}
    return tuple(FileRoute(name, problem, *counts[name]) for name, problem in problems.items())
