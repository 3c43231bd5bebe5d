"""asgi-lifespan inside giambio tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import giambio
from support.patches import patched
from support.programs import printed

asgi_lifespan = pytest.importorskip("asgi_lifespan")

Run = Callable[..., Any]
LifespanManager = asgi_lifespan.LifespanManager


def test_the_lifespan_of_a_starlette_app(run: Run) -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette

    happened: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        await giambio.sleep(0.001)
        happened.append("started")
        yield {"key": "value"}
        await giambio.sleep(0.001)
        happened.append("stopped")

    async def main() -> Any:
        async with LifespanManager(Starlette(lifespan=lifespan)) as manager:
            assert happened == ["started"]
            return dict(manager._state)

    assert run(main) == {"key": "value"}
    assert happened == ["started", "stopped"]


def test_an_app_that_does_not_start_in_time(run: Run) -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await giambio.sleep_forever()
        finally:
            ended.append(True)

    async def main() -> None:
        async with LifespanManager(app, startup_timeout=0.01):
            raise AssertionError("never reached")

    with pytest.raises(TimeoutError):
        run(main)
    assert ended


def test_an_app_that_does_not_stop_in_time(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await giambio.sleep_forever()

    async def main() -> None:
        async with LifespanManager(app, startup_timeout=None, shutdown_timeout=0.01):
            pass

    with pytest.raises(TimeoutError):
        run(main)


@pytest.mark.parametrize("after", ["", "lifespan.startup"])
def test_an_app_that_fails_says_why(run: Run, after: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if after:
            assert (await receive())["type"] == after
        raise LookupError("of the app")

    async def main() -> None:
        async with LifespanManager(app):
            raise AssertionError("never reached")

    with pytest.raises(LookupError if after else asgi_lifespan.LifespanNotSupported):
        run(main)


def test_an_error_in_the_body_stops_the_app(run: Run) -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
        except giambio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        async with LifespanManager(app):
            raise LookupError("of the body")

    with pytest.raises(LookupError, match="of the body"):
        run(main)
    assert ended == ["cancelled"]


PROGRAM = """
    import {order}
    import sniffio
    from asgi_lifespan import LifespanManager

    async def app(scope, receive, send):
        for what in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{{what}}"
            await send({{"type": f"lifespan.{{what}}.complete"}})

    async def main():
        try:
            async with LifespanManager(app):
                print(sniffio.current_async_library())
        except NotImplementedError as exc:
            print(exc)

    import anyio
    for backend in ("giambio", "asyncio", "trio"):
        anyio.run(main, backend=backend)
"""


@pytest.mark.parametrize("order", ["giambio, asgi_lifespan", "asgi_lifespan, giambio"])
def test_only_tasks_of_giambio_see_the_adapter(order: str) -> None:
    pytest.importorskip("trio")
    assert printed(PROGRAM.format(order=order)) == ["giambio", "asyncio", "trio"]


def test_without_the_adapter_it_refuses_giambio() -> None:
    pytest.importorskip("trio")
    said = printed(PROGRAM.format(order="giambio"), GIAMBIO_NO_ADAPTERS="1")
    assert said == ["Unsupported async library: giambio", "asyncio", "trio"]


def test_with_our_patch_no_adapter_is_needed(tmp_path: Any) -> None:
    pytest.importorskip("trio")
    patched(tmp_path, "asgi_lifespan")
    said = printed(PROGRAM.format(order="giambio"), tmp_path, GIAMBIO_NO_ADAPTERS="1")
    assert said == ["giambio", "asyncio", "trio"]
