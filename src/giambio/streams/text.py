"""Text over a stream of bytes.

A piece of a stream may end in the middle of a character, so pieces cannot be
decoded one by one: the part of a character has to wait for its rest.
"""

from __future__ import annotations

import codecs
from collections.abc import Awaitable, Coroutine
from typing import Any

from giambio._build.sealed import final
from giambio.streams.abc import Closeable, ReceiveStream, SendStream
from giambio.streams.guard import Guard, to_receive_from, to_send_on

__all__ = ["TextStream"]


class TextStream(Closeable):
    """A stream of text, on top of one of bytes that goes one way or both.

    For lines of text, decode the lines of a `BufferedStream`: in UTF-8 no
    character contains a byte that looks like a newline.

    Parameters:
        stream: a `ReceiveStream`, a `SendStream` or both.
        encoding: UTF-8 by default.
        errors: the treatment of text that cannot be encoded and of bytes that
            are no text, as for `str.encode`; ``"strict"``, the default, raises.

    Raises:
        TypeError: it is no stream.
        LookupError: there is no such encoding, or no such way to handle errors.

    Example:
        >>> import giambio
        >>> async def main():
        ...     left, right = giambio.memory_stream_pair()
        ...     async with giambio.TextStream(left) as here, giambio.TextStream(right) as there:
        ...         await here.send_all("Grüße")
        ...         return await there.receive()
        >>> giambio.run(main)
        'Grüße'
    """

    __slots__ = ("__weakref__", "_decoder", "_encoder", "_receiving", "_sending", "_stream")

    def __init__(
        self, stream: ReceiveStream | SendStream, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        if not isinstance(stream, ReceiveStream | SendStream):
            raise TypeError(f"TextStream() needs a stream of bytes, not {stream!r}")
        "".encode(encoding)  # raises if it is an encoding, but not of text
        codecs.lookup_error(errors)
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._encoder = codecs.getincrementalencoder(encoding)(errors)
        self._receiving = Guard("receiving from", "receive")
        self._sending = Guard("sending on", "send")

    async def receive(self) -> str:
        """Receive some text, in whole characters; wait for at least one.

        Returns:
            The text; ``""`` at the end.

        Raises:
            UnicodeDecodeError: it is no text; the exception has the bytes.
            TypeError: the stream below cannot receive.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `ReceiveStream.receive`.

        A checkpoint. Cancelled, nothing was received and nothing is lost.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await left.send_all("Grüße".encode())
            ...     return await giambio.TextStream(right).receive()
            >>> giambio.run(main)
            'Grüße'
        """
        below = to_receive_from(self._stream)
        with self._receiving:
            while True:
                data = await below.receive()
                text = self._decoder.decode(data, not data)
                if text or not data:
                    return text

    async def send_all(self, text: str) -> None:
        """Encode text and send it.

        Parameters:
            text: the text.

        Raises:
            UnicodeEncodeError: the encoding does not have one of the characters.
            TypeError: it is no text, or the stream below cannot send.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            CancelledError: see `SendStream.send_all`.

        A checkpoint. Cancelled, a part may have been sent; see `SendStream.send_all`.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await giambio.TextStream(left).send_all("Grüße")
            ...     return (await right.receive()).decode()
            >>> giambio.run(main)
            'Grüße'
        """
        if not isinstance(text, str):
            raise TypeError(f"TextStream.send_all() needs a str, not {type(text).__name__}")
        below = to_send_on(self._stream)
        with self._sending:
            state = self._encoder.getstate()
            data = self._encoder.encode(text)
            try:
                await below.send_all(data)
            except BaseException:
                # If nothing was sent, a byte order mark was not sent either.
                self._encoder.setstate(state)
                raise

    def send_eof(self) -> Coroutine[Any, Any, None]:
        """End the sending half of the stream below; see `ByteStream.send_eof`.

        Raises:
            TypeError: the stream below cannot do this.
            BusyResourceError, ClosedResourceError, BrokenResourceError,
            NotImplementedError, CancelledError: see `ByteStream.send_eof`.

        A checkpoint.

        Example:
            >>> import giambio
            >>> async def main():
            ...     left, right = giambio.memory_stream_pair()
            ...     await giambio.TextStream(left).send_eof()
            ...     return await giambio.TextStream(right).receive()
            >>> giambio.run(main)
            ''
        """
        return to_send_on(self._stream).send_eof()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        self._stream.close_now()

    def close(self) -> Awaitable[None]:
        """Close the stream below; see `Closeable.close`."""
        return self._stream.close()

    def __repr__(self) -> str:
        return f"<giambio.TextStream on {self._stream!r}>"


final(TextStream)
