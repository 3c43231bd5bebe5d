"""The operations behind the methods of `AsyncSocket`.

Each operation tries the system call and parks when the system says "not now".
A socket is registered with the driver the first time that happens, and never
again; after that its `Source` remembers whether it is ready. Only `EAGAIN` takes
readiness away, with one exception that saves half of a busy server's system
calls: on a TCP stream, a `recv` that returned less than it was asked for has
emptied the socket, unless an end, an error or urgent data was reported.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
import sys
from typing import Any

from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.errors import BrokenResourceError
from giambio.kernel.free_list import FreeList
from giambio.kernel.operation import Operation
from giambio.kernel.run_queue import BaseTask
from giambio.net import syscalls
from giambio.net.basesocket import BaseSocket, closed_error
from giambio.streams import guard

__all__ = [
    "Accept",
    "Connect",
    "ReceiveInto",
    "Send",
    "SendEof",
    "bytes_like",
    "error_numbers",
    "new_receive",
    "new_send_all",
]


class SocketOperation(Operation):
    """An operation that takes one of the socket's two ends, for receiving or for sending."""

    __slots__ = ("_socket",)

    def begin(self, sock: BaseSocket) -> None:
        """The constructor's work."""
        self.prepare(sock._kernel)
        self._socket = sock

    def subject(self) -> object:
        """See `Park.subject`: it tells of the peer, when it is asked."""
        return self._socket

    def occupy(self, direction: int) -> Source | None:
        """Take the socket's receiving or sending end.

        Returns:
            None if that failed, and the error is on its way.
        """
        source = self._socket._source
        if source is None:
            self.fail(closed_error())
            return None
        if direction == interest.READING:
            if source.reader is None:
                source.reader = self
            elif source.reader is not self:
                self.fail(guard.busy_error("receiving from this socket", "receive"))
                return None
        elif source.writer is None:
            source.writer = self
        elif source.writer is not self:
            self.fail(guard.busy_error("sending on this socket", "send"))
            return None
        return source

    def occupy_to_send(self) -> Source | None:
        """Take the sending end, unless an earlier `send_all` has left a part unsent."""
        source = self.occupy(interest.WRITING)
        if source is None or not self._socket._send_broken:
            return source
        self.vacate()
        self.fail(guard.half_sent_error("socket"))
        return None

    def vacate(self) -> None:
        """Leave the end that was taken."""
        source = self._socket._source
        if source is not None:
            if source.reader is self:
                source.reader = None
            if source.writer is self:
                source.writer = None

    def abort(self) -> bool:
        """Nothing was transferred yet."""
        self.vacate()
        return True

    def broken(self, exc: OSError) -> bool:
        """The system reported an error: leave, and raise its meaning."""
        self.vacate()
        error: BaseException = exc
        if isinstance(exc, ConnectionError) or exc.errno in BROKEN:
            error = BrokenResourceError(f"the connection broke: {exc.strerror}")
            error.__cause__ = exc
            if exc.errno is not None and exc.errno not in SENDING_ONLY:
                self._socket._broken_by = exc.errno
        return self.fail(error)


class Receive(SocketOperation):
    """`AsyncSocket.receive`."""

    __slots__ = ("_size",)

    _size: int

    what = "AsyncSocket.receive()"

    def attempt(self) -> bool:
        """Receive, or wait for the socket to be readable."""
        source = self.occupy(interest.READING)
        if source is None:
            return False
        sock = self._socket
        if source.readable:
            try:
                data = syscalls.receive(
                    sock._sock, sock._fd, self._size, sock._buffer, sock._plenty
                )
            except OSError as exc:
                return self.broken(exc)
            except BaseException:  # a signal handler's, or there is no memory
                self.vacate()
                raise
            if data is not None:
                return self.took(source, data)
            source.readable = False
        sock._wait(source, interest.READING)
        return False

    def took(self, source: Source, data: bytes) -> bool:
        """Take note of data or the end, and vacate the end of the socket.

        Returns:
            False if the connection broke, and the system reports it as an end.
        """
        sock = self._socket
        count = len(data)
        if not count and sock._broken_by:
            return self.broken(sock._how_it_broke())
        if 0 < count < self._size and sock._short_reads and not source.sticky:
            source.readable = False
        source.reader = None
        sock._plenty = count >= syscalls.PLENTY and count > self._size >> 1
        if count >> syscalls.LARGE_SHIFT:
            self.spend(count >> syscalls.LARGE_SHIFT)
        self.result = data
        return True

    def _ready(self) -> None:
        """Receive when the event is delivered, and not when it is the task's turn.

        Then the system does the same thing for all connections that have something, one after
        the other, and afterwards the answers go out in one burst, for which the other side is
        woken once. (Large data would be in no cache any more by the time it is used.)
        """
        task = self.task
        sock = self._socket
        source = sock._source
        if task is None or task._parked is not self or source is None or sock._plenty:
            SocketOperation._ready(self)
            return
        try:
            data = syscalls.receive(sock._sock, sock._fd, self._size, sock._buffer, False)
            if data is None:  # another process with the same connection was faster
                source.readable = False
                sock._wait(source, interest.READING)  # not every driver tells of it again
        except OSError as exc:
            self.broken(exc)
        except BaseException as exc:  # a signal handler's, or there is no memory
            self.vacate()
            self.fail(exc)
        else:
            if data is None:
                return
            if self.took(source, data):
                self.grant(data)
                return
        if self.kernel is not None:
            self.kernel._wake(task, self)


class ReceivingOperation(SocketOperation):
    """An operation that takes something from the socket, by one system call."""

    __slots__ = ()

    def attempt(self) -> bool:
        """Take something, or wait for the socket to be readable."""
        source = self.occupy(interest.READING)
        if source is None:
            return False
        if source.readable:
            try:
                if self.take(source):
                    source.reader = None
                    return True
            except BlockingIOError:
                pass
            except OSError as exc:
                return self.broken(exc.with_traceback(None))
            except BaseException:  # as above; or an audit hook's
                self.vacate()
                raise
            source.readable = False
        self._socket._wait(source, interest.READING)
        return False

    def take(self, source: Source) -> bool:
        """Do the system call.

        Returns:
            True with `result` set; False, or a `BlockingIOError`, if there is nothing yet.

        Raises:
            OSError: the connection broke.
        """
        raise NotImplementedError


class ReceiveInto(ReceivingOperation):
    """`AsyncSocket.receive_into`."""

    __slots__ = ("_view",)

    what = "AsyncSocket.receive_into()"

    def __init__(self, sock: BaseSocket, view: memoryview) -> None:
        self.begin(sock)
        self._view = view

    def take(self, source: Source) -> bool:
        """See `ReceivingOperation.take`."""
        sock = self._socket
        count = syscalls.receive_into(sock._sock, sock._fd, self._view)
        if count < 0:
            return False
        if not count and sock._broken_by:
            raise sock._how_it_broke()
        if 0 < count < self._view.nbytes and sock._short_reads and not source.sticky:
            source.readable = False
        self.spend(count >> syscalls.LARGE_SHIFT)
        self.result = count
        return True


class Accept(ReceivingOperation):
    """`AsyncSocket.accept`."""

    __slots__ = ()

    what = "AsyncSocket.accept()"

    def __init__(self, sock: BaseSocket) -> None:
        self.begin(sock)

    def take(self, source: Source) -> bool:
        """See `ReceivingOperation.take`."""
        sock = self._socket
        while True:
            try:
                accepted = syscalls.accept(sock._sock, sock._fd)
                break
            except ConnectionAbortedError:
                pass  # it was gone already; the next one may be there
        if accepted is None:
            return False
        connection, address = accepted
        self.result = (type(sock)(sock._kernel, connection), address)
        return True

    def broken(self, exc: OSError) -> bool:
        """An error says nothing of the listening socket: raise it as it is."""
        self.vacate()
        return self.fail(exc)


class Send(SocketOperation):
    """`AsyncSocket.send`."""

    __slots__ = ("_data",)

    what = "AsyncSocket.send()"

    def __init__(self, sock: BaseSocket, data: Any) -> None:
        self.begin(sock)
        self._data = data

    def attempt(self) -> bool:
        """Send, or wait for the socket to be writable."""
        source = self.occupy_to_send()
        if source is None:
            return False
        sock = self._socket
        if source.writable:
            try:
                count = syscalls.send(sock._sock, sock._fd, self._data, 0)
            except OSError as exc:
                return self.broken(exc)
            if count >= 0:
                source.writer = None
                self.spend(count >> syscalls.LARGE_SHIFT)
                self.result = count
                return True
            source.writable = False
        sock._wait(source, interest.WRITING)
        return False


class SendAll(SocketOperation):
    """`AsyncSocket.send_all`."""

    __slots__ = ("_data", "_offset", "_size")

    _data: Any
    _offset: int
    _size: int

    what = "AsyncSocket.send_all()"

    def attempt(self) -> bool:
        """Send until all is sent, there is no room, or it is the turn of others."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            if not self._offset:
                self.vacate()
                return self.fail(guard.half_sent_error("socket"))
            sock._send_broken = False  # our own interruption was taken back: go on
        while self._offset < self._size and source.writable:
            try:
                count = syscalls.send(sock._sock, sock._fd, self._data, self._offset)
            except OSError as exc:
                return self.broken(exc)
            except BaseException:
                self.abort()
                raise
            if count < 0:
                source.writable = False
                break
            self._offset += count
            if self.spend(count >> syscalls.LARGE_SHIFT) and self._offset < self._size:
                self.give_way()
                return False
        if self._offset < self._size:
            sock._wait(source, interest.WRITING)
            return False
        source.writer = None
        return True

    def abort(self) -> bool:
        """If a part was sent, nothing sensible can follow it."""
        if 0 < self._offset < self._size:
            self._socket._send_broken = True
        self.vacate()
        return True


class SendEof(SocketOperation):
    """`AsyncSocket.send_eof`."""

    __slots__ = ()

    what = "AsyncSocket.send_eof()"

    def __init__(self, sock: BaseSocket) -> None:
        self.begin(sock)

    def attempt(self) -> bool:
        """Shut the sending half down; that never waits.

        After half of a `send_all`, a clean end would hide that a part is missing.
        """
        if self.occupy_to_send() is None:
            return False
        try:
            self._socket._sock.shutdown(stdlib_socket.SHUT_WR)
        except OSError as exc:
            return self.broken(exc)
        self.vacate()
        return True


class Connect(SocketOperation):
    """One attempt to connect, to an address that needs no resolving.

    Its result is False if the system asks to try again later, which it does
    for a Unix socket whose listener has a full backlog, without telling when.
    """

    __slots__ = ("_address", "_begun")

    what = "AsyncSocket.connect()"

    def __init__(self, sock: BaseSocket, address: Any) -> None:
        self.begin(sock)
        self._address = address
        self._begun = False

    def attempt(self) -> bool:
        """Begin to connect, or look how far that got."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        try:
            error = self._progress() if self._begun else sock._sock.connect_ex(self._address)
        except Exception as exc:  # the address is not of the kind that the system takes
            self.vacate()
            return self.fail(exc)
        if error in IN_PROGRESS:
            self._begun = True
            source.writable = False
            sock._wait(source, interest.WRITING)
            return False
        source.writer = None
        self.result = error not in AGAIN
        if error and self.result:
            return self.fail(OSError(error, f"{os.strerror(error)}: {self._address!r}"))
        sock._broken_by = 0  # an earlier attempt may have failed
        return True

    def _progress(self) -> int:
        """Return the error number of an attempt under way, 0 if it has succeeded."""
        sock = self._socket._sock
        if sys.platform == "linux":
            # Asked again, Linux tells how it went, also if the error was read in the
            # meantime; and only a socket that has told may try another address.
            return sock.connect_ex(self._address)
        error: int = sock.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_ERROR)
        if not error:
            try:
                sock.getpeername()
            except OSError:  # woken too early: it is not connected yet
                return IN_PROGRESS[0]
        return error

    def interruption(self, task: BaseTask) -> BaseException:
        """See `Park.interruption`; a half-made connection is of no use."""
        self._socket.close_now()
        return SocketOperation.interruption(self, task)


# The two operations that a busy connection makes have no constructor: compiled, a call of
# a class packs its arguments into a tuple and unpacks them again, and makes a new object,
# which together is half the cost of an operation. These are direct.

RECEIVES = FreeList(Receive)
SENDS = FreeList(SendAll)


def new_receive(sock: BaseSocket, size: int) -> Receive:
    """Make a `Receive`."""
    operation: Receive = RECEIVES.take()
    operation.begin(sock)
    operation._size = size
    return operation


def new_send_all(sock: BaseSocket, data: Any) -> SendAll:
    """Make a `SendAll`."""
    operation: SendAll = SENDS.take()
    operation.begin(sock)
    operation._data = data
    operation._size = len(data)
    operation._offset = 0
    return operation


def error_numbers(*names: str) -> tuple[int, ...]:
    """Return the numbers of those errors that this system has."""
    import errno

    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


#: Errors of a connection that broke, beside those that are a `ConnectionError`.
BROKEN = error_numbers(
    "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ENETRESET", "EHOSTDOWN", "ENOTCONN"
)
#: Those of sending only, after which received data is still good.
SENDING_ONLY = error_numbers("EPIPE", "ESHUTDOWN", "ENOTCONN")
IN_PROGRESS = error_numbers("EINPROGRESS", "EALREADY", "WSAEWOULDBLOCK", "EINTR")
AGAIN = error_numbers("EAGAIN")


def bytes_like(what: str, data: Any) -> Any:
    """Return data with a length in bytes, not copied. (A view of `bytes` would cost an object.)"""
    return data if type(data) is bytes else guard.bytes_like(what, data)
