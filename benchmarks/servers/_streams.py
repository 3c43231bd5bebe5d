"""An asyncio streams server, whichever event loop it runs on.

Shared by the rows of asyncio, uvloop and giambio's loop, which differ in nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from _listener import BACKLOG, RECEIVE_SIZE, UNIX, announce, open_listener, tls_context

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Transports set TCP_NODELAY themselves."""
    try:
        while data := await reader.read(RECEIVE_SIZE):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the client left without saying goodbye
    finally:
        writer.close()


async def main(description: str, answer: Answer = echo) -> None:
    listener = open_listener()
    start = asyncio.start_unix_server if UNIX else asyncio.start_server
    server = await start(answer, sock=listener, backlog=BACKLOG, ssl=tls_context())
    announce(listener, description)
    await server.serve_forever()
