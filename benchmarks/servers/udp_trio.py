"""Trio with a datagram socket, which it offers at the level of `trio.socket`."""

from __future__ import annotations

import trio

from _listener import announce


async def main() -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        announce(sock, f"Trio {trio.__version__}")
        while True:
            data, address = await sock.recvfrom(65536)
            await sock.sendto(data, address)


trio.run(main)
