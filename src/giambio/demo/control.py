"""The control connection: the two processes of the demo agree on the next step.

It is a TCP connection on the loopback with one JSON object per line: a pipe would do
on Unix, but Windows cannot wait for one.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

import giambio

__all__ = ["Control"]


class Control:
    """One end of the control connection: ``with Control(sock) as control: ...``"""

    def __init__(self, sock: giambio.AsyncSocket) -> None:
        self._sock = sock
        self._received = b""
        self._outgoing = b""
        self._sending = False

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sock.close()

    async def send(self, **message: Any) -> None:
        """Send a message; several tasks may at once.

        Raises:
            BrokenResourceError: the other process is gone.
        """
        self._outgoing += json.dumps(message).encode() + b"\n"
        if self._sending:
            return  # the task that is sending now sends this as well
        self._sending = True
        try:
            while self._outgoing:
                data, self._outgoing = self._outgoing, b""
                await self._sock.send_all(data)
        finally:
            self._sending = False

    async def receive(self) -> dict[str, Any]:
        """Receive the next message.

        Raises:
            BrokenResourceError: the other process is gone.
        """
        while b"\n" not in self._received:
            data = await self._sock.receive()
            if not data:
                raise giambio.BrokenResourceError("the other process has ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message
