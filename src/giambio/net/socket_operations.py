"""The operations behind the methods of `AsyncSocket`.

Each operation tries the system call and parks when the system says "not now".
A socket is registered with the driver the first time that happens, and never
again; after that its `Source` remembers what is ready. Only `EAGAIN` takes
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
from giambio.errors import BrokenResourceError, BusyResourceError
from giambio.kernel.free_list import FreeList
from giambio.kernel.kernel import Kernel
from giambio.kernel.operation import Operation
from giambio.kernel.run_queue import BaseTask
from giambio.net import syscalls
from giambio.net.socket_state import SocketState, closed_error

__all__ = [
    "Accept",
    "Connect",
    "ReceiveInto",
    "Send",
    "SendEof",
    "bytes_like",
    "new_receive",
    "new_send_all",
]


class SocketOperation(Operation):
    """What the operations of a socket have in common: who stands at which end."""

    __slots__ = ("_socket",)

    def begin(self, sock: SocketState) -> None:
        """The constructor's work."""
        self.prepare(sock._kernel)
        self._socket = sock

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
                self.fail(
                    BusyResourceError(
                        "another task is receiving from this socket; let one task receive, "
                        "or take turns with a lock"
                    )
                )
                return None
        elif source.writer is None:
            source.writer = self
        elif source.writer is not self:
            self.fail(
                BusyResourceError(
                    "another task is sending on this socket; let one task send, "
                    "or take turns with a lock"
                )
            )
            return None
        return source

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
        """The system reported an error: leave, and raise what it means."""
        self.vacate()
        error: BaseException = exc
        if isinstance(exc, ConnectionError) or exc.errno in BROKEN:
            error = BrokenResourceError(f"the connection broke: {exc.strerror}")
            error.__cause__ = exc
            if exc.errno is not None and exc.errno not in SENDING_ONLY:
                self._socket._broken_by = exc.errno
        return self.fail(error)

    def cut_off(self) -> bool:
        """Tell whether what looks like the end is where the connection broke; fail if it is."""
        number = self._socket._broken_by
        if number:
            self.broken(OSError(number, os.strerror(number)))
        return number != 0


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
            if data is not None:
                return self.took(source, data)
            source.readable = False
        sock._wait(source, interest.READING)
        return False

    def took(self, source: Source, data: bytes) -> bool:
        """Something has come, or the end: vacate the end of the socket.

        Returns:
            False if what looks like the end is where the connection broke.
        """
        sock = self._socket
        count = len(data)
        if not count and self.cut_off():
            return False
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
        the other, and afterwards the answers go out in one burst: whoever gets them is woken
        once and not for each. (What is large would be in no cache any more when it is used.)
        """
        task = self.task
        sock = self._socket
        source = sock._source
        if task is None or task._parked is not self or source is None or sock._plenty:
            SocketOperation._ready(self)
            return
        try:
            data = syscalls.receive(sock._sock, sock._fd, self._size, sock._buffer, False)
            if data is None:  # somebody else was faster, who has the same connection
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
            Kernel._wake(self.kernel, task, self)


class ReceiveInto(SocketOperation):
    """`AsyncSocket.receive_into`."""

    __slots__ = ("_view",)

    what = "AsyncSocket.receive_into()"

    def __init__(self, sock: SocketState, view: memoryview) -> None:
        self.begin(sock)
        self._view = view

    def attempt(self) -> bool:
        """Receive, or wait for the socket to be readable."""
        source = self.occupy(interest.READING)
        if source is None:
            return False
        sock = self._socket
        if source.readable:
            try:
                count = syscalls.receive_into(sock._sock, sock._fd, self._view)
            except OSError as exc:
                return self.broken(exc)
            if count >= 0:
                if not count and self.cut_off():
                    return False
                if 0 < count < self._view.nbytes and sock._short_reads and not source.sticky:
                    source.readable = False
                source.reader = None
                self.spend(count >> syscalls.LARGE_SHIFT)
                self.result = count
                return True
            source.readable = False
        sock._wait(source, interest.READING)
        return False


class Accept(SocketOperation):
    """`AsyncSocket.accept`."""

    __slots__ = ()

    what = "AsyncSocket.accept()"

    def __init__(self, sock: SocketState) -> None:
        self.begin(sock)

    def attempt(self) -> bool:
        """Accept, or wait for the socket to be readable."""
        source = self.occupy(interest.READING)
        if source is None:
            return False
        sock = self._socket
        while source.readable:
            try:
                connection, address = sock._sock.accept()
            except BlockingIOError:
                source.readable = False
            except ConnectionAbortedError:
                continue  # it was gone before we came to it; the next one may be there
            except OSError as exc:
                self.vacate()
                return self.fail(exc)
            else:
                source.reader = None
                connection.setblocking(False)
                self.result = (sock._accepted(connection), address)
                return True
        sock._wait(source, interest.READING)
        return False


class Send(SocketOperation):
    """`AsyncSocket.send`."""

    __slots__ = ("_data",)

    what = "AsyncSocket.send()"

    def __init__(self, sock: SocketState, data: Any) -> None:
        self.begin(sock)
        self._data = data

    def attempt(self) -> bool:
        """Send, or wait for the socket to be writable."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            self.vacate()
            return self.fail(half_sent_error())
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
        """Send until all is sent, there is no room, or it is others' turn."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        if sock._send_broken:
            if not self._offset:
                self.vacate()
                return self.fail(half_sent_error())
            sock._send_broken = False  # our own interruption was taken back: go on
        while self._offset < self._size and source.writable:
            try:
                count = syscalls.send(sock._sock, sock._fd, self._data, self._offset)
            except OSError as exc:
                return self.broken(exc)
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

    def __init__(self, sock: SocketState) -> None:
        self.begin(sock)

    def attempt(self) -> bool:
        """Shut the sending half down; that never waits."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        if self._socket._send_broken:  # a clean end would hide that a part is missing
            self.vacate()
            return self.fail(half_sent_error())
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

    def __init__(self, sock: SocketState, address: Any) -> None:
        self.begin(sock)
        self._address = address
        self._begun = False

    def attempt(self) -> bool:
        """Begin to connect, or look how far it got."""
        source = self.occupy(interest.WRITING)
        if source is None:
            return False
        sock = self._socket
        if not self._begun:
            try:
                error = sock._sock.connect_ex(self._address)
            except Exception as exc:  # the address is not of the kind that the system takes
                self.vacate()
                return self.fail(exc)
            if error in IN_PROGRESS:
                self._begun = True
                source.writable = False
            elif error in AGAIN:
                source.writer = None
                self.result = False
                return True
        else:
            error = self._progress(source)
        if error in IN_PROGRESS:
            sock._wait(source, interest.WRITING)
            return False
        source.writer = None
        if error:
            return self.fail(OSError(error, f"{os.strerror(error)}: {self._address!r}"))
        sock._broken_by = 0  # whatever an attempt before this one has come to
        self.result = True
        return True

    def _progress(self, source: Source) -> int:
        """The error number of a connection attempt under way, 0 if it has succeeded."""
        sock = self._socket._sock
        error: int
        if sys.platform == "linux":
            # Asked again, Linux tells how it went, also if somebody else has taken the
            # error away; and only a socket that has told may try another address.
            error = sock.connect_ex(self._address)
            if error in IN_PROGRESS:
                source.writable = False
            return error
        error = sock.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_ERROR)
        if not error:
            try:
                sock.getpeername()
            except OSError:  # woken too early: it is not connected yet
                source.writable = False
                return IN_PROGRESS[0]
        return error

    def interruption(self, task: BaseTask) -> BaseException:
        """See `Park.interruption`; a half-made connection is of no use to anybody."""
        self._socket.close_now()
        return SocketOperation.interruption(self, task)


# The two operations that a busy connection makes have no constructor: compiled, a call of
# a class packs its arguments into a tuple and unpacks them again, and makes a new object,
# which together is half of what an operation costs. These are direct.

RECEIVES = FreeList(Receive)
SENDS = FreeList(SendAll)


def new_receive(sock: SocketState, size: int) -> Receive:
    """Make a `Receive`."""
    operation: Receive = RECEIVES.take()
    operation.begin(sock)
    operation._size = size
    return operation


def new_send_all(sock: SocketState, data: Any) -> SendAll:
    """Make a `SendAll`."""
    operation: SendAll = SENDS.take()
    operation.begin(sock)
    operation._data = data
    operation._size = len(data)
    operation._offset = 0
    return operation


def error_numbers(*names: str) -> tuple[int, ...]:
    """The numbers of errors, of those that this system has."""
    import errno

    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


#: Errors of a connection that broke, beside those that are a `ConnectionError`.
BROKEN = error_numbers(
    "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ENETRESET", "EHOSTDOWN", "ENOTCONN"
)
#: Those that say nothing of what was received: the other side takes no more, or there is none.
SENDING_ONLY = error_numbers("EPIPE", "ESHUTDOWN", "ENOTCONN")
IN_PROGRESS = error_numbers("EINPROGRESS", "EALREADY", "WSAEWOULDBLOCK", "EINTR")
AGAIN = error_numbers("EAGAIN")


def half_sent_error() -> BrokenResourceError:
    """The error of sending after a cancelled `send_all`."""
    return BrokenResourceError(
        "an earlier send_all() was cancelled when a part was sent, so what follows would make "
        "no sense to the other side; close this socket (receiving still works)"
    )


def bytes_like(what: str, data: Any) -> Any:
    """The data as something with a length in bytes, not copied."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        hint = "; encode text first: data.encode()" if isinstance(data, str) else ""
        raise TypeError(
            f"{what} needs a bytes-like object, not {type(data).__name__}{hint}"
        ) from None
    if not view.c_contiguous:
        raise TypeError(f"{what} needs a contiguous buffer, and this memoryview has gaps")
    return view.cast("B")
