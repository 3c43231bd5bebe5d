"""Trio with `serve_listeners`, as its tutorial recommends."""

from __future__ import annotations

import trio

from _listener import announce, open_listener, tls_context


async def echo(stream: trio.abc.Stream) -> None:
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
    context = tls_context()
    await trio.serve_listeners(echo, [trio.SSLListener(listener, context) if context else listener])


trio.run(main)
