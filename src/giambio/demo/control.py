"""The control connection: the two processes of the demo agree on the next step.

It is a TCP connection on the loopback with one JSON object per line: a pipe would do
on Unix, but Windows cannot wait for one.
"""

from __future__ import annotations

import json
from typing import Any

import giambio

__all__ = ["Control"]


class Control:
    """One end of the control connection."""

    def __init__(self, sock: giambio.AsyncSocket) -> None:
        self._stream = giambio.BufferedStream(sock)
        self._sending = giambio.Lock()

    async def send(self, **message: Any) -> None:
        """Send a message; several tasks may at once.

        Raises:
            BrokenResourceError: the other process is gone.
        """
        async with self._sending:
            await self._stream.send_all(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict[str, Any]:
        """Receive the next message.

        Raises:
            BrokenResourceError: the other process is gone.
        """
        line = await self._stream.receive_line()
        if not line.endswith(b"\n"):
            raise giambio.BrokenResourceError("the other process has ended")
        message: dict[str, Any] = json.loads(line)
        return message
