"""giambio as its README writes it: a handler, and `serve_listeners` with a task for each."""

from __future__ import annotations

import giambio
from _listener import announce, open_listener, tls_context
from giambio import ByteStream


async def echo(stream: ByteStream) -> None:
    while data := await stream.receive():
        await stream.send_all(data)


async def main() -> None:
    raw = open_listener()
    listener = giambio.SocketListener(giambio.wrap_socket(raw))
    announce(raw, str(giambio.build_info()))
    await giambio.serve_listeners(echo, [listener], tls=tls_context())


giambio.run(main)
