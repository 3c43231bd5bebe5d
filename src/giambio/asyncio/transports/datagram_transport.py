"""The transport of a datagram socket, UDP or Unix.

A datagram is received as a whole or not at all, and an error that the system reports concerns one
of them: the protocol is told, and the socket goes on.
"""

from __future__ import annotations

import contextvars
import errno
import socket as stdlib_socket
from asyncio import transports
from collections import deque
from typing import Any

from giambio.asyncio.transports import write_queue
from giambio.asyncio.transports.ready_transports import ReadyTransports
from giambio.asyncio.transports.socket_transport import SocketTransport
from giambio.drivers.source import Source
from giambio.net import syscalls
from giambio.net.address import UNIX
from giambio.net.hosts import RETRY

__all__ = ["DatagramTransport"]

#: What a queued datagram counts beside its bytes: empty ones are to count, too.
HEADER = 8


class Face(transports._FlowControlMixin, transports.DatagramTransport):
    """What the transport is to `isinstance`: a compiled class cannot have this base."""


class DatagramTransport(SocketTransport):
    """See `asyncio.DatagramTransport`, whose methods it has.

    Parameters:
        loop: asyncio's loop.
        ready: gives transports their turns.
        sock: the socket, which does not block.
        protocol: an `asyncio.DatagramProtocol`.
        address: the only one that it sends to; or None.
        waiter: a future, done when `connection_made` was called; or None.
        extra: what `get_extra_info` knows beside the socket; or None.
        context: what the protocol is called in a copy of; None for the current one.
    """

    __slots__ = ("_address", "_datagram_received", "_datagrams", "_is_connected", "_size")

    def __init__(
        self,
        loop: Any,
        ready: ReadyTransports,
        sock: stdlib_socket.socket,
        protocol: Any,
        address: Any,
        waiter: Any,
        extra: dict[str, Any] | None,
        context: contextvars.Context | None,
    ) -> None:
        self._begin(loop, ready, sock, protocol, extra, context)
        self._address = address or None
        self._is_connected = self._extra["peername"] is not None
        # What could not be sent yet, with addresses; and how much that is.
        self._datagrams: deque[tuple[Any, Any]] = deque()
        self._size = 0
        self._introduce(waiter)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Face

    def set_protocol(self, protocol: Any) -> None:
        """See `asyncio.BaseTransport.set_protocol`."""
        self._protocol = protocol
        self._datagram_received = getattr(protocol, "datagram_received", None)

    # -- receiving -----------------------------------------------------------------------

    def _receive(self, source: Source) -> None:
        """See `SocketTransport._receive`."""
        try:
            received = syscalls.receive_from(
                self._sock, self._sock_fd, syscalls.RECEIVE_BUFFER, self._buffer
            )
        except OSError as exc:
            self._tell_of_error(exc)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal read error on datagram transport")
            return
        else:
            if received is None:
                source.readable = False
            else:
                self._take(received)
        if source.reader is self:
            self._wait_to_read(source)

    def _take(self, received: tuple[bytes, Any]) -> None:
        """Give a datagram to the protocol, whose errors concern that one only."""
        try:
            if self._datagram_received is None:
                self._datagram_received = self._protocol.datagram_received
            self._run_in_context(self._datagram_received, received[0], received[1])
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._report(exc, "protocol.datagram_received() failed")

    def _tell_of_error(self, exc: OSError) -> None:
        """Tell the protocol of an error of the system, or close if the socket is gone."""
        if exc.errno == errno.EBADF:
            self._fatal_error(exc)
            return
        try:
            self._run_in_context(self._protocol.error_received, exc)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report(error, "protocol.error_received() failed")

    # -- sending -------------------------------------------------------------------------

    def sendto(self, data: Any, addr: Any = None) -> None:
        """See `asyncio.DatagramTransport.sendto`."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._address is not None:
            if addr is not None and addr != self._address:
                raise ValueError(f"Invalid address: must be None or {self._address}")
            addr = self._address
        if self._conn_lost:
            self._count_lost_write()
            return
        if type(data) is memoryview:
            data = write_queue.flat(data)
        if not self._datagrams and self._source.writable:  # type: ignore[union-attr]
            try:
                if self._send(data, addr):
                    return
            except OSError as exc:
                if exc.errno == errno.EBADF:
                    self._fatal_error(exc)
                else:
                    self._protocol.error_received(exc)
                return
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self._fatal_error(exc, "Fatal write error on datagram transport")
                return
        self._datagrams.append((write_queue.lasting(data), addr))
        self._size += len(data) + HEADER
        if self._source.writer is None:  # type: ignore[union-attr]
            self._wait_for_room()
        self._maybe_pause_protocol()

    def _send(self, data: Any, addr: Any) -> bool:
        """Send a datagram if there is room, and return whether there was."""
        if self._is_connected:
            return syscalls.send(self._sock, self._sock_fd, data, 0) >= 0
        return syscalls.send_to(self._sock, self._sock_fd, data, addr)

    def _wait_for_room(self) -> None:
        """Have the queue sent when there may be room."""
        source: Source = self._source  # type: ignore[assignment]
        if self._sock.family == UNIX and not self._is_connected:
            # It is the receiver's queue that is full, and the system does not tell when there
            # is room in it.
            source.writer = self
            kernel = self._ready_transports._kernel
            kernel._remove_timer(self)
            kernel._add_timer(kernel.current_time() + RETRY, self)
        else:
            source.writable = False
            self._wait_to_write(source)

    def _flush(self, source: Source) -> None:
        """See `SocketTransport._flush`: as many datagrams as there is room for, or one error."""
        while self._datagrams:
            data, addr = self._datagrams[0]
            try:
                if not self._send(data, addr):
                    break
            except OSError as exc:
                self._forget_first()
                self._tell_of_error(exc)
                if not self._conn_lost:
                    self._wait_to_write(source)  # in another turn
                return
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self._fatal_error(exc, "Fatal write error on datagram transport")
                return
            self._forget_first()
        if self._conn_lost:
            return
        self._maybe_resume_protocol()  # which may send more
        if self._conn_lost:
            return
        if self._datagrams:
            self._wait_for_room()
            return
        source.writer = None
        if self._closing:
            self._lose(None)

    def _forget_first(self) -> None:
        data, _ = self._datagrams.popleft()
        self._size -= len(data) + HEADER

    # -- the end -----------------------------------------------------------------------

    def _unsent(self) -> int:
        """See `SocketTransport._unsent`."""
        return self._size

    def _drop_unsent(self) -> None:
        """See `SocketTransport._drop_unsent`."""
        self._datagrams.clear()
        self._size = 0

    def _let_go(self, exc: BaseException | None) -> None:
        """See `SocketTransport._let_go`."""
        self._datagram_received = None
        self._ready_transports._kernel._remove_timer(self)
