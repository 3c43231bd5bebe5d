"""HTTP on asyncio streams, whichever event loop it runs on.

Shared by the asyncio and the uvloop rows, which differ in nothing else.
"""

from __future__ import annotations

import asyncio

from _http import Conversation
from _listener import BACKLOG, RECEIVE_SIZE, announce, open_listener


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    http = Conversation()
    try:
        while data := await reader.read(RECEIVE_SIZE):
            writer.write(http.answer(data))
            await writer.drain()
    except ConnectionError:
        pass  # the client left without saying goodbye
    finally:
        writer.close()


async def main(description: str) -> None:
    listener = open_listener()
    server = await asyncio.start_server(answer, sock=listener, backlog=BACKLOG)
    announce(listener, description)
    await server.serve_forever()
