"""Trio with `SocketStream` and `serve_listeners`, as its tutorial recommends."""

from __future__ import annotations

import trio

from _listener import announce, open_listener


async def echo(stream: trio.SocketStream) -> None:
    """`SocketStream` sets TCP_NODELAY and asks for 64 KiB itself."""
    try:
        async for data in stream:
            await stream.send_all(data)
    except trio.BrokenResourceError:
        pass  # the client left without saying goodbye


async def main() -> None:
    raw = open_listener()
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(raw))
    announce(raw, f"Trio {trio.__version__}")
    await trio.serve_listeners(echo, [listener])


trio.run(main)
