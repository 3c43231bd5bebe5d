"""The echo server of the demo: one thread of one process, which counts its connections.

It is written as any server would be; the figures in the demo's last lines are those of
its plain `receive` and `send_all`.
"""

from __future__ import annotations

from typing import Any

import giambio
from giambio.demo.system import describe

__all__ = ["EchoServer"]


class EchoServer:
    """Echoes all received data, on each connection until its end.

    `open` is the number of open connections, `peak` the most at any one time,
    `problem` the error that kept it from accepting more.
    """

    def __init__(self) -> None:
        self.open = 0
        self.peak = 0
        self.problem: str | None = None

    async def serve(self, listener: giambio.AsyncSocket) -> None:
        """Accept connections until cancelled, or until the system has no more."""
        async with listener, giambio.TaskManager() as manager:
            while True:
                try:
                    sock, address = await listener.accept()
                except OSError as exc:
                    self.problem = describe(exc, "the server")
                    # Clients in the backlog learn that they will not be served.
                    await listener.close()
                    return
                manager.start_soon(self.echo, sock, address)

    async def echo(self, sock: giambio.AsyncSocket, address: Any) -> None:
        """Serve one connection."""
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            with sock:
                while data := await sock.receive():
                    await sock.send_all(data)
        except giambio.BrokenResourceError:
            pass  # this client is gone; the others are still served
        finally:
            self.open -= 1
