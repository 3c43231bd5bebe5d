"""The names of Unix sockets: files of the host, or names in Linux's abstract name space.

A file that a simulated socket is bound to is a real one, and of the kind of a socket, so that a
program finds it, changes its permissions and removes it as usual. As on Linux, it is the file
that the socket is bound to, and not the path: after it was renamed it is found under the new one.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from giambio.testing.simulation.tcp import system_error

__all__ = ["full_name", "made", "sought"]

#: The most bytes that a path may have.
LONGEST = 107


def full_name(address: Any) -> str | bytes:
    """Return a name as `socket.getsockname` tells it: text, or bytes if it is abstract.

    Raises:
        TypeError: it is none.
        OSError: it is too long.
    """
    name = os.fsencode(address)
    if len(name) > LONGEST:
        raise OSError("AF_UNIX path too long")
    return name if name.startswith(b"\0") else os.fsdecode(name)


def made(name: str | bytes) -> Any:
    """Make the file of a name; return what stands for it.

    Raises:
        OSError: there is such a file, or it cannot be made.
    """
    if isinstance(name, bytes):
        return name
    try:
        os.mknod(name, 0o777 | stat.S_IFSOCK)
    except FileExistsError:
        raise system_error(errno.EADDRINUSE) from None
    return sought(name)


def sought(name: str | bytes) -> Any:
    """Return what stands for a name.

    Raises:
        OSError: there is no such file, or it is of another kind.
    """
    if isinstance(name, bytes):
        return name
    status = os.stat(name)
    if not stat.S_ISSOCK(status.st_mode):
        raise system_error(errno.ECONNREFUSED)
    if not os.access(name, os.W_OK):
        raise system_error(errno.EACCES)
    return status.st_dev, status.st_ino
