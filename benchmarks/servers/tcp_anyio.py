"""AnyIO on uvloop, its fastest backend, with a listener that serves."""

from __future__ import annotations

from importlib.metadata import version

from anyio.abc import ByteStream, SocketListener
from anyio.streams.tls import TLSListener

import anyio
from _listener import announce, open_listener, tls_context


async def echo(stream: ByteStream) -> None:
    """AnyIO sets TCP_NODELAY and asks for 64 KiB itself."""
    async with stream:
        try:
            async for data in stream:
                await stream.send(data)
        except anyio.BrokenResourceError:
            pass  # the client left without saying goodbye


async def main() -> None:
    raw = open_listener()
    listener = await SocketListener.from_socket(raw)
    announce(raw, f"AnyIO {version('anyio')} on uvloop {version('uvloop')}")
    context = tls_context()
    await (TLSListener(listener, context) if context else listener).serve(echo)


anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
