"""io_uring, for files: the Python twin of `uring.pyx`, which Python cannot do.

The pure build reads data in the page cache with `preadv`, and leaves the rest
to worker threads. So here is only the error that says so.
"""

from __future__ import annotations

import errno

__all__ = ["Request", "Ring"]


class Request:
    """A request to the system: never made, in this build."""

    __slots__ = ()


class Ring:
    """A pair of queues shared with the system; there is none in this build.

    Raises:
        OSError: always.
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise OSError(errno.ENOSYS, "the pure build does not use it")
