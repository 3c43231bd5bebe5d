"""ASGI applications in a worker: uvicorn serves them, on giambio's asyncio loop.

So there are web sockets, lifespan and all that deployments rely on, by a server that many keep
well; and giambio's own functions work in the application's tasks.
"""

from __future__ import annotations

import signal
import socket
import sys
from math import ceil, inf
from typing import Any

import uvicorn

from giambio.asyncio import run
from giambio.tasks.manager import TaskManager
from giambio.workers.handed_over import Report, take_sockets

__all__ = ["serve"]


class Server(uvicorn.Server):
    """A server that tells the parent when it serves."""

    def __init__(self, config: uvicorn.Config, report: Report) -> None:
        super().__init__(config)
        self._report = report

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self.started:
            self._report.ready()


def serve(application: Any, report: Report, grace: float) -> None:
    """Serve an ASGI application, until SIGTERM."""
    seconds = None if grace == inf else ceil(grace)
    config = uvicorn.Config(application, timeout_graceful_shutdown=seconds)
    # When it has stopped, uvicorn sends itself the signal again, which is not to kill it.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    run(live(Server(config, report), report))


async def live(server: Server, report: Report) -> None:
    """Run the server, and tell the parent that the loop turns."""
    async with TaskManager(strict=False) as manager:
        manager.start_soon(report.stay_alive)
        await server.serve(take_sockets())
        manager.cancel()
    if not server.started:
        sys.exit(3)  # as uvicorn itself, which has logged the reason
