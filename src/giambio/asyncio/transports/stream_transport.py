"""The transport of a stream connection, over TCP or a Unix socket.

The rules for reading are those of `giambio.net.socket_operations`.
"""

from __future__ import annotations

import contextvars
import socket as stdlib_socket
import sys
from asyncio import base_events, constants, protocols, transports
from typing import Any

from giambio.asyncio.transports import write_queue
from giambio.asyncio.transports.ready_transports import ReadyTransports
from giambio.asyncio.transports.socket_transport import SocketTransport
from giambio.asyncio.transports.write_queue import WriteQueue
from giambio.drivers.source import Source
from giambio.net import syscalls
from giambio.net.basesocket import has_short_reads

__all__ = ["StreamTransport"]

#: From Python 3.13 on, a server knows its transports.
SERVER_KNOWS_TRANSPORTS = sys.version_info >= (3, 13)


class Face(transports._FlowControlMixin, transports.Transport):
    """What the transport is to `isinstance`: a compiled class cannot have this base."""


class StreamTransport(SocketTransport):
    """See `asyncio.Transport`, whose methods it has.

    Parameters:
        loop: asyncio's loop.
        ready: gives transports their turns.
        sock: the connected socket, which does not block.
        protocol: an `asyncio.Protocol` or `asyncio.BufferedProtocol`.
        waiter: a future, done when `connection_made` was called; or None.
        extra: what `get_extra_info` knows beside the socket; or None.
        server: the server that has accepted the connection; or None.
        context: what the protocol is called in a copy of; None for the current one.
    """

    __slots__ = (
        "_data_received",
        "_empty_waiter",
        "_eof",
        "_is_buffered",
        "_plenty",
        "_queue",
        "_server",
        "_short_reads",
    )

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def __init__(
        self,
        loop: Any,
        ready: ReadyTransports,
        sock: stdlib_socket.socket,
        protocol: Any,
        waiter: Any,
        extra: dict[str, Any] | None,
        server: Any,
        context: contextvars.Context | None,
    ) -> None:
        self._begin(loop, ready, sock, protocol, extra, context)
        self._queue = WriteQueue()
        self._short_reads = has_short_reads(sock.type, sock.family)
        # Whether the last receive got much.
        self._plenty = False
        # `write_eof` was called.
        self._eof = False
        # A future for `loop.sendfile`, done when all is sent.
        self._empty_waiter: Any = None
        self._server = server
        if server is not None:
            if SERVER_KNOWS_TRANSPORTS:
                server._attach(self)
            else:
                server._attach()
        loop._transports[self._sock_fd] = self
        base_events._set_nodelay(sock)  # type: ignore[attr-defined]
        self._introduce(waiter)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Face

    # -- what it is --------------------------------------------------------------------

    def set_protocol(self, protocol: Any) -> None:
        """See `asyncio.BaseTransport.set_protocol`."""
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, protocols.BufferedProtocol)
        self._data_received = (
            None if self._is_buffered else getattr(protocol, "data_received", None)
        )

    # -- reading -----------------------------------------------------------------------

    def _receive(self, source: Source) -> None:
        """See `SocketTransport._receive`."""
        more = self._receive_into(source) if self._is_buffered else self._receive_bytes(source)
        if more:
            self._wait_to_read(source)

    def _receive_bytes(self, source: Source) -> bool:
        """Receive for an `asyncio.Protocol`.

        Returns:
            Whether to wait for more.
        """
        try:
            data = syscalls.receive(
                self._sock, self._sock_fd, syscalls.RECEIVE_BUFFER, self._buffer, self._plenty
            )
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal read error on socket transport")
            return False
        if data is None:
            source.readable = False
            return True
        count = len(data)
        if not count:
            self._take_eof()
            return False
        self._plenty = count >= syscalls.RECEIVE_BUFFER >> 1
        if count < syscalls.RECEIVE_BUFFER and self._short_reads and not source.sticky:
            source.readable = False
        try:
            if self._data_received is None:
                self._data_received = self._protocol.data_received
            self._run_in_context(self._data_received, data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal error: protocol.data_received() call failed.")
        return source.reader is self

    def _receive_into(self, source: Source) -> bool:
        """Receive for an `asyncio.BufferedProtocol`; see `_receive_bytes`."""
        try:
            buffer = self._run_in_context(self._protocol.get_buffer, -1)
            size = len(buffer)
            if not size:
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal error: protocol.get_buffer() call failed.")
            return False
        try:
            count = syscalls.receive_into(self._sock, self._sock_fd, buffer)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal read error on socket transport")
            return False
        if count < 0:
            source.readable = False
            return True
        if not count:
            self._take_eof()
            return False
        if count < size and self._short_reads and not source.sticky:
            source.readable = False
        try:
            self._run_in_context(self._protocol.buffer_updated, count)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal error: protocol.buffer_updated() call failed.")
        return source.reader is self

    def _take_eof(self) -> None:
        """Tell the protocol of the end, and close unless it wants to write on."""
        try:
            keep_open = self._run_in_context(self._protocol.eof_received)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal error: protocol.eof_received() call failed.")
            return
        if keep_open:
            self._stop_reading()
        else:
            self.close()

    # -- writing -----------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport.write`."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        self._check_writing("write")
        if not data:
            return
        if self._conn_lost:
            self._count_lost_write()
            return
        if type(data) is memoryview:
            data = write_queue.flat(data)
        source = self._source
        if not self._queue.size and source.writable:  # type: ignore[union-attr]
            sent = self._send(data)
            if sent == len(data) or self._conn_lost:
                return
            self._queue.append(write_queue.lasting(data))
            self._queue.skip(sent)
        else:
            self._queue.append(write_queue.lasting(data))
        self._wait_for_room()

    def writelines(self, list_of_data: Any) -> None:
        """See `asyncio.WriteTransport.writelines`."""
        self._check_writing("writelines")
        parts = [
            write_queue.lasting(
                write_queue.flat(memoryview(data)) if type(data) is not bytes else data
            )
            for data in list_of_data
        ]
        parts = [part for part in parts if part]
        if not parts:
            return
        if self._conn_lost:
            self._count_lost_write()
            return
        begins = not self._queue.size
        for part in parts:
            self._queue.append(part)
        if begins and self._source.writable:  # type: ignore[union-attr]
            self._send(None)
        if self._queue.size:
            self._wait_for_room()

    def _send(self, data: Any) -> int:
        """Send bytes; all that is queued if they are None.

        Returns:
            How many bytes the system took.
        """
        try:
            if data is None:
                sent = self._queue.send(self._sock, self._sock_fd)
            else:
                sent = syscalls.send(self._sock, self._sock_fd, data, 0)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fatal_error(exc, "Fatal write error on socket transport")
            return 0
        if sent < 0:
            self._source.writable = False  # type: ignore[union-attr]
            return 0
        return sent

    def _wait_for_room(self) -> None:
        """Send the rest when there is room, and have the protocol pause if that is much."""
        source = self._source
        if source.writer is None:  # type: ignore[union-attr]
            self._wait_to_write(source)  # type: ignore[arg-type]
        self._maybe_pause_protocol()

    def _flush(self, source: Source) -> None:
        """See `SocketTransport._flush`: one system call."""
        self._send(None)
        if self._conn_lost:
            return
        self._maybe_resume_protocol()  # which may write more
        if self._conn_lost:
            return
        if self._queue.size:
            self._wait_to_write(source)
            return
        source.writer = None
        if self._empty_waiter is not None and not self._empty_waiter.done():
            self._empty_waiter.set_result(None)
        if self._closing:
            self._lose(None)
        elif self._eof:
            self._shut_down()

    def _check_writing(self, method: str) -> None:
        """Raise where nothing can be written any more."""
        if self._eof:
            raise RuntimeError(f"Cannot call {method}() after write_eof()")
        if self._empty_waiter is not None:
            raise RuntimeError(f"unable to {method}; sendfile is in progress")

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport.can_write_eof`."""
        return True

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport.write_eof`."""
        if self._closing or self._eof:
            return
        self._eof = True
        if not self._queue.size:
            self._sock.shutdown(stdlib_socket.SHUT_WR)

    def _shut_down(self) -> None:
        """Send the end that had to wait."""
        try:
            self._sock.shutdown(stdlib_socket.SHUT_WR)
        except OSError as exc:
            self._fatal_error(exc, "Fatal write error on socket transport")

    # -- the end -----------------------------------------------------------------------

    def _unsent(self) -> int:
        """See `SocketTransport._unsent`."""
        return self._queue.size

    def _drop_unsent(self) -> None:
        """See `SocketTransport._drop_unsent`."""
        self._queue.clear()

    def _let_go(self, exc: BaseException | None) -> None:
        """See `SocketTransport._let_go`."""
        self._data_received = None
        waiter = self._empty_waiter
        if self._server is not None:
            self._detach()
        if waiter is not None and not waiter.done():
            waiter.set_exception(exc or ConnectionError("Connection is closed by peer"))

    def _detach(self) -> None:
        """Tell the server that this connection is over."""
        server = self._server
        self._server = None
        if SERVER_KNOWS_TRANSPORTS:
            server._detach(self)
        else:
            server._detach()

    # -- for `loop.sendfile` -------------------------------------------------------------

    def _make_empty_waiter(self) -> Any:
        """Return a future that is done when all is sent; nothing can be written until then."""
        if self._empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self._empty_waiter = self._loop.create_future()
        if not self._queue.size:
            self._empty_waiter.set_result(None)
        return self._empty_waiter

    def _reset_empty_waiter(self) -> None:
        self._empty_waiter = None
