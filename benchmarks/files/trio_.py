"""Trio: its files are the standard ones, each call in a thread."""

from __future__ import annotations

import trio

from files._work import CHUNK, LONG, PIECE, SHORT, TARGET, WHOLE

DESCRIPTION = f"Trio {trio.__version__}"
run = trio.run


async def read(n: int) -> None:
    async with await trio.open_file(LONG, "rb") as file:
        for _ in range(n):
            if not await file.read(PIECE):
                await file.seek(0)


async def open_and_read(n: int) -> None:
    for _ in range(n):
        async with await trio.open_file(SHORT, "rb") as file:
            await file.read()


async def read_whole(n: int) -> None:
    async with await trio.open_file(WHOLE, "rb") as file:
        for _ in range(n):
            await file.read()
            await file.seek(0)


async def copy(n: int) -> None:
    async with (
        await trio.open_file(LONG, "rb") as source,
        await trio.open_file(TARGET, "wb") as copied,
    ):
        for _ in range(n):
            data = await source.read(CHUNK)
            if not data:
                await source.seek(0)
                await copied.seek(0)
            await copied.write(data)
