"""TextFile of a file: what `io.TextIOWrapper` does, over the async bytes of `buffered`.

Decoding, newline translation and the cookies of `tell` are the standard library's
own, fed in memory. At every ``await`` the decoded text and the bytes that it came
from are in order, so whatever is cancelled or fails there loses nothing.
"""

from __future__ import annotations

import codecs
import io
import os
from typing import Any

from giambio.files.binary_file import BinaryFile
from giambio.files.file_state import FileState
from giambio.tasks.cancel import CancelScope

__all__ = ["TextFile"]

#: Where the parts of CPython's cookies begin, and how wide they are, in bits: from where
#: to read, in which state of the decoder, how many bytes to feed it, how many characters
#: to skip then, and whether that is the end.
START, FLAGS, FEED, SKIP, END = (0, 64), (64, 32), (96, 32), (128, 32), (160, 8)


class TextFile:
    """The methods of a text file, for the task whose turn it is."""

    __slots__ = (
        "_bytes",
        "_decoder",
        "_encoder",
        "_fed",
        "_file",
        "_flags",
        "_newline",
        "_text",
        "_used",
        "_write_newline",
        "encoding",
        "errors",
        "line_buffering",
    )

    def __init__(
        self,
        file: FileState,
        encoding: str | None,
        errors: str | None,
        newline: str | None,
        line_buffering: bool,
    ) -> None:
        # Python's own judges the arguments, and knows the defaults.
        model = io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)
        self.encoding: str = model.encoding
        self.errors: str = model.errors or "strict"
        self.line_buffering = line_buffering
        self._file = file
        self._bytes = BinaryFile(file)
        self._newline = newline
        self._write_newline = os.linesep if newline is None else newline or "\n"
        self._encoder = codecs.getincrementalencoder(self.encoding)(self.errors)
        self._decoder: Any = codecs.getincrementaldecoder(self.encoding)(self.errors)
        if not newline:
            self._decoder = io.IncrementalNewlineDecoder(self._decoder, newline is None)
        # Decoded text, how much of it is used, and what it was decoded from: the state of
        # the decoder before, and the bytes since.
        self._text = ""
        self._used = 0
        self._flags = 0
        self._fed: list[bytes] = []
        if file.writable and file.seekable and self._bytes.position():
            self._encoder.setstate(0)  # not the place for a byte order mark

    @property
    def newlines(self) -> Any:
        """The kinds of line ends that were seen; None if that is not known."""
        return getattr(self._decoder, "newlines", None)

    # -- reading ----------------------------------------------------------------------

    async def read(self, size: int) -> str:
        """Read so many characters, or all if `size` is below zero; fewer only at the end."""
        if size < 0:
            decoded = self._decode(await self._bytes.read(-1), True)
            text = self._take(self._unread()) + decoded
            self._forget_text()
            return text
        while self._unread() < size and await self._decode_more(size):
            pass
        return self._take(size)

    async def readline(self, size: int) -> str:
        """Read to the end of the line; at most `size` characters if that is not below zero."""
        seen = 0
        while True:
            length = self._line_length(seen)
            if length or 0 <= size <= self._unread():
                break
            seen = max(0, self._unread() - 1)  # a line end may have come in part
            if not await self._decode_more(1):
                length = self._unread()
                break
        if size >= 0:
            length = min(length, size) if length else size
        return self._take(length)

    async def readlines(self, hint: int) -> list[str]:
        """Read lines, until they have more than `hint` characters if that is above zero."""
        while (hint <= 0 or self._unread() <= hint) and await self._decode_more(hint):
            pass
        start = self._used
        lines: list[str] = []
        try:
            while self._unread() and (hint <= 0 or self._used - start <= hint):
                lines.append(await self.readline(-1))
        except BaseException:
            self._used = start
            raise
        return lines

    def _line_length(self, seen: int) -> int:
        """How long the next line is; 0 if its end has not come, which `seen` have not either."""
        start = self._used + seen
        if self._newline == "":
            ends = [self._text.find(end, start) for end in ("\n", "\r")]
            found = min((end for end in ends if end >= 0), default=-1)
            width = 2 if self._text.startswith("\r\n", found) else 1
        else:
            end = self._newline or "\n"
            found = self._text.find(end, start)
            width = len(end)
        return found + width - self._used if found >= 0 else 0

    async def _decode_more(self, size: int) -> bool:
        """Decode some more of the file; False at its end."""
        if not self._unread():
            buffered, self._flags = self._decoder.getstate()
            self._fed = [buffered] if buffered else []
            self._text = ""
            self._used = 0
        # The longer the line, the larger the pieces, or a long one would take for ever.
        data = await self._bytes.read_available(max(self._file.fill, size, self._unread()))
        self._text += self._decode(data, not data)
        if data:
            self._fed.append(data)
        return bool(data)

    def _decode(self, data: bytes, final: bool) -> str:
        try:
            text: str = self._decoder.decode(data, final)
        except BaseException:
            self._file.put_ahead(data)
            raise
        return text

    def _unread(self) -> int:
        return len(self._text) - self._used

    def _take(self, size: int) -> str:
        """Take at most so many characters."""
        text = self._text[self._used : self._used + size]
        self._used += len(text)
        return text

    def _forget_text(self) -> None:
        self._text = ""
        self._used = 0
        self._flags = 0
        self._fed = []

    # -- writing ----------------------------------------------------------------------

    async def write(self, text: Any) -> int:
        """Take text for writing; the number of characters, which is all of them."""
        if not isinstance(text, str):
            raise TypeError(f"write() needs a str in a text file, not {type(text).__name__}")
        if not self._file.writable:
            raise io.UnsupportedOperation("write: this file was opened for reading only")
        if self._fed or self._text:
            await self._go_to_reader()
        has_line_end = "\n" in text
        translated = text
        if has_line_end and self._write_newline != "\n":
            translated = text.replace("\n", self._write_newline)
        state = self._encoder.getstate()
        try:
            await self._bytes.write(self._encoder.encode(translated))
        except BaseException:
            self._encoder.setstate(state)
            raise
        if self.line_buffering and (has_line_end or "\r" in text):
            await self._bytes.flush()
        return len(text)

    async def _go_to_reader(self) -> None:
        """Write where the reader is, and not where what it has decoded ends."""
        if self._file.seekable and self._unread():
            cookie = self.cookie()
            await self._bytes.seek(part(cookie, START) + part(cookie, FEED), os.SEEK_SET)
        self._forget_text()
        self._decoder.reset()

    async def readinto(self, buffer: Any) -> int:
        """TextFile does not fit into a buffer of bytes."""
        raise io.UnsupportedOperation("readinto: this is a text file; open it with 'rb'")

    async def receive(self, max_size: int) -> bytes:
        """See `readinto`."""
        raise io.UnsupportedOperation("receive: this is a text file; open it with 'rb'")

    async def send_all(self, data: Any) -> None:
        """See `readinto`."""
        raise io.UnsupportedOperation("send_all: this is a text file; open it with 'wb'")

    async def flush(self) -> None:
        """See `BinaryFile.flush`."""
        await self._bytes.flush()

    async def close(self) -> None:
        """See `BinaryFile.close`."""
        await self._bytes.close()

    def close_now(self) -> None:
        """See `BinaryFile.close_now`."""
        self._bytes.close_now()

    def is_open(self) -> bool:
        """See `BinaryFile.is_open`."""
        return self._bytes.is_open()

    async def fsync(self) -> None:
        """See `BinaryFile.fsync`."""
        await self._bytes.fsync()

    async def truncate(self, size: int | None) -> int:
        """See `BinaryFile.truncate`."""
        if self._fed or self._text:
            await self._go_to_reader()
        return await self._bytes.truncate(size)

    # -- the position -----------------------------------------------------------------

    async def tell(self) -> int:
        """See `AsyncFile.tell`."""
        if self._file.appending:
            await self.flush()  # only the system knows where that ends
        return self.cookie()

    def cookie(self) -> int:
        """A cookie for `seek`; a position if no decoder has to be brought into a state."""
        position = self._bytes.position()
        if not self._fed and not self._text:
            return position | self._flags << FLAGS[0]
        # Python's own finds it out in a copy of what was decoded. It stands at 1 there,
        # because at 0 it would start its decoder anew.
        fed = b"".join(self._fed)
        model = io.TextIOWrapper(io.BytesIO(b"\0" + fed), self.encoding, self.errors, self._newline)
        model.seek(1 | self._flags << FLAGS[0])
        model.read(self._used)
        return model.tell() - 1 + position - len(fed)

    async def seek(self, cookie: int, whence: int) -> int:
        """Go to where `tell` gave the cookie, to the beginning or the end."""
        if whence == os.SEEK_CUR:
            if cookie:
                raise io.UnsupportedOperation("text can only be sought by what tell() returned")
            cookie = await self.tell()
        elif whence == os.SEEK_END:
            if cookie:
                raise io.UnsupportedOperation("text can only be sought to its very end")
            cookie = await self._bytes.seek(0, os.SEEK_END)
        elif whence != os.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        if cookie < 0:
            raise ValueError(f"negative seek position {cookie!r}")
        start, flags = part(cookie, START), part(cookie, FLAGS)
        await self._bytes.seek(start, os.SEEK_SET)
        self._forget_text()
        if start or flags:
            self._decoder.setstate((b"", flags))
        else:
            self._decoder.reset()
        skip = part(cookie, SKIP)
        if start or skip:
            self._encoder.setstate(0)  # not the place for a byte order mark
        else:
            self._encoder.reset()
        self._flags = flags
        if skip:
            with CancelScope(shield=True):  # what is sought half-way is nowhere
                data = await self._bytes.read(part(cookie, FEED))
            self._fed = [data]
            self._text = self._decode(data, bool(part(cookie, END)))
            if len(self._text) < skip:
                raise OSError("can't restore logical file position")
            self._used = skip
        return cookie

    def fileno(self) -> int:
        """The descriptor."""
        return self._bytes.fileno()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._bytes.isatty()

    def readable(self) -> bool:
        """Tell whether it is open for reading."""
        return self._bytes.readable()

    def writable(self) -> bool:
        """Tell whether it is open for writing."""
        return self._bytes.writable()

    def seekable(self) -> bool:
        """Tell whether it has a position."""
        return self._bytes.seekable()


def part(cookie: int, place: tuple[int, int]) -> int:
    """A part of a cookie."""
    begin, width = place
    return cookie >> begin & (1 << width) - 1
