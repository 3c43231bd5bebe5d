"""giambio, written by hand: a task for each connection in a `TaskManager`, and two awaits."""

from __future__ import annotations

import socket

import giambio
from _listener import RECEIVE_SIZE, announce, open_listener


async def echo(conn: giambio.AsyncSocket) -> None:
    with conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := await conn.receive(RECEIVE_SIZE):
                await conn.send_all(data)
        except giambio.BrokenResourceError:
            pass  # the client left without saying goodbye


async def main() -> None:
    raw = open_listener()
    listener = giambio.wrap_socket(raw)
    async with giambio.TaskManager() as manager:
        announce(raw, str(giambio.build_info()))
        while True:
            conn, _ = await listener.accept()
            manager.start_soon(echo, conn)


giambio.run(main)
