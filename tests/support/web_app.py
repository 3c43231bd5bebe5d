"""What the web server of `support.web` serves. It knows nothing of giambio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

#: How many requests for "/never" have come in whole, and have no answer.
waiting = 0


async def app(scope: Any, receive: Any, send: Any) -> None:
    """What is served."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    path = scope["path"]
    if path == "/never":
        return await never(receive)
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    async for piece in answer(path, receive):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def answer(path: str, receive: Any) -> AsyncIterator[bytes]:
    """The body for a path."""
    if path == "/hello":
        yield b"hello"
    elif path == "/waiting":
        yield str(waiting).encode()
    elif path == "/upload":
        received, more = 0, True
        while more:
            message = await receive()
            received, more = received + len(message["body"]), message["more_body"]
        yield str(received).encode()
    elif path == "/pieces":
        for number in range(50):
            yield f"{number}\n".encode()
            await asyncio.sleep(0.001)
    elif path == "/endless":
        left = asyncio.ensure_future(disconnected(receive))
        while not left.done():
            yield bytes(1000)
            await asyncio.sleep(0.001)


async def never(receive: Any) -> None:
    """Give no answer."""
    global waiting
    while (await receive()).get("more_body"):
        pass
    waiting += 1
    try:
        await disconnected(receive)
    finally:
        waiting -= 1


async def disconnected(receive: Any) -> None:
    """Wait for the client to go."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def lifespan(receive: Any, send: Any) -> None:
    """Start and end without ado."""
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})
