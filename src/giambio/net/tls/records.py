"""TLS without any I/O: plain bytes on one side, ciphertext on the other.

Python's `ssl.SSLObject` does the cryptography, between two buffers in memory. Here
are the steps that can be taken with it. None of them waits: `shake_hands`, `encrypt`
and `decrypt` return None when they cannot go on, and are to be called again when more
ciphertext has been taken in. After each step there may be ciphertext to take out.
"""

from __future__ import annotations

import ssl
from copy import copy

__all__ = ["PIECE", "Records"]

#: How much is moved at once, of plain bytes or of ciphertext: four full records.
PIECE = 65536
#: The most that a record can hold (RFC 8446, section 5.1).
RECORD = 16384


class Records:
    """One end of a TLS connection."""

    __slots__ = (
        "_drained",
        "_failure",
        "_incoming",
        "_outgoing",
        "_plain",
        "_shared",
        "answering",
        "ended",
        "goodbye_said",
        "ssl_object",
    )

    def __init__(
        self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self._incoming, self._outgoing, server_side, server_hostname=server_hostname
        )
        # Whether OpenSSL is known to have nothing to read: to ask it costs an exception.
        self._drained = False
        # Whether users have the TLS object, too. Then it is never known: see `share`.
        self._shared = (
            context.sni_callback is not None or context.sslobject_class is not ssl.SSLObject
        )
        # Decrypted ahead of demand.
        self._plain = bytearray()
        self._failure: ssl.SSLError | None = None
        # TLS itself has output that the other side waits for.
        self.answering = False
        # The other side has said goodbye, or is taken to have; and this side.
        self.ended = False
        self.goodbye_said = False

    def share(self) -> ssl.SSLObject:
        """Give the TLS object to a user, who may have it do things that are not known here.

        For example, it may be told to ask for a certificate: the next step produces the
        question, even a `decrypt` when nothing has come. So OpenSSL is always asked then.
        """
        self._shared = True
        self._drained = False
        return self.ssl_object

    # -- ciphertext --------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """The number of bytes of ciphertext to take out."""
        return self._outgoing.pending

    def take_out(self) -> bytes:
        """Return the ciphertext that is to be sent. It cannot be produced again."""
        return self._outgoing.read()

    def take_in(self, ciphertext: bytes) -> None:
        """Put in received ciphertext."""
        self._incoming.write(ciphertext)
        self._drained = False

    # -- steps -------------------------------------------------------------------------

    def shake_hands(self) -> bool | None:
        """Go on with the handshake; True when it is done."""
        before = self._outgoing.pending
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            self._note_answer(before)
            return None
        return True

    def encrypt(self, piece: memoryview) -> int | None:
        """Encrypt, and return the number of bytes taken."""
        self._check()
        before = self._outgoing.pending
        try:
            return self.ssl_object.write(piece)
        except ssl.SSLWantReadError:
            self._note_answer(before)
            return None

    def decrypt(self, max_size: int) -> bytes | None:
        """Return decrypted data; ``b""`` at the end."""
        if self._plain:
            data = bytes(self._plain[:max_size])
            del self._plain[:max_size]
            return data
        return self._read(max_size)

    def _read(self, max_size: int) -> bytes | None:
        """Decrypt as many records as have come, not one at a time."""
        self._check()
        before = self._outgoing.pending
        parts: list[bytes] = []
        room = max_size
        while room and not (self.ended or self._drained):
            try:
                part = self.ssl_object.read(min(room, RECORD))
            except ssl.SSLZeroReturnError:
                part = b""  # the goodbye
            except ssl.SSLWantReadError:
                self._drained = not self._shared
                break
            except ssl.SSLError as exc:
                # Without its traceback, in which this object is. A copy has none, unless somebody
                # has told `copyreg` otherwise, as tblib does, which Dask imports.
                self._failure = copy(exc).with_traceback(None)
                if not parts:
                    raise
                break  # data before the error is good; the error comes again
            self.ended = not part
            parts.append(part)
            room -= len(part)
            if not (self._incoming.pending or self.ssl_object.pending()):
                self._drained = not self._shared
                break
        self._note_answer(before)
        return b"".join(parts) if parts or self.ended else None

    def _note_answer(self, before: int) -> None:
        """Note output other than the users' data: the other side needs it to go on.

        Parameters:
            before: `pending` before the step.
        """
        if self._outgoing.pending > before:
            self.answering = True

    def _check(self) -> None:
        """Raise the first error again, because OpenSSL says something else the second time."""
        if self._failure is not None:
            raise copy(self._failure)

    # -- the end -----------------------------------------------------------------------

    def say_goodbye(self) -> None:
        """Produce the goodbye, once, and do not wait for the other side's."""
        if self.goodbye_said:
            return
        self.goodbye_said = True
        try:
            self.ssl_object.unwrap()
        except ssl.SSLError:
            pass  # it has not come yet; or TLS broke down, and there is nothing to say

    def keep_what_has_come(self) -> None:
        """Decrypt all received data, which OpenSSL would drop when it says goodbye."""
        try:
            while data := self._read(PIECE):
                self._plain += data
        except ssl.SSLError:
            pass  # `decrypt` raises it
