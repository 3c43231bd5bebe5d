"""A text file: `io.TextIOWrapper`, over the async bytes of `BinaryFile`.

Decoding, newline translation and the cookies of `tell` are the standard library's
own, fed in memory. At every ``await`` the decoded text and its bytes are consistent,
so a cancellation or an error there loses nothing.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import struct
from typing import Any

from giambio.files.binary_file import BinaryFile
from giambio.kernel.kernel import Kernel
from giambio.tasks.cancel import CancelScope

__all__ = ["TextFile"]

#: CPython's cookies: where to read from, the state of the decoder there, how many bytes to
#: feed it, how many characters to skip then, and whether that is the end.
COOKIE = struct.Struct("<QIIIB")


class TextFile(BinaryFile):
    """The methods of a text file, for the task that has its turn.

    Reading and seeking are in characters here, and in bytes in the base class.
    """

    __slots__ = (
        "_by_line",
        "_decoder",
        "_encoder",
        "_fed",
        "_flags",
        "_latest",
        "_line_end",
        "_newline",
        "_skipped",
        "_write_newline",
        "encoding",
        "errors",
    )

    def __init__(
        self,
        kernel: Kernel,
        fd: int,
        name: Any,
        mode: str,
        buffer: int,
        shared: bool,
        by_line: bool,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> None:
        super().__init__(kernel, fd, name, mode, buffer, shared)
        # Python's own class checks the arguments, and knows the defaults.
        model = io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)
        self.encoding: str = model.encoding
        self.errors: str = model.errors or "strict"
        self.is_text = True
        self.by_newline = newline in (None, "\n")
        self._by_line = by_line
        self._newline = newline
        self._line_end = re.compile("\r\n?|\n" if newline == "" else newline or "\n")
        self._write_newline = os.linesep if newline is None else newline or "\n"
        self._encoder = codecs.getincrementalencoder(self.encoding)(self.errors)
        self._decoder: Any = codecs.getincrementaldecoder(self.encoding)(self.errors)
        if not newline:
            self._decoder = io.IncrementalNewlineDecoder(self._decoder, newline is None)
        self._hold()
        if self.can_write and self.can_seek and self.position():
            self._encoder.setstate(0)  # not the place for a byte order mark

    @property
    def newlines(self) -> Any:
        """Kinds of line ends seen so far; None if unknown."""
        return getattr(self._decoder, "newlines", None)

    # -- reading ----------------------------------------------------------------------

    async def read(self, size: int) -> str:  # type: ignore[override]
        """Read `size` characters, or all if negative; fewer only at the end."""
        if size < 0:
            decoded = self._decode(await super().read(-1), True)
            text = self._take_text(self._left()) + decoded
            self._hold()
            return text
        while self._left() < size and await self._decode_more(size):
            pass
        return self._take_text(size)

    async def readline(self, size: int) -> str:  # type: ignore[override]
        """Read a line; at most `size` characters, unless negative."""
        return self._take_text(await self._line_length(0, size))

    async def _line_length(self, start: int, size: int = -1) -> int:
        """Length of the line that begins `start` characters further on; at most `size`."""
        seen = start
        while True:
            end = self._line_end.search(self.text, self.used + seen)
            length = end.end() - self.used - start if end else 0
            if length or 0 <= size <= self._left() - start:
                break
            seen = max(start, self._left() - 1)  # a line end may have come in part
            if not await self._decode_more(1):
                length = self._left() - start
                break
        if size >= 0:
            length = min(length, size) if length else size
        return length

    async def readlines(self, hint: int) -> list[str]:  # type: ignore[override]
        """Read lines until they exceed `hint` characters; all if it is not positive."""
        while (hint <= 0 or self._left() <= hint) and await self._decode_more(hint):
            pass
        total = 0
        lengths: list[int] = []
        while total < self._left() and (hint <= 0 or total <= hint):
            lengths.append(await self._line_length(total))
            total += lengths[-1]
        return [self._take_text(length) for length in lengths]

    async def _decode_more(self, size: int) -> bool:
        """Read and decode some more; False at the end of the file."""
        self._forget_used()
        # Pieces grow with the line, or a long one would take quadratic time.
        data = await super().receive(max(self.buffer, size, self._left()))
        buffered, flags = self._decoder.getstate()
        decoded = self._decode(data, not data)
        if data:
            self._latest = (len(self.text), flags, buffered + data)
            self._fed.append(data)
        self.text += decoded
        return bool(data)

    def _forget_used(self) -> None:
        """Forget the text that has been used, and the bytes that `cookie` no longer needs."""
        left = self.text[self.used :]
        start, flags, fed = self._latest
        if not left:
            buffered, flags = self._decoder.getstate()
            self._hold(flags=flags, fed=buffered)
        elif self.used >= start:  # all that is left is of the piece that was decoded last
            self._hold(left, flags=flags, fed=fed, skipped=self.used - start)
        else:
            self._skipped += self.used
            self._latest = (start - self.used, flags, fed)
            self.text = left
            self.used = 0

    def _decode(self, data: bytes, final: bool) -> str:
        try:
            text: str = self._decoder.decode(data, final)
        except BaseException:
            self.put(data + self.take(-1))
            raise
        return text

    def _left(self) -> int:
        return len(self.text) - self.used

    def _take_text(self, size: int) -> str:
        """Take at most `size` characters."""
        text = self.text[self.used : self.used + size]
        self.used += len(text)
        return text

    def _hold(self, text: str = "", flags: int = 0, fed: bytes = b"", skipped: int = 0) -> None:
        """Set the decoded text.

        It was decoded from the bytes that the decoder was `fed`, in the state `flags`, after
        characters that are `skipped` here.
        """
        self.text = text
        self.used = 0
        self._skipped = skipped
        self._flags = flags
        self._fed = [fed] if fed else []
        # Where the piece begins that was decoded last; the state before it, and its bytes.
        self._latest = (-skipped, flags, fed)

    # -- writing ----------------------------------------------------------------------

    async def write(self, text: Any) -> int:
        """Encode and buffer text; return its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() needs a str in a text file, not {type(text).__name__}")
        self._begin_writing("write")
        state = self._encoder.getstate()
        try:
            data = self._encoder.encode(text.replace("\n", self._write_newline))
            await BinaryFile.write(self, data)  # cheaper than super()
        except BaseException:
            self._encoder.setstate(state)
            raise
        if self._by_line and ("\n" in text or "\r" in text):
            await self.flush()
        return len(text)

    def _begin_writing(self, what: str, data: Any = b"") -> Any:
        """Move the file to the reader's position, from the end of the decoded text."""
        data = BinaryFile._begin_writing(self, what, data)
        if self._fed or self.text:
            if self.can_seek and self._left():
                start, _, feed, *_ = parse_cookie(self.cookie())
                os.lseek(self.fd, start + feed, os.SEEK_SET)
            self._hold()
            self._decoder.reset()
        return data

    async def readinto(self, buffer: Any) -> int:
        """Raise: text does not fit into a buffer of bytes."""
        raise io.UnsupportedOperation("readinto: this is a text file; open it with 'rb'")

    async def receive(self, max_size: int) -> bytes:
        """See `readinto`."""
        raise io.UnsupportedOperation("receive: this is a text file; open it with 'rb'")

    async def send_all(self, data: Any) -> None:
        """See `readinto`."""
        raise io.UnsupportedOperation("send_all: this is a text file; open it with 'wb'")

    # -- the position -----------------------------------------------------------------

    async def tell(self) -> int:
        """See `AsyncFile.tell`."""
        if self.appending:
            await self.flush()  # only the system knows the end of the file
        return self.cookie()

    def cookie(self) -> int:
        """Cookie for `seek`: the position, unless the decoder has a state."""
        position = self.position()
        if not self._fed and not self.text:
            return position | self._flags << 64
        # Python's own class computes it on a copy of the bytes. They begin at 1, because at 0
        # it would reset its decoder.
        fed = b"".join(self._fed)
        model = io.TextIOWrapper(io.BytesIO(b"\0" + fed), self.encoding, self.errors, self._newline)
        model.seek(1 | self._flags << 64)
        model.read(self._skipped + self.used)
        return model.tell() - 1 + position - len(fed)

    async def seek(self, cookie: int, whence: int) -> int:
        """Seek to a cookie of `tell`, to the beginning or the end."""
        if whence == os.SEEK_CUR:
            if cookie:
                raise io.UnsupportedOperation("text can only be sought by what tell() returned")
            cookie = await self.tell()
        elif whence == os.SEEK_END:
            if cookie:
                raise io.UnsupportedOperation("text can only be sought to its very end")
            cookie = await super().seek(0, os.SEEK_END)
        elif whence != os.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        if cookie < 0:
            raise ValueError(f"negative seek position {cookie!r}")
        start, flags, feed, skip, end = parse_cookie(cookie)
        await super().seek(start, os.SEEK_SET)
        if start or flags:
            self._decoder.setstate((b"", flags))
        else:
            self._decoder.reset()
        if start or skip:
            self._encoder.setstate(0)  # not the place for a byte order mark
        else:
            self._encoder.reset()
        self._hold(flags=flags)
        if skip:
            with CancelScope(shield=True):  # half-way, the position would be lost
                fed = await super().read(feed)
            text = self._decode(fed, bool(end))
            self._hold(text[skip:], flags, fed, min(skip, len(text)))
            if len(text) < skip:
                raise OSError("can't restore logical file position")
        return cookie


def parse_cookie(cookie: int) -> tuple[int, ...]:
    """Take a cookie apart; see `COOKIE`."""
    return COOKIE.unpack(cookie.to_bytes(COOKIE.size, "little"))
