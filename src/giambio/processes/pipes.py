"""Pipes to a child process, as streams.

A pipe is read and written without blocking, and waited for with the level
check that any descriptor can be waited for with. It is a stream of one
direction; to end it for the other side is to close it.
"""

from __future__ import annotations

import os
import typing
from io import RawIOBase
from typing import Any

from giambio._build.sealed import final
from giambio.errors import BrokenResourceError, ClosedResourceError
from giambio.kernel.kernel import Kernel
from giambio.net.wait_fd import end_watches, wait_readable, wait_writable
from giambio.streams.abc import Closeable, ReceiveStream, SendStream
from giambio.streams.budget import spend_budget
from giambio.streams.guard import Guard, bytes_like, check_size, closed_error, half_sent_error

__all__ = ["PipeReceiveStream", "PipeSendStream"]


class PipeEnd(Closeable):
    """Our end of a pipe."""

    __slots__ = ("__weakref__", "_file", "_guard", "_kernel")

    def __init__(self, kernel: Kernel, file: RawIOBase, guard: Guard) -> None:
        os.set_blocking(file.fileno(), False)
        self._kernel = kernel
        # An unbuffered file: if nobody closes it, it does, and warns.
        self._file = file
        self._guard = guard

    def fileno(self) -> int:
        """The descriptor's number; -1 when it is closed."""
        return -1 if self._file.closed else self._file.fileno()

    def close_now(self) -> None:
        """See `Closeable.close_now`."""
        if not self._file.closed:
            self._end_watches()
            self._file.close()

    def _end_watches(self) -> None:
        """Wake the tasks that wait, to look again."""
        if self._kernel._driver is not None:
            end_watches(self._kernel._driver, self._file.fileno())

    def _forget(self) -> None:
        """In a forked child: close it without a word to the parent's driver."""
        self._file.close()

    def _descriptor(self) -> int:
        if self._file.closed:
            raise closed_error()
        return self._file.fileno()

    def __repr__(self) -> str:
        state = "closed" if self._file.closed else f"descriptor {self._file.fileno()}"
        return f"<giambio.{type(self).__name__} {state}>"


@typing.final  # for type checkers
@final
class PipeReceiveStream(PipeEnd, ReceiveStream):
    """Reads the output of a child process."""

    __slots__ = ("_over",)

    def __init__(self, kernel: Kernel, file: RawIOBase) -> None:
        super().__init__(kernel, file, Guard("receiving from", "receive"))
        self._over = False

    def _end(self) -> None:
        """Take the content of the pipe for the last, although others hold its other end open."""
        self._over = True
        self._end_watches()

    async def receive(self, max_size: int = 65536) -> bytes:
        """See `ReceiveStream.receive`."""
        check_size("receive()", "max_size", max_size)
        await spend_budget()
        with self._guard:
            while True:
                try:
                    return os.read(self._descriptor(), max_size)
                except BlockingIOError:
                    if self._over:
                        return b""
                    try:
                        await wait_readable(self._descriptor())
                    except ClosedResourceError:
                        if not self._over:
                            raise


@typing.final  # for type checkers
@final
class PipeSendStream(PipeEnd, SendStream):
    """Writes the input of a child process."""

    __slots__ = ("_half_sent",)

    def __init__(self, kernel: Kernel, file: RawIOBase) -> None:
        super().__init__(kernel, file, Guard("sending on", "send"))
        self._half_sent = False

    async def send(self, data: Any) -> int:
        """See `SendStream.send`."""
        return await self._send(bytes_like("send()", data), whole=False)

    async def send_all(self, data: Any) -> None:
        """See `SendStream.send_all`."""
        await self._send(bytes_like("send_all()", data), whole=True)

    async def _send(self, view: memoryview, whole: bool) -> int:
        await spend_budget()
        with self._guard:
            if self._half_sent:
                raise half_sent_error()
            sent = await self._write(view)
            while whole and sent < len(view):
                self._half_sent = True
                sent += await self._write(view[sent:])
            self._half_sent = False
            return sent

    async def _write(self, view: memoryview) -> int:
        """Write as much as there is room for, and wait if there is none."""
        while True:
            try:
                return os.write(self._descriptor(), view)
            except BlockingIOError:
                await wait_writable(self._descriptor())
            except BrokenPipeError as exc:
                raise BrokenResourceError("the other process does not read this pipe") from exc
