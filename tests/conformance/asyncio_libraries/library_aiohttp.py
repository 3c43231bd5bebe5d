"""aiohttp: its client, its server and its web sockets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

import giambio
from conformance.asyncio_libraries.cancelling import cancelled_at_random
from conformance.asyncio_libraries.worlds import World

CONNECTIONS = 5


async def echo(request: web.Request) -> web.Response:
    """Answer with the body, late enough to be cancelled."""
    body = await request.read()
    await asyncio.sleep(0.001)
    return web.Response(body=body)


async def manager(request: web.Request) -> web.Response:
    """Use giambio's API, from the first step on: a handler may be started eagerly."""
    async with giambio.TaskManager() as manager:
        tasks = [await manager.spawn(giambio.sleep, 0.001) for _ in range(3)]
    with giambio.move_on_after(0.01) as scope:
        await asyncio.sleep(60)
    return web.Response(text=f"{len(tasks)} {scope.cancelled_caught}")


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Send back what comes."""
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data)
    return ws


@asynccontextmanager
async def served() -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A server, and a client with a pool of five connections that has to work in the end."""
    app = web.Application()
    app.add_routes([web.post("/echo", echo), web.get("/manager", manager), web.get("/ws", socket)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session, f"http://{host}:{port}"
            for _ in range(2):
                await asyncio.gather(*(ask(session, f"http://{host}:{port}", i) for i in range(20)))
    finally:
        await runner.cleanup()


async def ask(session: aiohttp.ClientSession, url: str, number: int) -> None:
    async with session.post(f"{url}/echo", data=f"{number}") as response:
        assert await response.text() == f"{number}"


def test_requests(world: World) -> None:
    """Many at once, and one whose body is large."""

    async def main() -> None:
        async with served() as (session, url):
            async with session.post(f"{url}/echo", data=bytes(900_000)) as response:
                assert len(await response.read()) == 900_000
            if world.has_giambio:
                async with giambio.TaskManager() as manager:
                    for i in range(50):
                        await manager.spawn(ask, session, url, i)

    world.run(main)


def test_giambio_in_a_handler(world: World) -> None:
    """A TaskManager and a scope work there."""

    async def main() -> None:
        async with served() as (session, url):
            for _ in range(3):
                async with session.get(f"{url}/manager") as response:
                    assert await response.text() == "3 True"

    world.run(main)


def test_cancelled_requests(world: World) -> None:
    """An answer never goes to another request."""
    numbers = itertools.count()

    async def main() -> None:
        async with served() as (session, url):
            await cancelled_at_random(world, lambda: ask(session, url, next(numbers)))

    world.run(main)


def test_cancelled_web_sockets(world: World) -> None:
    """They close, whenever they are cancelled."""

    async def main() -> None:
        async with served() as (session, url):

            async def operation() -> None:
                async with session.ws_connect(f"{url}/ws") as ws:
                    for i in range(3):
                        await ws.send_str(str(i))
                        assert (await ws.receive()).data == str(i)

            await cancelled_at_random(world, operation, times=100)

    world.run(main)
