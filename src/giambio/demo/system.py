"""Limits and figures of the system: descriptors, loopback addresses, memory.

Ten thousand connections are more than many systems grant a process by default.
So the demo raises the limit, and names it when that fails.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["describe", "local_addresses", "memory_in_use", "raise_descriptor_limit"]

#: The descriptors that a process needs besides its connections.
SPARE = 64


def raise_descriptor_limit(connections: int) -> None:
    """Raise the limit of descriptors for a number of connections, as far as allowed.

    Any process may raise the soft limit up to the hard one, only root the hard one.
    No exception is raised here: a limit that is too low will show.
    """
    if resource is None:
        return
    needed = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    enough = hard == resource.RLIM_INFINITY or hard >= needed
    for limits in [(needed, hard if enough else needed), (hard, hard)]:
        with suppress(OSError, ValueError):  # not allowed to; take what there is
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return


def describe(exc: OSError, side: str) -> str:
    """Return a text that names the limit behind an error, with its numbers.

    Parameters:
        exc: the error of a socket operation.
        side: the process it happened in, such as ``"the server"``.
    """
    if exc.errno == errno.EMFILE:
        if resource is None:
            return f"{side} ran out of descriptors"
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return (
            f"{side} ran out of descriptors: RLIMIT_NOFILE is {soft} (hard limit {hard}); "
            "raise it with `ulimit -n`, or ask for fewer --connections"
        )
    if exc.errno == errno.ENFILE:
        return f"{side} ran into the descriptor limit of the whole system (fs.file-max)"
    if exc.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):
        return f"{side} ran out of local ports: {exc}"
    return f"{side} got {type(exc).__name__}: {exc}"


def local_addresses(first: int, count: int) -> list[str]:
    """Return usable loopback addresses: 127.0.0.first and the following ones.

    Linux has all of 127.0.0.0/8, macOS only 127.0.0.1. So there may be fewer than
    `count`, but always one.
    """
    candidates = [f"127.0.0.{number}" for number in range(first, first + count)]
    return [address for address in candidates if can_bind(address)] or ["127.0.0.1"]


def can_bind(address: str) -> bool:
    """Whether an address belongs to this machine."""
    with socket.socket() as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True


def memory_in_use() -> int | None:
    """Return the memory of this process in bytes, or None where that is unknown.

    On Linux the memory in use now, on other Unixes the maximum so far.
    """
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
