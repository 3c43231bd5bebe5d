"""An asyncio server of `Protocol` callbacks, whichever event loop it runs on.

Shared by the uvloop and the RLoop rows, which differ in nothing else.
"""

from __future__ import annotations

import asyncio
from typing import cast

from _listener import BACKLOG, UNIX, announce, open_listener, tls_context


class Echo(asyncio.Protocol):
    """The loop itself chooses the receive size and sets TCP_NODELAY."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self.write(data)


async def main(description: str) -> None:
    listener = open_listener()
    loop = asyncio.get_running_loop()
    create = loop.create_unix_server if UNIX else loop.create_server
    announce(listener, description)  # it listens already, and RLoop takes its descriptor away
    server = await create(
        Echo, sock=listener, backlog=BACKLOG, ssl=tls_context(), start_serving=False
    )
    await server.serve_forever()
