"""What the transports of streams and of datagrams have in common.

They call their protocols as asyncio's own do, in the same order. What differs is below: a `Source`
of the driver instead of a selector, so that a busy socket costs no system call beside those that
move its bytes.
"""

from __future__ import annotations

import contextvars
import socket as stdlib_socket
import warnings
from asyncio import base_events, constants, futures, trsock
from typing import Any

from giambio.asyncio.transports.ready_transports import ReadyTransports
from giambio.drivers import interest
from giambio.drivers.source import Source
from giambio.kernel.kernel import copy_or
from giambio.kernel.run_queue import Runnable
from giambio.net.basesocket import receive_buffer

__all__ = ["SocketTransport"]


class SocketTransport(Runnable):
    """A socket, its protocol, and what keeps them going; see `_begin`."""

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_closing",
        "_conn_lost",
        "_extra",
        "_high_water",
        "_loop",
        "_low_water",
        "_paused",
        "_protocol",
        "_protocol_paused",
        "_ready_transports",
        "_run_in_context",
        "_sock",
        "_sock_fd",
        "_source",
    )

    def _begin(
        self,
        loop: Any,
        ready: ReadyTransports,
        sock: stdlib_socket.socket,
        protocol: Any,
        extra: dict[str, Any] | None,
        context: contextvars.Context | None,
    ) -> None:
        """Take over a socket.

        Parameters:
            loop: asyncio's loop.
            ready: gives transports their turns.
            sock: the socket, which does not block.
            protocol: what is told of everything.
            extra: what `get_extra_info` knows beside the socket; or None.
            context: what the protocol is called in a copy of; None for the current one.
        """
        self._following = None
        self._queued = False
        self._is_task = False
        self._loop = loop
        self._ready_transports = ready
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
        self._buffer = receive_buffer(ready._kernel)
        self._paused = False
        # `close` or `abort` was called.
        self._closing = False
        # Above 0, the call of `connection_lost` is scheduled; further writes are counted here.
        self._conn_lost = 0
        self._protocol_paused = False
        self._set_limits(None, None)
        self.set_protocol(protocol)

    def _introduce(self, waiter: Any) -> None:
        """Have the protocol told of the transport, and then of what comes.

        Parameters:
            waiter: a future, done when the protocol was told of the transport; or None.
        """
        self._loop.call_soon(self._protocol.connection_made, self)
        self._loop.call_soon(self._begin_reading)
        if waiter is not None:
            self._loop.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._sock is None:
            return f"<{name} closed fd={self._sock_fd}>"
        state = "closing" if self._closing else "reading" if self.is_reading() else "paused"
        return f"<{name} {state} fd={self._sock_fd} write_buffer={self._unsent()}>"

    def __del__(self) -> None:
        if self._sock is not None:
            text = f"unclosed transport {self!r}"
            self._release()
            self._let_go(None)
            warnings.warn(text, ResourceWarning, 2, source=self)

    # -- what each kind does by itself ---------------------------------------------------

    def _receive(self, source: Source) -> None:
        """Receive once, so that a busy socket leaves the others their turns."""
        raise NotImplementedError

    def _flush(self, source: Source) -> None:
        """Send what is queued, and do what had to wait until all is sent."""
        raise NotImplementedError

    def _unsent(self) -> int:
        """Return the size of what is queued to be sent."""
        raise NotImplementedError

    def _drop_unsent(self) -> None:
        """Forget what is queued to be sent."""
        raise NotImplementedError

    def _let_go(self, exc: BaseException | None) -> None:
        """Let go of what only this kind holds, because the socket is closed."""
        raise NotImplementedError

    # -- what it is --------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport.get_extra_info`."""
        return self._extra.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        """See `asyncio.BaseTransport.set_protocol`."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """See `asyncio.BaseTransport.get_protocol`."""
        return self._protocol

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport.is_closing`."""
        return self._closing

    # -- turns -------------------------------------------------------------------------

    def _ready(self) -> None:
        """See `Waiter._ready`."""
        self._ready_transports.append(self)

    def _run(self) -> None:
        """Do what the socket is ready for."""
        source = self._source
        try:
            if source is not None and source.reader is self and source.readable:
                self._receive(source)
            if source is not None and source.writer is self and source.writable:
                self._flush(source)
        except BaseException:  # SystemExit, or from a signal handler: the loop may go on later
            self._ready_transports.append(self)
            raise

    def _wait_to_read(self, source: Source) -> None:
        """Receive when there is something, or in another turn if there may be more already."""
        source.reader = self
        if source.readable:
            self._ready_transports.append(self)
        else:
            self._arm(source, interest.READING)

    def _wait_to_write(self, source: Source) -> None:
        """Send when there is room, or in another turn if there may be some already."""
        source.writer = self
        if source.writable:
            self._ready_transports.append(self)
        else:
            self._arm(source, interest.WRITING)

    def _arm(self, source: Source, direction: int) -> None:
        if source.armed & direction:
            return
        driver = self._ready_transports._kernel._driver
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

    # -- writing and flow control --------------------------------------------------------

    def _count_lost_write(self) -> None:
        """Note a write after the end, and tell of it if there are many."""
        if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
            base_events.logger.warning("socket.send() raised exception.")  # type: ignore[attr-defined]
        self._conn_lost += 1

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport.get_write_buffer_size`."""
        return self._unsent()

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
        if self._unsent() > self._high_water and not self._protocol_paused:
            self._protocol_paused = True
            try:
                self._protocol.pause_writing()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self._report(exc, "protocol.pause_writing() failed")

    def _maybe_resume_protocol(self) -> None:
        if self._protocol_paused and self._unsent() <= self._low_water:
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
        if not self._unsent():
            self._lose(None)

    def abort(self) -> None:
        """See `asyncio.WriteTransport.abort`."""
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:
        """Close without sending what is left."""
        if self._conn_lost:
            return
        self._drop_unsent()
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
        try:
            self._protocol.connection_lost(exc)
        finally:
            self._release()
            self._protocol = self._run_in_context = self._loop = None
            self._let_go(exc)

    def _release(self) -> None:
        """Close the socket."""
        source: Any = self._source
        self._source = None
        source.reader = None
        source.writer = None
        driver = self._ready_transports._kernel._driver
        if driver is not None:
            driver.forget(source)
        self._sock.close()
        self._sock = None


def name_of_end(ask: Any) -> Any:
    """Return the name of one end of a connection; None if it is gone already."""
    try:
        return ask()
    except OSError:
        return None
