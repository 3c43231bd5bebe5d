"""uvloop with `asyncio.Protocol` callbacks: its fastest way, and the one to beat."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import cast

import uvloop

from _listener import BACKLOG, announce, open_listener, tls_context


class Echo(asyncio.Protocol):
    """uvloop itself chooses the receive size and sets TCP_NODELAY."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self.write(data)


async def main() -> None:
    listener = open_listener()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, sock=listener, backlog=BACKLOG, ssl=tls_context())
    announce(listener, f"uvloop {version('uvloop')}")
    await server.serve_forever()


uvloop.run(main())
