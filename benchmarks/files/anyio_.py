"""AnyIO on uvloop: its files are the standard ones, each call in a thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import anyio
from files._work import CHUNK, LONG, PIECE, SHORT, TARGET, WHOLE

DESCRIPTION = f"AnyIO {version('anyio')} on uvloop {version('uvloop')}"


def run(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    anyio.run(function, *args, backend="asyncio", backend_options={"use_uvloop": True})


async def read(n: int) -> None:
    async with await anyio.open_file(LONG, "rb") as file:
        for _ in range(n):
            if not await file.read(PIECE):
                await file.seek(0)


async def open_and_read(n: int) -> None:
    for _ in range(n):
        async with await anyio.open_file(SHORT, "rb") as file:
            await file.read()


async def read_whole(n: int) -> None:
    async with await anyio.open_file(WHOLE, "rb") as file:
        for _ in range(n):
            await file.read()
            await file.seek(0)


async def copy(n: int) -> None:
    async with (
        await anyio.open_file(LONG, "rb") as source,
        await anyio.open_file(TARGET, "wb") as copied,
    ):
        for _ in range(n):
            data = await source.read(CHUNK)
            if not data:
                await source.seek(0)
                await copied.seek(0)
            await copied.write(data)
