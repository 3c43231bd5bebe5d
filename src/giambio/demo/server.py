"""The echo server of the demo: one thread of one process, and it counts.

It is written as anybody would write it; the numbers in the demo's last lines
are those of its plain `receive` and `send_all`.
"""

from __future__ import annotations

from typing import Any

import giambio
from giambio.demo.system import describe

__all__ = ["EchoServer"]


class EchoServer:
    """Echoes what it receives, on each connection until its end.

    `open` is the number of connections now, `peak` the most there were at any
    one time, `problem` what kept it from taking more.
    """

    def __init__(self) -> None:
        self.open = 0
        self.peak = 0
        self.problem: str | None = None

    async def serve(self, listener: giambio.AsyncSocket) -> None:
        """Take connections until cancelled, or until the system gives no more."""
        async with listener, giambio.TaskManager() as manager:
            while True:
                try:
                    sock, address = await listener.accept()
                except OSError as exc:
                    self.problem = describe(exc, "the server")
                    # Whoever is still in the backlog learns that nobody will come.
                    await listener.close()
                    return
                manager.start_soon(self.echo, sock, address)

    async def echo(self, sock: giambio.AsyncSocket, address: Any) -> None:
        """One connection."""
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            with sock:
                while data := await sock.receive():
                    await sock.send_all(data)
        except giambio.BrokenResourceError:
            pass  # this client is gone; the others are served on
        finally:
            self.open -= 1
