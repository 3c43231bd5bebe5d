"""Passing descriptors to another process, over a Unix socket.

A descriptor travels with a byte of the stream, and arrives as a new one of the
receiver's. It must not be lost on the way, because then nothing could close it.
"""

from __future__ import annotations

import array
import errno
import os
import socket as stdlib_socket
from collections.abc import Coroutine, Iterable
from typing import Any

from giambio.arguments import FileDescriptorLike, ReadableBuffer, check_int
from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.net import socket_operations, syscalls
from giambio.net.address import UNIX
from giambio.net.socket import AsyncSocket
from giambio.net.socket_operations import ReceivingOperation, SendAll
from giambio.net.wait_fd import descriptor

__all__ = ["receive_fds", "send_fds"]

#: The most descriptors that Linux passes at once (SCM_MAX_FD).
MOST = 253
#: Linux sets close-on-exec as it receives, so a thread that forks meanwhile leaks nothing.
CLOSE_ON_EXEC = getattr(stdlib_socket, "MSG_CMSG_CLOEXEC", 0)


def send_fds(
    sock: AsyncSocket, data: ReadableBuffer, fds: Iterable[FileDescriptorLike]
) -> Coroutine[Any, Any, None]:
    """Send bytes, and descriptors for the other side together with the first of them.

    Parameters:
        sock: a Unix socket.
        data: any bytes-like object that is not empty.
        fds: descriptors, or objects with ``fileno()`` such as files and sockets;
            253 at most. They stay open here, and must until this is done.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        OSError: a descriptor is not open, or the like; nothing was sent then.
        BusyResourceError, ClosedResourceError, BrokenResourceError,
        CancelledError: see `AsyncSocket.send_all`.

    A checkpoint. Cancelled, a part of the data and all of the descriptors may
    have been sent; see `AsyncSocket.send_all`.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     left, right = giambio.socketpair()
        ...     reader, writer = os.pipe()
        ...     with left, right:
        ...         await giambio.send_fds(left, b"a pipe", [writer])
        ...         os.close(writer)
        ...         data, (theirs,) = await giambio.receive_fds(right)
        ...     os.write(theirs, b"hello")
        ...     os.close(theirs)
        ...     with open(reader, "rb") as file:
        ...         return data, file.read()
        >>> giambio.run(main)
        (b'a pipe', b'hello')
    """
    check_socket("send_fds()", sock)
    numbers = [descriptor("send_fds()", fd) for fd in fds]
    view = socket_operations.bytes_like("send_fds()", data)
    if not len(view):
        raise ValueError("send_fds() needs some bytes to send the descriptors with")
    if len(numbers) > MOST:
        raise ValueError(f"send_fds() can send {MOST} descriptors at once, not {len(numbers)}")
    return SendFds(sock, view, numbers)


def receive_fds(
    sock: AsyncSocket, max_size: int = 65536, max_fds: int = MOST
) -> Coroutine[Any, Any, tuple[bytes, list[int]]]:
    """Receive bytes, and the descriptors that come with them.

    Parameters:
        sock: a Unix socket.
        max_size: the most bytes to return; 65536 by default.
        max_fds: the most descriptors to take; by default as many as can come.

    Returns:
        Awaited: a pair of the bytes, ``b""`` at the end of the stream, and a
        list of descriptors. They are yours, to be closed by you; children that
        you start do not inherit them.

    Raises:
        TypeError, ValueError: a parameter is of the wrong type or out of range.
        OSError: more than `max_fds` came (``EMSGSIZE``), or this process is out
            of descriptors (``EMFILE``). Then all that came with these bytes
            are closed, and the bytes are lost.
        BusyResourceError, ClosedResourceError, BrokenResourceError,
        CancelledError: see `AsyncSocket.receive`.

    A checkpoint. Cancelled, nothing was received and nothing is lost.

    Example:
        >>> import giambio, os
        >>> async def main():
        ...     left, right = giambio.socketpair()
        ...     with left, right, open(os.devnull) as file:
        ...         await giambio.send_fds(left, b"a file", [file])
        ...         data, fds = await giambio.receive_fds(right)
        ...         for fd in fds:
        ...             os.close(fd)
        ...         return data, len(fds)
        >>> giambio.run(main)
        (b'a file', 1)
    """
    check_socket("receive_fds()", sock)
    check_int("receive_fds()", "max_size", max_size, 1, "number of bytes")
    check_int("receive_fds()", "max_fds", max_fds, 0)
    return ReceiveFds(sock, min(max_size, syscalls.RECEIVE_BUFFER), max_fds)


class SendFds(SendAll):
    """`send_fds`: a `send_all` whose first bytes take descriptors along."""

    __slots__ = ("_fds",)

    what = "send_fds()"

    def __init__(self, sock: AsyncSocket, data: Any, fds: list[int]) -> None:
        self.begin(sock)
        self._data = data
        self._size = len(data)
        self._offset = 0
        self._fds = fds

    def attempt(self) -> bool:
        """Send the descriptors, then the rest."""
        if self._offset:
            return SendAll.attempt(self)
        source = self.occupy_to_send()
        if source is None:
            return False
        sock = self._socket
        if source.writable:
            fds = array.array("i", self._fds)
            message = (stdlib_socket.SOL_SOCKET, stdlib_socket.SCM_RIGHTS, fds)
            try:
                self._offset = sock._sock.sendmsg([self._data], [message])
            except BlockingIOError:
                source.writable = False
            except OSError as exc:
                return self.broken(exc)
            else:
                return SendAll.attempt(self)
        sock._wait(source, interest.WRITING)
        return False


class ReceiveFds(ReceivingOperation):
    """`receive_fds`."""

    __slots__ = ("_most", "_size")

    what = "receive_fds()"

    def __init__(self, sock: AsyncSocket, size: int, most: int) -> None:
        self.begin(sock)
        self._size = size
        self._most = most

    def take(self, source: Source) -> bool:
        """See `ReceivingOperation.take`."""
        room = stdlib_socket.CMSG_SPACE(self._most * INT)
        received = self._socket._sock.recvmsg(self._size, room, CLOSE_ON_EXEC)
        data, messages, flags, _ = received
        fds = descriptors_in(messages)
        if flags & stdlib_socket.MSG_CTRUNC:
            raise lost(fds, self._most)
        self.result = (data, fds)
        return True


INT = array.array("i").itemsize


def descriptors_in(messages: list[Any]) -> list[int]:
    """Return the descriptors in the messages that came beside the bytes."""
    fds = array.array("i")
    for level, kind, content in messages:
        if level == stdlib_socket.SOL_SOCKET and kind == stdlib_socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % INT])
    if not CLOSE_ON_EXEC:
        for fd in fds:
            os.set_inheritable(fd, False)
    return list(fds)


def lost(fds: list[int], most: int) -> OSError:
    """The error of receiving only some of the descriptors, which are closed here."""
    for fd in fds:
        os.close(fd)
    reason = "descriptors that came were lost, and the bytes that came with them"
    if len(fds) < most:
        return OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)}: {reason}")
    return OSError(errno.EMSGSIZE, f"more than max_fds={most} {reason}")


def check_socket(what: str, sock: Any) -> None:
    """Raise `TypeError` unless descriptors can be passed over a socket."""
    if not isinstance(sock, AsyncSocket) or sock.family != UNIX:
        raise TypeError(f"{what} needs an AsyncSocket of the Unix family, not {sock!r}")
