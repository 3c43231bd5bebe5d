"""HTTP on Trio, with `serve_listeners`."""

from __future__ import annotations

import trio

from _http import Conversation
from _listener import announce, open_listener


async def answer(stream: trio.abc.Stream) -> None:
    http = Conversation()
    try:
        async for data in stream:
            await stream.send_all(http.answer(data))
    except trio.BrokenResourceError:
        pass  # the client left without saying goodbye


async def main() -> None:
    raw = open_listener()
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(raw))
    announce(raw, f"Trio {trio.__version__}")
    await trio.serve_listeners(answer, [listener])


trio.run(main)
