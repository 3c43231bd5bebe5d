"""httpx and httpx2 inside giambio tasks, against real servers and ASGI apps.

Nothing is configured: the clients are used as on asyncio.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.integrations import finder
from giambio.testing import wait_all_tasks_blocked
from support.patches import patched
from support.programs import printed
from support.tls import Certificates
from support.web import WebServer, web_server

pytest.importorskip("anyio")
pytest.importorskip("h2")
pytest.importorskip("hypercorn")

Run = Callable[..., Any]

#: The timeout in seconds of requests that would never end.
LIMIT = 0.1


#: Where a stream is left in the middle, the library leaves its inner async generators to the
#: loop, which closes them and says so. It does the same under Trio.
LEFT_BY_THE_LIBRARY = pytest.mark.filterwarnings(
    r"ignore:async generator '.*/(httpx|httpcore)2?/:ResourceWarning"
)


@pytest.fixture(params=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest) -> Any:
    """The library."""
    return pytest.importorskip(request.param)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(certificates: Certificates) -> Iterator[WebServer]:
    with web_server(*certificates.files("server")) as server:
        yield server


@pytest.fixture
def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.authority)


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"127.0.0.1:{sock.getsockname()[1]}"


# -- real servers --------------------------------------------------------------------------------


def test_plain(run: Run, http: Any, server: WebServer) -> None:
    async def main() -> tuple[str, str, int]:
        async with http.AsyncClient(base_url=server.plain) as client:
            hello = await client.get("/hello")
            upload = await client.post("/upload", content=bytes(3_000_000))
            return hello.text, hello.http_version, int(upload.text)

    assert run(main) == ("hello", "HTTP/1.1", 3_000_000)


def test_tls(run: Run, http: Any, server: WebServer, trusting: ssl.SSLContext) -> None:
    async def main() -> tuple[str, str]:
        async with http.AsyncClient(base_url=server.tls, verify=trusting) as client:
            hello = await client.get("/hello")
            return hello.text, hello.http_version

    assert run(main) == ("hello", "HTTP/1.1")


def test_a_certificate_that_nobody_trusts_is_an_error(
    run: Run, http: Any, server: WebServer
) -> None:
    async def main() -> None:
        async with http.AsyncClient(base_url=server.tls) as client:
            await client.get("/hello")

    with pytest.raises(http.ConnectError, match="certificate verify failed"):
        run(main)


def test_http2(run: Run, http: Any, server: WebServer, trusting: ssl.SSLContext) -> None:
    async def main() -> tuple[str, str, int]:
        client = http.AsyncClient(base_url=server.tls, verify=trusting, http2=True)
        async with client:
            hello = await client.get("/hello")
            upload = await client.post("/upload", content=bytes(300_000))
            return hello.text, hello.http_version, int(upload.text)

    assert run(main) == ("hello", "HTTP/2", 300_000)


@pytest.mark.parametrize("http2", [False, True])
def test_a_hundred_requests_at_once_share_a_pool(
    run: Run, http: Any, server: WebServer, trusting: ssl.SSLContext, http2: bool
) -> None:
    async def main() -> list[Any]:
        limits = http.Limits(max_connections=10)
        options = {"verify": trusting, "http2": http2, "limits": limits, "timeout": 50}
        async with http.AsyncClient(base_url=server.tls, **options) as client:
            async with giambio.TaskManager() as manager:
                requests = [manager.start_soon(client.get, "/pieces") for _ in range(100)]
            return [request.result().text for request in requests]

    assert run(main) == ["".join(f"{number}\n" for number in range(50))] * 100


def test_streaming_both_ways(run: Run, http: Any, server: WebServer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            await giambio.checkpoint()
            yield bytes(10_000)

    async def main() -> tuple[str, list[str]]:
        async with http.AsyncClient(base_url=server.plain) as client:
            upload = await client.post("/upload", content=pieces())
            async with client.stream("GET", "/pieces") as response:
                lines = [line async for line in response.aiter_lines()]
            return upload.text, lines

    assert run(main) == ("200000", [str(number) for number in range(50)])


@LEFT_BY_THE_LIBRARY
@pytest.mark.parametrize("way", ["plain", "tls", "http2"])
def test_a_stream_may_be_left_in_the_middle(
    run: Run, http: Any, server: WebServer, trusting: ssl.SSLContext, way: str
) -> None:
    base_url = server.plain if way == "plain" else server.tls
    options = {"base_url": base_url, "verify": trusting, "http2": way == "http2"}

    async def main() -> str:
        async with http.AsyncClient(**options, limits=http.Limits(max_connections=1)) as client:
            async with (
                client.stream("GET", "/endless") as response,
                aclosing(response.aiter_raw()) as pieces,
            ):
                assert set(await anext(pieces)) == {0}
            return str((await client.get("/hello")).text)

    assert run(main) == "hello"


# -- timeouts ---------------------------------------------------------------------------------


def failing(http: Any, method: str, url: str, **options: Any) -> Callable[[], Any]:
    """A program that makes one request."""

    async def main() -> None:
        async with http.AsyncClient(**options) as client:
            await client.request(method, url, content=bytes(50_000_000) if method == "PUT" else b"")

    return main


def test_a_time_out_for_connecting(run: Run, http: Any, deaf: str) -> None:
    timeout = http.Timeout(None, connect=LIMIT)
    with pytest.raises(http.ConnectTimeout):
        run(failing(http, "GET", f"https://{deaf}", timeout=timeout))


def test_a_time_out_for_reading(run: Run, http: Any, server: WebServer) -> None:
    timeout = http.Timeout(None, read=LIMIT)
    with pytest.raises(http.ReadTimeout):
        run(failing(http, "GET", f"{server.plain}/never", timeout=timeout))


@LEFT_BY_THE_LIBRARY
def test_a_time_out_for_writing(run: Run, http: Any, deaf: str) -> None:
    timeout = http.Timeout(None, write=LIMIT)
    with pytest.raises(http.WriteTimeout):
        run(failing(http, "PUT", f"http://{deaf}", timeout=timeout))


def test_a_time_out_for_a_place_in_the_pool(run: Run, http: Any, server: WebServer) -> None:
    async def main() -> str:
        options = {"limits": http.Limits(max_connections=1), "base_url": server.plain}
        async with http.AsyncClient(**options, timeout=None) as client:
            async with client.stream("GET", "/endless"):
                with pytest.raises(http.PoolTimeout):
                    await client.get("/hello", timeout=http.Timeout(None, pool=LIMIT))
            return str((await client.get("/hello")).text)

    assert run(main) == "hello"


def test_a_scope_of_giambio_s_is_a_time_out_as_well(run: Run, http: Any, server: WebServer) -> None:
    async def main() -> None:
        async with http.AsyncClient(base_url=server.plain, timeout=None) as client:
            with giambio.fail_after(LIMIT):
                await client.get("/never")

    with pytest.raises(TimeoutError):
        run(main)


def test_a_port_where_nobody_listens_is_a_connect_error(run: Run, http: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and never listens
        with pytest.raises(http.ConnectError):
            run(failing(http, "GET", f"http://127.0.0.1:{sock.getsockname()[1]}"))


# -- cancellation ------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
def test_a_cancelled_request_gives_its_place_back(
    run: Run, http: Any, server: WebServer, trusting: ssl.SSLContext, http2: bool
) -> None:
    """It is cancelled when the server has it. HTTP/1.1 has to give up the connection for it."""

    async def until_waiting(client: Any, count: int) -> None:
        while int((await client.get("/waiting")).text) != count:
            await giambio.sleep(0.01)

    async def main() -> str:
        options = {"base_url": server.tls, "verify": trusting, "timeout": None}
        limits = http.Limits(max_connections=1)
        async with (
            http.AsyncClient(**options) as watcher,
            http.AsyncClient(**options, http2=http2, limits=limits) as client,
        ):
            for number in range(3):
                left = number if http2 else 0
                async with giambio.TaskManager() as manager:
                    task = manager.start_soon(client.get, "/never")
                    await until_waiting(watcher, left + 1)
                    await wait_all_tasks_blocked()  # cancelled while it sends, TLS is broken
                    task.cancel()
                assert task.cancelled()
                await until_waiting(watcher, left + 1 if http2 else 0)
                text = str((await client.get("/hello")).text)
            await client.aclose()
            await until_waiting(watcher, 0)
            return text

    assert run(main) == "hello"


def test_of_a_hundred_requests_half_are_cancelled_and_half_are_answered(
    run: Run, http: Any, server: WebServer
) -> None:
    async def main() -> list[str]:
        limits = http.Limits(max_connections=10)
        async with http.AsyncClient(base_url=server.plain, limits=limits, timeout=50) as client:
            async with giambio.TaskManager() as manager:
                tasks = [manager.start_soon(client.get, "/pieces") for _ in range(100)]
                await tasks[0].join()  # now some are connected, some wait for data or for a place
                for task in tasks[1::2]:
                    task.cancel()
            return [task.result().text[-3:] for task in tasks[::2]]

    assert run(main) == ["49\n"] * 50


# -- ASGI ----------------------------------------------------------------------------------------


def test_a_starlette_app_through_the_asgi_transport(run: Run, http: Any) -> None:
    """With a body that streams, background tasks of both kinds, threads, and an error."""
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.background import BackgroundTasks
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    happened: list[str] = []

    async def in_the_loop() -> None:
        await giambio.sleep(0.001)
        happened.append(giambio.current_task().name)

    def in_a_thread() -> None:
        happened.append(threading.current_thread().name)

    async def pieces(request: Request) -> Response:
        async def body() -> AsyncIterator[str]:
            for number in range(3):
                await giambio.sleep(0.001)
                yield f"{number}\n"

        background = BackgroundTasks()
        background.add_task(in_the_loop)
        background.add_task(in_a_thread)
        return StreamingResponse(body(), background=background)

    def sync(request: Request) -> Response:
        return JSONResponse({"thread": threading.current_thread().name})

    async def fails(request: Request) -> Response:
        raise LookupError("of the app")

    app = Starlette(routes=[Route("/pieces", pieces), Route("/sync", sync), Route("/fails", fails)])

    async def main() -> Any:
        transport = http.ASGITransport(app=app)
        async with http.AsyncClient(transport=transport, base_url="http://app") as client:
            answers = await giambio.gather(client.get("/pieces"), client.get("/sync"))
            with pytest.raises(LookupError, match="of the app"):
                await client.get("/fails")
            return answers[0].text, answers[1].json()["thread"]

    text, thread = run(main)
    assert text == "0\n1\n2\n"
    assert thread.startswith("giambio-")
    assert len(happened) == 2
    assert happened[1].startswith("giambio-")


def test_the_test_client_of_starlette_runs_on_giambio() -> None:
    """With lifespan and a web socket; `backend=` is what Starlette hands to AnyIO."""
    pytest.importorskip("starlette")
    pytest.importorskip("httpx2")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.testclient import TestClient
    from starlette.websockets import WebSocket

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse(giambio.current_task().name)

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app = Starlette(routes=[Route("/", hello), WebSocketRoute("/echo", echo)])
    backend: Any = "giambio"
    with TestClient(app, backend=backend) as client:
        assert client.get("/").status_code == 200
        with client.websocket_connect("/echo") as websocket:
            websocket.send_text("hello")
            assert websocket.receive_text() == "hello"


# -- the adapters --------------------------------------------------------------------------------

EVERYWHERE = """
    import {order}
    import asyncio, trio, {http}

    async def ask(library):
        from {core} import _synchronization
        from {core}._backends import auto
        from {http}._transports import asgi
        assert auto.current_async_library is _synchronization.current_async_library
        event = type(asgi.create_event())
        print(library, auto.current_async_library(), event.__module__)

    async def refused():
        from {core} import _synchronization
        try:
            _synchronization.current_async_library()
        except RuntimeError as exc:
            print(exc)

    giambio.run(ask, "giambio")
    asyncio.run(ask("asyncio"))
    trio.run(ask, "trio")
    import sniffio
    sniffio.thread_local.name = "something else"
    try:
        refused().send(None)
    except StopIteration:
        pass
"""


@pytest.mark.parametrize("order", ["giambio, {http}", "{http}, giambio"])
def test_only_tasks_of_giambio_see_an_adapter(http: Any, order: str) -> None:
    """Whoever is imported first."""
    pytest.importorskip("trio")
    names = {"http": http.__name__, "core": http.__name__.replace("x", "core")}
    assert printed(EVERYWHERE.format(**names, order=order.format(**names))) == [
        "giambio asyncio giambio.sync.event",
        "asyncio asyncio asyncio.locks",
        "trio trio trio",
        "Running under an unsupported async environment.",
    ]


def test_adapters_can_be_turned_off(http: Any) -> None:
    code = f"""
        import giambio, {http.__name__}

        async def main():
            import anyio
            await anyio.sleep(0)
            try:
                async with {http.__name__}.AsyncClient() as client:
                    await client.get("http://127.0.0.1:1")
            except RuntimeError as exc:
                print(exc)

        giambio.run(main)
    """
    assert printed(code, GIAMBIO_NO_ADAPTERS="1") == [
        "Running under an unsupported async environment."
    ]


#: The distributions whose names are not those of their packages.
DISTRIBUTED_AS = {"asgi_lifespan": "asgi-lifespan", "dns": "dnspython"}


PYTHONS_OWN = {"asyncio", "logging"}


@pytest.mark.parametrize("name", sorted(finder.ADAPTERS.keys() - PYTHONS_OWN))
def test_the_library_still_has_the_shape_that_is_adapted(name: str) -> None:
    """Fails loudly when it has not: look whether it still needs the adapter, and mend or drop it.

    The spot is a function with the parameters of its adapter, which knows asyncio and Trio only.
    """
    package = name.partition(".")[0]
    pytest.importorskip(package)
    adapter: Any = importlib.import_module(finder.ADAPTERS[name])
    library = importlib.import_module(name)
    distribution = DISTRIBUTED_AS.get(package, package)
    version = importlib.metadata.version(distribution)
    what = f"{package} {version} (tested: {adapter.TESTED[distribution]}): {name}.{adapter.SPOT}"
    adapted = getattr(library, adapter.SPOT, None)
    assert adapted is not None, f"{what} is gone"
    assert adapted.__module__ == adapter.__name__, f"{what} is not adapted"
    (original,) = (
        cell.cell_contents
        for cell in adapted.__closure__
        if getattr(cell.cell_contents, "__module__", None) == name
    )
    takes, wanted = inspect.signature(original).parameters, inspect.signature(adapted).parameters
    assert list(takes) == list(wanted), f"{what} takes other parameters"
    source = inspect.getsource(library)
    assert "sniffio" in source, f"{what} does not ask sniffio any more"
    assert "anyio" not in inspect.getsource(original) or package.startswith("httpcore"), what


@pytest.mark.parametrize("name", sorted(set(finder.ADAPTERS.values())))
def test_a_version_without_the_spot_is_left_alone(name: str) -> None:
    adapter: Any = importlib.import_module(name)
    module = type(sys)("some_library.some_module")
    finder.adapt(module, adapter, True)
    assert not hasattr(module, adapter.SPOT)


# -- what would make them unnecessary ------------------------------------------------------------

WITHOUT_ADAPTERS = """
    import httpx

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"hello from the app"}})

    async def main():
        async with httpx.AsyncClient() as client:
            print((await client.get("{url}/hello")).text)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            print((await client.get("/")).text)

    if "{backend}" == "giambio":
        import giambio
        giambio.run(main)
    else:
        import anyio
        anyio.run(main, backend="{backend}")
"""


@pytest.mark.parametrize("backend", ["giambio", "asyncio", "trio"])
def test_with_the_patches_that_we_propose_no_adapter_is_needed(
    tmp_path: Path, server: WebServer, backend: str
) -> None:
    pytest.importorskip("httpx")
    pytest.importorskip(backend)
    patched(tmp_path, "httpcore", "httpx")
    code = WITHOUT_ADAPTERS.format(url=server.plain, backend=backend)
    said = printed(code, tmp_path, GIAMBIO_NO_ADAPTERS="1")
    assert said == ["hello", "hello from the app"]
