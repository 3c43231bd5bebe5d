"""The transport of a stream connection, over TCP or a Unix socket.

It calls its protocol as asyncio's own does, in the same order. What differs is below: a `Source` of
the driver instead of a selector, so that a busy connection costs no system call beside those that
move its bytes; and the rules for reading are those of `giambio.net.socket_operations`.
"""

from __future__ import annotations

import contextvars
import socket as stdlib_socket
import sys
import warnings
from asyncio import base_events, constants, futures, protocols, transports, trsock
from typing import Any

from giambio.asyncio.transports import write_queue
from giambio.asyncio.transports.ready_streams import ReadyStreams
from giambio.asyncio.transports.write_queue import WriteQueue
from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.kernel.kernel import copy_or
from giambio.kernel.run_queue import Runnable
from giambio.net import syscalls
from giambio.net.address import IP
from giambio.net.basesocket import receive_buffer

__all__ = ["StreamTransport"]

#: From Python 3.13 on, a server knows its transports.
SERVER_KNOWS_TRANSPORTS = sys.version_info >= (3, 13)


class Face(transports._FlowControlMixin, transports.Transport):
    """What the transport is to `isinstance`: a compiled class cannot have this base."""


class StreamTransport(Runnable):
    """See `asyncio.Transport`, whose methods it has.

    Parameters:
        loop: asyncio's loop.
        ready: gives transports their turns.
        sock: the connected socket, which does not block.
        protocol: an `asyncio.Protocol` or `asyncio.BufferedProtocol`.
        waiter: a future, done when `connection_made` was called; or None.
        extra: what `get_extra_info` knows beside the socket; or None.
        server: the server that has accepted the connection; or None.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_closing",
        "_conn_lost",
        "_data_received",
        "_empty_waiter",
        "_eof",
        "_extra",
        "_high_water",
        "_is_buffered",
        "_loop",
        "_low_water",
        "_paused",
        "_plenty",
        "_protocol",
        "_protocol_paused",
        "_queue",
        "_ready_streams",
        "_run_in_context",
        "_server",
        "_short_reads",
        "_sock",
        "_sock_fd",
        "_source",
    )

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def __init__(
        self,
        loop: Any,
        ready: ReadyStreams,
        sock: stdlib_socket.socket,
        protocol: Any,
        waiter: Any,
        extra: dict[str, Any] | None,
        server: Any,
        context: contextvars.Context | None,
    ) -> None:
        self._following = None
        self._queued = False
        self._is_task = False
        self._loop = loop
        self._ready_streams = ready
        self._sock: Any = sock
        self._sock_fd = sock.fileno()
        self._extra: dict[str, Any] = {} if extra is None else extra
        self._extra["socket"] = trsock.TransportSocket(sock)
        self._extra["sockname"] = name_of_end(sock.getsockname)
        if "peername" not in self._extra:
            self._extra["peername"] = name_of_end(sock.getpeername)
        # Protocols are told of data in the context of the code that has made the connection.
        self._run_in_context: Any = copy_or(context).run
        self._source: Source | None = Source(self._sock_fd)
        self._buffer = receive_buffer(self._ready_streams._kernel)
        self._queue = WriteQueue()
        self._short_reads = sock.type == stdlib_socket.SOCK_STREAM and sock.family in IP
        # Whether the last receive got much.
        self._plenty = False
        self._paused = False
        # `write_eof` was called; `close` or `abort` was.
        self._eof = False
        self._closing = False
        # Above 0, the call of `connection_lost` is scheduled; further writes are counted here.
        self._conn_lost = 0
        # A future for `loop.sendfile`, done when all is sent.
        self._empty_waiter: Any = None
        self._protocol_paused = False
        self._set_limits(None, None)
        self.set_protocol(protocol)
        self._server = server
        if server is not None:
            if SERVER_KNOWS_TRANSPORTS:
                server._attach(self)
            else:
                server._attach()
        loop._transports[self._sock_fd] = self
        base_events._set_nodelay(sock)  # type: ignore[attr-defined]
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._begin_reading)
        if waiter is not None:
            loop.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Face

    def __repr__(self) -> str:
        if self._sock is None:
            return f"<StreamTransport closed fd={self._sock_fd}>"
        state = "closing" if self._closing else "reading" if self.is_reading() else "paused"
        return f"<StreamTransport {state} fd={self._sock_fd} write_buffer={self._queue.size}>"

    def __del__(self) -> None:
        if self._sock is not None:
            text = f"unclosed transport {self!r}"
            self._release()
            if self._server is not None:
                self._detach()
            warnings.warn(text, ResourceWarning, 2, source=self)

    # -- what it is --------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport.get_extra_info`."""
        return self._extra.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        """See `asyncio.BaseTransport.set_protocol`."""
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, protocols.BufferedProtocol)
        self._data_received = (
            None if self._is_buffered else getattr(protocol, "data_received", None)
        )

    def get_protocol(self) -> Any:
        """See `asyncio.BaseTransport.get_protocol`."""
        return self._protocol

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport.is_closing`."""
        return self._closing

    # -- turns -------------------------------------------------------------------------

    def _ready(self) -> None:
        """See `Waiter._ready`."""
        self._ready_streams.append(self)

    def _run(self) -> None:
        """Do what the connection is ready for."""
        source = self._source
        try:
            if source is not None and source.reader is self and source.readable:
                self._receive(source)
            if source is not None and source.writer is self and source.writable:
                self._flush(source)
        except BaseException:  # SystemExit, or from a signal handler: the loop may go on later
            self._ready_streams.append(self)
            raise

    def _wait_to_read(self, source: Source) -> None:
        """Receive when there is something, or in another turn if there may be more already."""
        source.reader = self
        if source.readable:
            self._ready_streams.append(self)
        else:
            self._arm(source, interest.READING)

    def _wait_to_write(self, source: Source) -> None:
        """Send when there is room, or in another turn if there may be some already."""
        source.writer = self
        if source.writable:
            self._ready_streams.append(self)
        else:
            self._arm(source, interest.WRITING)

    def _arm(self, source: Source, direction: int) -> None:
        if source.armed & direction:
            return
        driver = self._ready_streams._kernel._driver
        if driver is not None:
            try:
                driver.arm(source, direction)
            except OSError as exc:
                self._fatal_error(exc, "The system cannot watch the socket of a transport")

    # -- reading -----------------------------------------------------------------------

    def _begin_reading(self) -> None:
        """Wait for data, from when `connection_made` was called."""
        source = self._source
        if source is None or self._closing or self._paused:
            return
        if not source.armed & interest.READING:
            # What is there already will be reported, and mostly there is nothing yet.
            source.readable = False
        self._wait_to_read(source)

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport.is_reading`."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport.pause_reading`."""
        if not self._paused and not self._closing:
            self._paused = True
            self._stop_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport.resume_reading`."""
        source = self._source
        if self._paused and not self._closing and source is not None:
            self._paused = False
            self._wait_to_read(source)

    def _stop_reading(self) -> None:
        if self._source is not None:
            self._source.reader = None

    def _receive(self, source: Source) -> None:
        """Receive once, so that a busy connection leaves the others their turns."""
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
        """Send once of what is queued, and do what had to wait until all is sent."""
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

    def _count_lost_write(self) -> None:
        """Note a write after the end, and tell of it if there are many."""
        if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
            base_events.logger.warning("socket.send() raised exception.")  # type: ignore[attr-defined]
        self._conn_lost += 1

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

    # -- flow control ------------------------------------------------------------------

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport.get_write_buffer_size`."""
        return self._queue.size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport.get_write_buffer_limits`."""
        return self._low_water, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport.set_write_buffer_limits`."""
        self._set_limits(high, low)
        self._maybe_pause_protocol()

    def _set_limits(self, high: int | None, low: int | None) -> None:
        if high is None:
            high = 65536 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high_water = high
        self._low_water = low

    def _maybe_pause_protocol(self) -> None:
        if self._queue.size > self._high_water and not self._protocol_paused:
            self._protocol_paused = True
            try:
                self._protocol.pause_writing()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self._report(exc, "protocol.pause_writing() failed")

    def _maybe_resume_protocol(self) -> None:
        if self._protocol_paused and self._queue.size <= self._low_water:
            self._protocol_paused = False
            try:
                self._run_in_context(self._protocol.resume_writing)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self._report(exc, "protocol.resume_writing() failed")

    # -- the end -----------------------------------------------------------------------

    def close(self) -> None:
        """See `asyncio.BaseTransport.close`: what was written is sent first."""
        if self._closing:
            return
        self._closing = True
        self._stop_reading()
        if not self._queue.size:
            self._lose(None)

    def abort(self) -> None:
        """See `asyncio.WriteTransport.abort`."""
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:
        """Close without sending what is left."""
        if self._conn_lost:
            return
        self._queue.clear()
        self._closing = True
        self._stop_reading()
        self._lose(exc)

    def _lose(self, exc: BaseException | None) -> None:
        """Have the protocol told of the end, once, and the socket closed then."""
        self._conn_lost += 1
        self._source.writer = None  # type: ignore[union-attr]
        self._loop.call_soon(self._call_connection_lost, exc)

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        """Close because of an error, which is reported unless the connection just broke."""
        if not isinstance(exc, OSError):
            self._report(exc, message)
        elif self._loop.get_debug():
            base_events.logger.debug("%r: %s", self, message, exc_info=True)  # type: ignore[attr-defined]
        self._force_close(exc)

    def _report(self, exc: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {"message": message, "exception": exc, "transport": self, "protocol": self._protocol}
        )

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        waiter = self._empty_waiter
        try:
            self._protocol.connection_lost(exc)
        finally:
            self._release()
            self._protocol = self._data_received = self._run_in_context = None
            self._loop = None
            if self._server is not None:
                self._detach()
            if waiter is not None and not waiter.done():
                waiter.set_exception(exc or ConnectionError("Connection is closed by peer"))

    def _release(self) -> None:
        """Close the socket."""
        source: Any = self._source
        self._source = None
        source.reader = None
        source.writer = None
        driver = self._ready_streams._kernel._driver
        if driver is not None:
            driver.forget(source)
        self._sock.close()
        self._sock = None

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


def name_of_end(ask: Any) -> Any:
    """Return the name of one end of a connection; None if it is gone already."""
    try:
        return ask()
    except OSError:
        return None
