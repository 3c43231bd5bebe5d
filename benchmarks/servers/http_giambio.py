"""HTTP on giambio: a handler, and `serve_listeners` with a task for each connection."""

from __future__ import annotations

import giambio
from _http import Conversation
from _listener import announce, open_listener
from giambio import ByteStream


async def answer(stream: ByteStream) -> None:
    http = Conversation()
    while data := await stream.receive():
        await stream.send_all(http.answer(data))


async def main() -> None:
    raw = open_listener()
    listener = giambio.SocketListener(giambio.wrap_socket(raw))
    announce(raw, str(giambio.build_info()))
    await giambio.serve_listeners(answer, [listener])


giambio.run(main)
