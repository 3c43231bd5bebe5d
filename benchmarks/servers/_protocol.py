"""An asyncio server of `Protocol` callbacks, whichever event loop it runs on.

Shared by the rows of uvloop, RLoop and giambio's loop, which differ in nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from _listener import BACKLOG, RECEIVE_SIZE, UNIX, announce, open_listener, tls_context


class Echo(asyncio.Protocol):
    """The loop itself chooses the receive size and sets TCP_NODELAY."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self.write(data)


class Buffered(asyncio.BufferedProtocol):
    """Has what comes received into a buffer of its own."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(RECEIVE_SIZE))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.write(bytes(self.buffer[:nbytes]))


async def main(description: str, protocol: Callable[[], asyncio.BaseProtocol] = Echo) -> None:
    listener = open_listener()
    loop = asyncio.get_running_loop()
    create = loop.create_unix_server if UNIX else loop.create_server
    announce(listener, description)  # it listens already, and RLoop takes its descriptor away
    server = await create(
        protocol, sock=listener, backlog=BACKLOG, ssl=tls_context(), start_serving=False
    )
    await server.serve_forever()
