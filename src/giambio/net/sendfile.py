"""The system call `sendfile`: the kernel moves a file's data to a socket, and nobody copies it.

It waits for a disk, and would hold up the loop, where the data is not in the page cache. So it is
only asked for what is there; the rest is for the caller to read.
"""

from __future__ import annotations

import os

from giambio.drivers import interest
from giambio.net import syscalls
from giambio.net.basesocket import BaseSocket
from giambio.net.socket_operations import SocketOperation, error_numbers
from giambio.streams import guard

__all__ = ["SENDFILE_PIECE", "SendFile", "break_off"]

#: How much is asked for at once, in bytes: the end of so much is looked for in the page cache.
SENDFILE_PIECE = 262144

#: Errors that say that it cannot be done with this file, or on this system.
UNSUPPORTED = error_numbers("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EOVERFLOW")

RWF_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class SendFile(SocketOperation):
    """Sends what is in the page cache of a part of a file; its result is the number of bytes."""

    __slots__ = ("_begin", "_end", "_file", "_offset")

    what = "send_file()"

    def __init__(self, sock: BaseSocket, file: int, begin: int, end: int) -> None:
        self.begin(sock)
        self._file = file
        self._begin = self._offset = begin
        self._end = end

    def attempt(self) -> bool:
        """Send until all is sent, there is no room, or the disk would have to be waited for."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            if self._offset == self._begin:
                self.vacate()
                return self.fail(guard.half_sent_error("socket"))
            sock._send_broken = False  # our own interruption was taken back: go on
        while self._offset < self._end and source.writable:
            size = min(SENDFILE_PIECE, self._end - self._offset)
            if not is_cached(self._file, self._offset + size - 1):
                self._end = self._offset
                break
            try:
                count = os.sendfile(sock._sock.fileno(), self._file, self._offset, size)
            except BlockingIOError:
                source.writable = False
                break
            except OSError as exc:
                if exc.errno not in UNSUPPORTED:
                    self.abort()
                    return self.broken(exc.with_traceback(None))
                count = 0
            except BaseException:  # a signal handler's
                self.abort()
                raise
            if not count:  # or the file has become shorter
                self._end = self._offset
                break
            self._offset += count
            if self.spend(count >> syscalls.LARGE_SHIFT) and self._offset < self._end:
                self.give_way()
                return False
        if self._offset < self._end:
            sock._wait(source, interest.WRITING)
            return False
        source.writer = None
        self.result = self._offset - self._begin
        return True

    def abort(self) -> bool:
        """If a part was sent, nothing sensible can follow it."""
        if self._offset > self._begin:
            self._socket._send_broken = True
        self.vacate()
        return True


def break_off(sock: BaseSocket) -> None:
    """Note that something on the socket was sent in part."""
    sock._send_broken = True


def is_cached(file: int, offset: int) -> bool:
    """Return whether a byte of a file is in the page cache; True where the system cannot tell."""
    if not RWF_NOWAIT:
        return True
    try:
        os.preadv(file, [bytearray(1)], offset, RWF_NOWAIT)
    except OSError:
        return False
    return True
