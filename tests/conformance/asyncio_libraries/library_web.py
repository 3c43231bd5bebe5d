"""uvicorn and Hypercorn with Starlette and FastAPI, websockets, and httpx."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from pathlib import Path

import httpx
import hypercorn.asyncio
import hypercorn.config
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

import giambio
from conformance.asyncio_libraries import web_app
from conformance.asyncio_libraries.cancelling import cancelled_at_random
from conformance.asyncio_libraries.servers import running
from conformance.asyncio_libraries.worlds import World, eventually
from support.net import server_port

UVICORN = [sys.executable, "-m", "uvicorn", "--loop", "giambio.asyncio:EventLoop"]
APPS = [web_app.starlette, web_app.fastapi]


@pytest.mark.parametrize("app", APPS, ids=["starlette", "fastapi"])
def test_uvicorn_and_httpx(world: World, app: object) -> None:
    """Both in one loop: handlers use giambio, and a client is cancelled at random."""
    numbers = itertools.count()

    async def main() -> None:
        port = server_port()
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        serving = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def operation() -> None:
                token = str(next(numbers))
                assert (await client.get(f"/echo/{token}")).json() == token

            if world.has_giambio:
                assert (await client.get("/manager")).json() == [3, True]
            await cancelled_at_random(world, operation)
            await asyncio.gather(*(operation() for _ in range(20)))
            if world.name == "B":  # the same client works from both kinds of tasks
                await giambio.map_concurrent(lambda _: operation(), range(20), limit=10)
        server.should_exit = True
        await serving

    world.run(main)


def test_hypercorn(world: World) -> None:
    """Its server on asyncio, shut down by an event."""

    async def main() -> None:
        port = server_port()
        config = hypercorn.config.Config()
        config.bind = [f"127.0.0.1:{port}"]
        config.errorlog = None
        end = asyncio.Event()
        serving = asyncio.create_task(
            hypercorn.asyncio.serve(web_app.starlette, config, shutdown_trigger=end.wait)
        )
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", transport=httpx.AsyncHTTPTransport(retries=10)
        ) as client:

            async def operation() -> None:
                assert (await client.get("/echo/1")).json() == "1"

            if world.has_giambio:
                assert (await client.get("/manager")).json() == [3, True]
            await cancelled_at_random(world, operation, times=100)
            await operation()
        end.set()
        await serving

    world.run(main)


def test_websockets(world: World) -> None:
    """A server and clients that are cancelled; giambio works in the server's handler."""

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            if world.has_giambio:
                async with giambio.TaskManager() as manager:
                    await manager.spawn(connection.send, message)
            else:
                await connection.send(message)

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            async def operation() -> None:
                async with connect(f"ws://127.0.0.1:{port}") as connection:
                    for i in range(3):
                        await connection.send(str(i))
                        assert await connection.recv() == str(i)

            await cancelled_at_random(world, operation, times=100)
            await operation()

    world.run(main)


@pytest.mark.parametrize("app", ["starlette", "fastapi"])
@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorns_command(app: str, workers: int) -> None:
    """``--loop giambio.asyncio:EventLoop``, with one process and with several; SIGTERM ends it."""
    port = server_port()
    name = f"conformance.asyncio_libraries.web_app:{app}"
    command = [*UVICORN, "--port", str(port), "--app-dir", "tests", "--workers", str(workers), name]
    with running(command, port) as process:
        assert get(port, "/manager") == [3, True]
        assert get(port, "/loop") == "giambio.asyncio.event_loop"
        process.send_signal(signal.SIGTERM)
        # uvicorn raises a signal again that it has handled.
        assert process.wait(20) in (0, -signal.SIGTERM)


def test_uvicorns_reload(tmp_path: Path) -> None:
    """A changed file is served by a new process."""
    port = server_port()
    source = tmp_path / "reloaded.py"
    app = """
        async def app(scope, receive, send):
            if scope["type"] == "http":
                start = {"type": "http.response.start", "status": 200, "headers": []}
                await send(start)
                await send({"type": "http.response.body", "body": b"ANSWER"})
    """
    source.write_text("if True:" + app.replace("ANSWER", "1"))
    command = [*UVICORN, "--port", str(port), "--app-dir", str(tmp_path), "--reload"]
    with running([*command, "--reload-dir", str(tmp_path), "reloaded:app"], port) as process:
        assert get(port, "/") == 1
        source.write_text("if True:" + app.replace("ANSWER", "2"))
        end = time.monotonic() + 20
        while get(port, "/") != 2:
            # The reloader may not have looked at the file before.
            os.utime(source, (time.time() + 10,) * 2)
            assert time.monotonic() < end
            time.sleep(0.5)
        process.terminate()
        assert process.wait(20) in (0, -signal.SIGTERM)


def get(port: int, path: str) -> object:
    """Ask a server that may be starting again."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
        for _ in range(3):
            try:
                return client.get(f"http://127.0.0.1:{port}{path}").json()
            except httpx.TransportError:
                time.sleep(0.2)
    return None
