"""A small ASGI server: python asgi_server.py [--port PORT] [MODULE:APP]

HTTP/1.1 by h11, with keep-alive, streaming both ways, time-outs and the lifespan protocol. It
serves a Starlette application of its own, or any other, and on SIGTERM finishes what it has
begun. It needs: python -m pip install 'giambio[anyio]' h11 starlette
"""

import argparse
import functools
import importlib
import logging
import math
import signal
import sys
from http import HTTPStatus

import giambio
import h11

IDLE = 30  # seconds for a client to send its next request, or to go on with one
GRACE = 10  # seconds for requests that have begun when the server is stopped
CHUNK = 65536

ASGI = {"version": "3.0", "spec_version": "2.4"}
log = logging.getLogger("asgi_server")


class Connection:
    """HTTP/1.1 over a stream."""

    def __init__(self, stream):
        self.stream = stream
        self.http = h11.Connection(h11.SERVER)

    async def next_event(self):
        """What the client says next; h11.PAUSED if it has said all it may."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            with giambio.fail_after(IDLE):
                self.http.receive_data(await self.stream.receive(CHUNK))
        return event

    async def send(self, event):
        if data := self.http.send(event):
            await self.stream.send_all(data)


class Exchange:
    """A request and its response, as an application sees them."""

    def __init__(self, connection, request):
        self.connection = connection
        self.request = request
        self.response = None
        self.received = self.sent = False
        self.ended = giambio.Event()

    def scope(self, state):
        path, _, query = self.request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": self.request.http_version.decode(),
            "method": self.request.method.decode(),
            "scheme": "http",
            "path": unquoted(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(self.request.headers),
            "client": self.connection.stream.getpeername()[:2],
            "server": self.connection.stream.getsockname()[:2],
            "state": state.copy(),
        }

    async def receive(self):
        if self.received:
            await self.until_over()
            return {"type": "http.disconnect"}
        event = await self.connection.next_event()
        if type(event) is h11.Data:
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        self.received = True
        if type(event) is h11.ConnectionClosed:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}
