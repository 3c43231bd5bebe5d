"""ASGI applications in a worker: uvicorn serves them, on giambio's asyncio loop.

So there are web sockets, lifespan and all that deployments rely on, by a server that many keep
well; and giambio's own functions work in the application's tasks.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from math import ceil, inf
from types import FrameType
from typing import Any

import uvicorn

from giambio.asyncio import run
from giambio.kernel.checkpoints import sleep
from giambio.tasks.manager import TaskManager
from giambio.tasks.timeouts import move_on_after
from giambio.workers.handed_over import Report, take_sockets

__all__ = ["serve"]

#: Seconds that a client has to send its first request when the server stops.
FIRST_REQUEST = 1.0
LOOK_AGAIN = 0.01
#: asyncio accepts as many connections in one turn as may wait in the queue. Then all that come
#: together are served by the worker that is the first to wake up.
ACCEPTED_AT_ONCE = 1


class SharedListener(socket.socket):
    """A socket on which the parent listens, and workers accept."""

    def listen(self, backlog: int = 0) -> None:
        """Do nothing: it listens already, and how many may wait is the parent's affair."""


class Server(uvicorn.Server):
    """A server that tells the parent when it serves."""

    def __init__(self, config: uvicorn.Config, report: Report) -> None:
        super().__init__(config)
        self._report = report

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, but for Ctrl-C: a terminal sends that to all, and the parent decides on it."""
        if sig != signal.SIGINT:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self.started:
            self._report.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and finish what has begun.

        uvicorn closes connections on which there is no request. One that was accepted just now
        has not brought its first one yet, and a client would take that for a failure.
        """
        # What was accepted is a connection some turns of the loop later, and lost if its server was
        # closed meanwhile.
        for sock in sockets or ():
            asyncio.get_running_loop().remove_reader(sock)
        await sleep(LOOK_AGAIN)
        for server in self.servers:
            server.close()
        with move_on_after(FIRST_REQUEST):
            while any(map(is_fresh, self.server_state.connections)):
                await sleep(LOOK_AGAIN)
        await super().shutdown(sockets)


def is_fresh(connection: Any) -> bool:
    """Return whether a connection of HTTP has brought no request yet."""
    return getattr(connection, "cycle", connection) is None


def serve(application: Any, report: Report, grace: float) -> None:
    """Serve an ASGI application, until SIGTERM."""
    seconds = None if grace == inf else ceil(grace)
    config = uvicorn.Config(
        application, timeout_graceful_shutdown=seconds, backlog=ACCEPTED_AT_ONCE
    )
    server = Server(config, report)
    # One may come before uvicorn has its own handlers; and when it has stopped, it sends itself
    # the signal again, which is not to kill it.
    signal.signal(signal.SIGTERM, server.handle_exit)
    run(live(server, report))


async def live(server: Server, report: Report) -> None:
    """Run the server, and tell the parent that the loop turns."""
    async with TaskManager(strict=False) as manager:
        manager.start_soon(report.stay_alive)
        await server.serve([SharedListener(fileno=sock.detach()) for sock in take_sockets()])
        manager.cancel()
    if not server.started:
        sys.exit(3)  # as uvicorn itself, which has logged the reason
