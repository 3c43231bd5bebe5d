"""asyncio's own event loop with `sock_recv` and `sock_sendall`: a task per socket."""

from __future__ import annotations

import asyncio
import socket

from _listener import RECEIVE_SIZE, announce, open_listener, set_nodelay


async def echo(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with connection:
        set_nodelay(connection)
        try:
            while data := await loop.sock_recv(connection, RECEIVE_SIZE):
                await loop.sock_sendall(connection, data)
        except ConnectionError:
            pass  # the client left without saying goodbye


async def main() -> None:
    loop = asyncio.get_running_loop()
    listener = open_listener()
    announce(listener, "asyncio")
    tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
    while True:
        connection, _ = await loop.sock_accept(listener)
        task = asyncio.create_task(echo(connection))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
