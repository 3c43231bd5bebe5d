"""giambio: what the system has in memory is read without a thread."""

from __future__ import annotations

import giambio
from files._work import CHUNK, LONG, PIECE, SHORT, TARGET, WHOLE, text

DESCRIPTION = str(giambio.build_info())
run = giambio.run


async def read(n: int) -> None:
    async with giambio.open_file(LONG, "rb") as file:
        for _ in range(n):
            if not await file.read(PIECE):
                await file.seek(0)


async def open_and_read(n: int) -> None:
    for _ in range(n):
        async with giambio.open_file(SHORT, "rb") as file:
            await file.read()


async def read_whole(n: int) -> None:
    async with giambio.open_file(WHOLE, "rb") as file:
        for _ in range(n):
            await file.read()
            await file.seek(0)


async def read_lines(n: int) -> None:
    for _ in range(n):
        async with giambio.open_file(text()) as file:
            async for _ in file:
                pass


async def copy(n: int) -> None:
    async with (
        await giambio.open_file(LONG, "rb") as source,
        await giambio.open_file(TARGET, "wb") as copied,
    ):
        for _ in range(n):
            data = await source.read(CHUNK)
            if not data:
                await source.seek(0)
                await copied.seek(0)
            await copied.write(data)
