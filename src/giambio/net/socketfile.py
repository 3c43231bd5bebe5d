"""The file of a Unix socket, which the system makes and leaves for others to remove."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

__all__ = ["SocketFile", "bind_to_path"]


class SocketFile:
    """The file that a socket is bound to, to be removed when the socket is closed.

    Somebody else may have put another file in its place in the meantime: that
    one stays.
    """

    __slots__ = ("_identity", "_path")

    def __init__(self, path: str | bytes) -> None:
        # The directory may be changed before the file is removed.
        self._path = os.path.abspath(path)
        self._identity = identity(path)

    def remove(self) -> None:
        """Remove the file, if it is still the same."""
        with suppress(OSError):
            if identity(self._path) == self._identity:
                os.unlink(self._path)


def identity(path: str | bytes) -> tuple[int, int]:
    """What tells a file from another one of the same name."""
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def bind_to_path(sock: socket.socket, path: str | bytes) -> None:
    """Bind a Unix socket; a file that a dead server has left behind gives way.

    Raises:
        OSError: a server is listening there, the file is no socket, or the
            directory does not allow it. The message names the path.
    """
    try:
        try:
            sock.bind(path)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or not is_left_behind(path):
                raise
            os.unlink(path)
            sock.bind(path)
    except OSError as exc:
        if exc.errno is None:  # Python's own: the path is too long
            raise
        raise OSError(exc.errno, f"{exc.strerror}: {path!r}") from None


def is_left_behind(path: str | bytes) -> bool:
    """Tell whether a file is a socket that nobody listens on."""
    if is_abstract(path) or not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def is_abstract(path: str | bytes) -> bool:
    """Tell whether a path is a name in Linux's abstract name space, which has no files."""
    return path[:1] in ("\0", b"\0")
