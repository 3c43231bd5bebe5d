"""An asyncio UDP server, whichever event loop it runs on; asyncio offers callbacks only."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from _listener import announce


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.sendto = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.sendto(data, address)


async def main(description: str) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    announce(transport.get_extra_info("socket"), description)
    await asyncio.Event().wait()
