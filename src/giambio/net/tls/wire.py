"""The ciphertext of a TLS connection on its way, over the stream below.

`Records` turns plain bytes into ciphertext and back. Moving the ciphertext is less simple than
it sounds:

- Reading may have to write, and writing to read: TLS has conversations of its own, for instance
  when keys are renewed. So moving ciphertext in each direction belongs to the task that comes
  first, and the others wait for it.
- Ciphertext cannot be taken back. Once it is produced, it must go out whole and in order, even
  if tasks are cancelled meanwhile. It is kept until then.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from giambio.errors import BrokenResourceError, ClosedResourceError
from giambio.net.tls.records import PIECE, Records
from giambio.streams.abc import ByteStream
from giambio.streams.guard import closed_error
from giambio.sync.event import Event
from giambio.tasks.manager import TaskManager

__all__ = ["Wire"]

R = TypeVar("R")


class Wire:
    """Moves ciphertext between the records of a connection and the stream below."""

    def __init__(self, stream: ByteStream, records: Records) -> None:
        self.stream = stream
        self._records = records
        # Closed by users, who want no more data; and ended by the other side.
        self.closed = False
        self.ended = False
        # Ciphertext that was taken out and that the stream below has not taken yet.
        self.unsent = memoryview(b"")
        # Whether a task moves ciphertext out or in; and for the others to wait.
        self.flushing = False
        self._filling = False
        self._progress: Event | None = None

    def check_open(self) -> None:
        """Raise if users have closed the connection."""
        if self.closed:
            raise closed_error()

    async def drive(self, step: Callable[..., R | None], *args: Any) -> R:
        """Take a step of the TLS object, and bring it the ciphertext that it needs.

        Raises:
            ssl.SSLEOFError: it needs more, and the stream below has ended.
            ssl.SSLError: the other side breaks the rules.
        """
        while True:
            result = step(*args)
            if result is not None:
                return result
            self.check_open()
            if self.ended:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the stream below has ended")
            if not self._records.answering:
                await self.fill()
                continue
            # Both at once: the other side may be waiting for the answer, or for its own data
            # to be received before it receives anything.
            async with TaskManager(strict=False) as manager:
                manager.start_soon(self.answer)
                await self.fill()
                manager.cancel()

    async def answer(self) -> None:
        """Send the output of TLS itself, if the connection allows it."""
        # There may still be data to receive; if not, receiving raises it.
        with suppress(BrokenResourceError, ClosedResourceError):
            await self.flush()

    async def flush(self) -> None:
        """Send all ciphertext, in the order in which it was produced."""
        while self.flushing:
            await self._wait_for_progress()
        self.flushing = True
        try:
            while self.unsent or self._records.pending:
                if not self.unsent:
                    self.unsent = memoryview(self._records.take_out())
                sent = await self.stream.send(self.unsent)
                self.unsent = self.unsent[sent:]
            self._records.answering = False
        finally:
            self.flushing = False
            self._report_progress()

    async def fill(self) -> None:
        """Receive ciphertext, or wait until the task that does so has some."""
        if self._filling:
            await self._wait_for_progress()
            return
        self._filling = True
        try:
            data = await self.stream.receive(PIECE)
            if not data:
                self.ended = True
            elif not self.closed:
                self._records.take_in(data)
        finally:
            self._filling = False
            self._report_progress()

    async def _wait_for_progress(self) -> None:
        if self._progress is None:
            self._progress = Event()
        await self._progress.wait()

    def _report_progress(self) -> None:
        """Have the tasks that wait for another one look again."""
        if self._progress is not None:
            self._progress.set()
            self._progress = None
