"""giambio with `open_udp`: one task that receives and sends."""

from __future__ import annotations

import giambio
from _listener import announce


async def echo(sock: giambio.AsyncDatagramSocket) -> None:
    while True:
        data, address = await sock.receive_from()
        await sock.send_to(data, address)


async def main() -> None:
    async with giambio.TaskManager() as manager, await giambio.open_udp(host="127.0.0.1") as sock:
        await manager.spawn(echo, sock)
        announce(sock, str(giambio.build_info()))
        await giambio.sleep_forever()


giambio.run(main)
