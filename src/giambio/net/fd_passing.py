"""Passing descriptors to another process, over a Unix socket.

A descriptor travels with a byte of the stream, and arrives as a new one of the
receiver's. It must not be lost on the way, because then nobody could close it.
"""

from __future__ import annotations

import array
import errno
import os
import socket as stdlib_socket
from collections.abc import Iterable
from typing import Any

from giambio.arguments import is_int
from giambio.drivers import interest
from giambio.kernel.operation import Operation
from giambio.net import socket_operations, syscalls
from giambio.net.socket import AsyncSocket
from giambio.net.socket_operations import SendAll, SocketOperation, half_sent_error
from giambio.net.wait_fd import descriptor

__all__ = ["receive_fds", "send_fds"]

#: The most that Linux passes at once (SCM_MAX_FD).
MOST = 253
#: Linux closes them in a child by itself, which a thread that forks meanwhile cannot slip past.
CLOSE_ON_EXEC = getattr(stdlib_socket, "MSG_CMSG_CLOEXEC", 0)


def send_fds(sock: AsyncSocket, data: Any, fds: Iterable[Any]) -> Operation:
    """Send bytes, and with the first of them descriptors for the other side to use.

    Parameters:
        sock: a Unix socket.
        data: any bytes-like object that is not empty.
        fds: descriptors, or objects with ``fileno()`` such as files and sockets;
            253 at most. They stay open here, and must until this is done.

    Raises:
        TypeError, ValueError: a parameter is not what it must be.
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


def receive_fds(sock: AsyncSocket, max_size: int = 65536, max_fds: int = MOST) -> Operation:
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
        TypeError, ValueError: a parameter is not what it must be.
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
    for name, number, least in (("max_size", max_size, 1), ("max_fds", max_fds, 0)):
        if not is_int(number):
            raise TypeError(f"receive_fds() needs a whole number for {name}, not {number!r}")
        if number < least:
            raise ValueError(f"receive_fds() needs {name} from {least} up, not {number!r}")
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
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            self.vacate()
            return self.fail(half_sent_error())
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


class ReceiveFds(SocketOperation):
    """`receive_fds`."""

    __slots__ = ("_most", "_size")

    what = "receive_fds()"

    def __init__(self, sock: AsyncSocket, size: int, most: int) -> None:
        self.begin(sock)
        self._size = size
        self._most = most

    def attempt(self) -> bool:
        """Receive, or wait for the socket to be readable."""
        source = self.occupy(interest.READING)
        if source is None:
            return False
        sock = self._socket
        if source.readable:
            room = stdlib_socket.CMSG_SPACE(self._most * INT)
            try:
                data, messages, flags, _ = sock._sock.recvmsg(self._size, room, CLOSE_ON_EXEC)
            except BlockingIOError:
                source.readable = False
            except OSError as exc:
                return self.broken(exc)
            else:
                source.reader = None
                fds = descriptors_in(messages)
                if flags & stdlib_socket.MSG_CTRUNC:
                    return self.fail(lost(fds, self._most))
                self.result = (data, fds)
                return True
        sock._wait(source, interest.READING)
        return False


INT = array.array("i").itemsize


def descriptors_in(messages: list[Any]) -> list[int]:
    """The descriptors in the messages that came beside the bytes."""
    fds = array.array("i")
    for level, kind, content in messages:
        if level == stdlib_socket.SOL_SOCKET and kind == stdlib_socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % INT])
    if not CLOSE_ON_EXEC:
        for fd in fds:
            os.set_inheritable(fd, False)
    return list(fds)


def lost(fds: list[int], most: int) -> OSError:
    """The error of receiving not all of the descriptors; the others are closed."""
    number = errno.EMFILE if len(fds) < most else errno.EMSGSIZE
    for fd in fds:
        os.close(fd)
    reason = "descriptors that came were lost, and the bytes that came with them"
    if number == errno.EMSGSIZE:
        return OSError(number, f"more than max_fds={most} {reason}")
    return OSError(number, f"{os.strerror(number)}: {reason}")


def check_socket(what: str, sock: Any) -> None:
    """Refuse what cannot carry descriptors.

    Raises:
        TypeError: it is no Unix socket of ours.
    """
    if not isinstance(sock, AsyncSocket) or sock.family != getattr(stdlib_socket, "AF_UNIX", -1):
        raise TypeError(f"{what} needs an AsyncSocket of the Unix family, not {sock!r}")
