"""HTTP on AnyIO, on uvloop."""

from __future__ import annotations

from importlib.metadata import version

from anyio.abc import ByteStream, SocketListener

import anyio
from _http import Conversation
from _listener import announce, open_listener


async def answer(stream: ByteStream) -> None:
    http = Conversation()
    async with stream:
        try:
            async for data in stream:
                await stream.send(http.answer(data))
        except anyio.BrokenResourceError:
            pass  # the client left without saying goodbye


async def main() -> None:
    raw = open_listener()
    listener = await SocketListener.from_socket(raw)
    announce(raw, f"AnyIO {version('anyio')} on uvloop {version('uvloop')}")
    await listener.serve(answer)


anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
