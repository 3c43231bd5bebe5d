"""HTTP on asyncio streams, whichever event loop it runs on.

Shared by the asyncio and the uvloop rows, which differ in nothing else.
"""

from __future__ import annotations

import asyncio

import _streams
from _http import Conversation
from _listener import RECEIVE_SIZE


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
    await _streams.main(description, answer)
