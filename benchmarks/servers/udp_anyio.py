"""AnyIO on uvloop, its fastest backend, with `create_udp_socket`."""

from __future__ import annotations

import socket
from importlib.metadata import version

from anyio.abc import SocketAttribute

import anyio
from _listener import announce


async def main() -> None:
    async with await anyio.create_udp_socket(family=socket.AF_INET, local_host="127.0.0.1") as udp:
        raw = udp.extra(SocketAttribute.raw_socket)
        announce(raw, f"AnyIO {version('anyio')} on uvloop {version('uvloop')}")
        async for packet, (host, port) in udp:
            await udp.sendto(packet, host, port)


anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
