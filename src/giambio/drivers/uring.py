"""io_uring, for files: what `uring.pyx` does natively is not to be had in Python.

The pure build reads what is in the page cache with `preadv`, and leaves the rest
to worker threads. So here is only what says so.
"""

from __future__ import annotations

import errno

__all__ = ["Request", "Ring"]


class Request:
    """Something that the system was asked to do: never, in this build."""

    __slots__ = ()


class Ring:
    """A pair of queues shared with the system; there is none in this build.

    Raises:
        OSError: always.
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise OSError(errno.ENOSYS, "the pure build does not use it")
