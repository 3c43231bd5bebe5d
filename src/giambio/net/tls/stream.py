"""TLS over any stream of bytes: the stream that users have.

One task may receive while another one sends; `Wire` keeps their ciphertext in order.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Generator
from contextlib import suppress
from typing import Any

from giambio._build.sealed import final
from giambio.errors import BrokenResourceError, BusyResourceError, ClosedResourceError
from giambio.kernel.operation import Closed
from giambio.net.tls.close_notify import part
from giambio.net.tls.records import PIECE, Records
from giambio.net.tls.wire import Wire
from giambio.streams.abc import ByteStream
from giambio.streams.budget import spend_budget
from giambio.streams.guard import Guard, bytes_like, check_size, half_sent_error
from giambio.tasks.manager import TaskManager
from giambio.tasks.timeouts import current_effective_deadline

__all__ = ["TLSStream"]


class TLSStream(ByteStream):
    """A byte stream that is encrypted, over another one. `start_tls` makes it.

    One task may receive while another one sends. `close` says goodbye to the other
    side (TLS's *close_notify*), so that it can tell a stream that has ended from
    one that was cut off. For that it has to be awaited, or be the end of ``async
    with``: in a cancelled scope, and after a `send_all` that was cancelled
    half-way, it says nothing and closes at once. Closed without waiting, by
    ``with`` or a forgotten ``await``, it says goodbye if a socket below has room.

    Example:
        >>> import giambio, socket
        >>> async def fetch(host, request):
        ...     sock = giambio.wrap_socket(socket.socket())
        ...     await sock.connect((host, 443))
        ...     async with giambio.start_tls(sock, server_hostname=host) as stream:
        ...         await stream.send_all(request)
        ...         return await stream.receive()
    """

    __slots__ = (
        "__weakref__",
        "_half_sent",
        "_leaving",
        "_receiving",
        "_records",
        "_released",
        "_sending",
        "_standard_compatible",
        "_wire",
    )

    def __init__(
        self,
        transport_stream: ByteStream,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None,
        standard_compatible: bool,
    ) -> None:
        self._records = Records(context, server_side, server_hostname)
        self._wire = Wire(transport_stream, self._records)
        self._standard_compatible = standard_compatible
        self._receiving = Guard("receiving from", "receive")
        self._sending = Guard("sending on", "send")
        self._half_sent = False
        # A task says goodbye; the stream below is closed.
        self._leaving = False
        self._released = False

    # -- the result of the handshake ------------------------------------------------------------

    @property
    def transport_stream(self) -> ByteStream:
        """The stream below.

        Example:
            >>> async def address(stream):
            ...     return stream.transport_stream.getpeername()
        """
        return self._wire.stream

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The `ssl.SSLObject` inside, for data without a property here. Do not send with it.

        Example:
            >>> async def fingerprint(stream):
            ...     return hash(stream.ssl_object.getpeercert(binary_form=True))
        """
        return self._records.share()

    @property
    def alpn_protocol(self) -> str | None:
        """The protocol that was agreed on by ALPN, such as ``"h2"``, or None.

        Example:
            >>> async def speaks_http2(stream):
            ...     return stream.alpn_protocol == "h2"
        """
        return self._records.ssl_object.selected_alpn_protocol()

    @property
    def tls_version(self) -> str | None:
        """The version of TLS, such as ``"TLSv1.3"``.

        Example:
            >>> async def is_recent(stream):
            ...     return stream.tls_version == "TLSv1.3"
        """
        return self._records.ssl_object.version()

    @property
    def cipher(self) -> tuple[str, str, int] | None:
        """Name, TLS version and number of secret bits of the cipher.

        Example:
            >>> async def strength(stream):
            ...     return stream.cipher[2]
        """
        return self._records.ssl_object.cipher()

    @property
    def peer_certificate(self) -> Any:
        """The other side's certificate as a dict, empty if unchecked, None if it has none.

        Example:
            >>> async def names(stream):
            ...     return stream.peer_certificate["subjectAltName"]
        """
        return self._records.ssl_object.getpeercert()

    # -- for users -----------------------------------------------------------------------

    async def receive(self, max_size: int = 65536) -> bytes:
        """Receive and decrypt some data; see `ReceiveStream.receive`.

        Parameters:
            max_size: the most to return, in bytes; 65536 by default.

        Returns:
            The bytes; ``b""`` when the other side has ended its stream.

        Raises:
            TypeError, ValueError: `max_size` is not a number from 1 up.
            BusyResourceError: another task is receiving.
            ClosedResourceError: the stream is closed, or was while waiting.
            BrokenResourceError: the connection broke, the other side breaks
                the rules of TLS, or it hung up without saying goodbye: then
                something may be missing (see `start_tls`).
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> async def first_bytes(stream):
            ...     return await stream.receive(10)
        """
        check_size("receive()", "max_size", max_size)
        await spend_budget()
        with self._receiving:
            self._wire.check_open()
            try:
                return await self._wire.drive(self._records.decrypt, max_size)
            except ssl.SSLEOFError as exc:
                if self._standard_compatible:
                    raise BrokenResourceError(
                        "the other side hung up without TLS's goodbye (close_notify), so "
                        "something may be missing; start_tls(standard_compatible=False) allows it"
                    ) from exc
                self._records.ended = True
                return b""
            except ssl.SSLError as exc:
                raise broken_error(exc) from exc

    async def send_all(self, data: Any) -> None:
        """Encrypt all of the data and send it; see `SendStream.send_all`.

        Parameters:
            data: any bytes-like object, of any size. It must not change before
                this is done.

        Raises:
            TypeError: it is not bytes-like.
            BusyResourceError: another task is sending.
            ClosedResourceError: the stream is closed, or was while waiting.
            BrokenResourceError: the connection broke, `send_eof` was called, or
                an earlier `send_all` was cancelled half-way.
            CancelledError: the task is in a cancelled scope.

        A checkpoint. Cancelled, a part may have been sent; then further sends
        raise `BrokenResourceError`. Receiving goes on.

        Example:
            >>> async def echo(stream):
            ...     async with stream:
            ...         while data := await stream.receive():
            ...             await stream.send_all(data)
        """
        view = bytes_like("send_all()", data)
        records = self._records
        await spend_budget()
        with self._sending:
            self._check_sending()
            taken = 0
            try:
                if self._wire.unsent:
                    await self._wire.flush()
                while taken < len(view):
                    taken += await self._wire.drive(records.encrypt, view[taken : taken + PIECE])
                    await self._wire.flush()
            except ssl.SSLError as exc:
                raise broken_error(exc) from exc
            except (BrokenResourceError, ClosedResourceError):
                raise
            except BaseException:
                self._half_sent = taken > 0
                raise

    async def send_eof(self) -> None:
        """End the stream to the other side, which receives ``b""``.

        Receiving goes on. Only TLS 1.3 can do this: in TLS 1.2 and before, a peer
        that receives a goodbye has to stop sending as well.

        Raises:
            NotImplementedError: this is TLS 1.2 or older.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `send_all`.

        A checkpoint. Cancelled, it goes out before the next data.
        Harmless a second time.

        Example:
            >>> async def ask(stream, question):
            ...     await stream.send_all(question)
            ...     await stream.send_eof()
            ...     return await stream.receive()
        """
        await spend_budget()
        with self._sending:
            if not self._records.goodbye_said:
                self._check_sending()
                if self.tls_version != "TLSv1.3":
                    raise NotImplementedError(
                        f"{self.tls_version} cannot end one direction alone, only TLS 1.3 can; "
                        "end each message by itself, or close the stream"
                    )
                self._records.keep_what_has_come()
                self._records.say_goodbye()
            self._wire.check_open()
            await self._wire.flush()

    def _check_sending(self) -> None:
        self._wire.check_open()
        if self._half_sent:
            raise half_sent_error()
        if self._records.goodbye_said:
            raise BrokenResourceError("this side has ended its stream with send_eof()")

    async def _handshake(self) -> None:
        """Agree with the other side on its identity and on the encryption.

        Raises:
            ssl.SSLError: there is no agreement.
            BrokenResourceError: the other side hung up, or the connection broke.
        """
        try:
            await self._wire.drive(self._records.shake_hands)
        except ssl.SSLEOFError as exc:
            raise BrokenResourceError(
                "the other side hung up in the middle of the TLS handshake"
            ) from exc
        except ssl.SSLError:
            await self._wire.answer()  # the alert, which names the error
            raise
        # All that a server has left to send in TLS 1.3 are tickets for later. They go
        # with the first data: a client that only sends would close with them unread,
        # which resets the connection, and one that has gone would break it here.
        if not (self._records.ssl_object.server_side and self.tls_version == "TLSv1.3"):
            await self._wire.flush()

    # -- closing ---------------------------------------------------------------------------------

    def close(self) -> Awaitable[None]:
        """Say goodbye and close, the stream below too. Await it.

        The goodbye may have to wait for room, as any sending; data that comes
        meanwhile is dropped. It does not wait for the other side's. Without an
        ``await`` it is closed at once.

        Raises:
            CancelledError: when awaited in a cancelled scope; it is closed then,
                at once and without a goodbye.

        Awaited, a checkpoint. Harmless a second time.

        Example:
            >>> async def hang_up(stream):
            ...     with giambio.move_on_after(5):
            ...         await stream.close()
        """
        self._wire.closed = True
        return Closed() if self._leaving or self._released else Closing(self)

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._wire.closed = True
        if self._released:
            return
        self._released = True
        try:
            if self._ends_here() and not self._wire.flushing and not in_cancelled_scope():
                self._records.say_goodbye()
                part(self._wire.stream, b"".join((self._wire.unsent, self._records.take_out())))
        finally:
            self._wire.stream.close_now()

    async def _leave(self) -> None:
        """Say goodbye and close: the work of a `close` that is awaited."""
        self._leaving = True
        try:
            if self._ends_here():
                self._records.say_goodbye()
                async with TaskManager(strict=False) as manager:
                    manager.start_soon(self._drain)
                    await self._wire.flush()
                    manager.cancel()
                part(self._wire.stream, b"")
        except (BrokenResourceError, ClosedResourceError):
            pass  # nobody receives the goodbye
        except BaseException:
            self._released = True
            self._wire.stream.close_now()
            raise
        self._released = True
        await self._wire.stream.close()

    async def _drain(self) -> None:
        """Receive the rest: until then, the other side may not receive the goodbye."""
        with suppress(BrokenResourceError, BusyResourceError, ClosedResourceError):
            while not self._wire.ended:
                await self._wire.fill()

    def _ends_here(self) -> bool:
        """Tell whether a goodbye would be true: no sent data is incomplete."""
        return not (self._half_sent or self._sending.busy)

    def __repr__(self) -> str:
        return f"<giambio.TLSStream {self.tls_version or 'new'} on {self._wire.stream!r}>"


final(TLSStream)


class Closing:
    """The awaitable of `TLSStream.close`: dropped without an ``await``, it closes at once."""

    __slots__ = ("_stream",)

    def __init__(self, stream: TLSStream) -> None:
        self._stream: TLSStream | None = stream

    def __await__(self) -> Generator[Any, Any, None]:
        stream = self._stream
        if stream is None:
            raise RuntimeError("this close() was awaited already; call it again")
        self._stream = None
        return stream._leave().__await__()

    def __del__(self) -> None:
        if self._stream is not None:
            self._stream.close_now()


def in_cancelled_scope() -> bool:
    """Tell whether the calling task, if there is one, is in a cancelled scope."""
    try:
        return current_effective_deadline() == float("-inf")
    except RuntimeError:
        return False


def broken_error(exc: ssl.SSLError) -> BrokenResourceError:
    """Return the error for one of OpenSSL's in the middle of a connection."""
    return BrokenResourceError(f"the TLS connection broke: {exc.strerror}")
