"""Litestar inside giambio tasks: sync handlers, dependencies and files, which need threads."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.patches import patched
from support.programs import printed

pytest.importorskip("litestar")
httpx = pytest.importorskip("httpx")

Run = Callable[..., Any]

where: ContextVar[str] = ContextVar("where", default="nowhere")


def client(*handlers: Any) -> Any:
    from litestar import Litestar

    app = Litestar(list(handlers), openapi_config=None, logging_config=None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app")


def test_sync_handlers_and_dependencies_run_in_worker_threads(run: Run) -> None:
    from litestar import get
    from litestar.di import NamedDependency, Provide
    from litestar.params import FromQuery

    def thread() -> str:
        return threading.current_thread().name

    @get("/", sync_to_thread=True, dependencies={"other": Provide(thread, sync_to_thread=True)})
    def names(other: NamedDependency[str], question: FromQuery[int]) -> list[str]:
        return [other, thread(), str(question), where.get()]

    async def main() -> Any:
        where.set("in the task")
        async with client(names) as http:
            return (await http.get("/?question=5")).raise_for_status().json()

    first, second, question, context = run(main)
    assert first.startswith("giambio-")
    assert second.startswith("giambio-")
    assert (question, context) == ("5", "in the task")


def test_an_error_in_a_sync_handler_is_the_app_s_own(run: Run) -> None:
    from litestar import get
    from litestar.exceptions import NotFoundException

    @get("/", sync_to_thread=True)
    def missing() -> None:
        raise NotFoundException("it is not here")

    async def main() -> Any:
        async with client(missing) as http:
            response = await http.get("/")
            return response.status_code, response.json()["detail"]

    assert run(main) == (404, "it is not here")


def test_sync_handlers_run_at_the_same_time_as_async_ones(run: Run) -> None:
    from litestar import get

    go_on = threading.Event()

    @get("/waits", sync_to_thread=True)
    def waits() -> bool:
        return go_on.wait(20)

    @get("/wakes")
    async def wakes() -> None:
        go_on.set()

    async def main() -> Any:
        async with client(waits, wakes) as http:
            waited, _ = await giambio.gather(http.get("/waits"), http.get("/wakes"))
            return waited.json()

    assert run(main) is True


def test_files_streams_and_uploads(run: Run, tmp_path: Path) -> None:
    from litestar import get, post
    from litestar.datastructures import UploadFile
    from litestar.params import MultipartBody
    from litestar.response import File, Stream
    from litestar.stores.file import FileStore

    (tmp_path / "file.txt").write_text("from the disk")

    @get("/file", sync_to_thread=True)
    def file() -> File:
        return File(tmp_path / "file.txt")

    @get("/stream")
    async def stream() -> Stream:
        return Stream(iter(["a", "b", "c"]))

    @post("/upload")
    async def upload(data: MultipartBody[UploadFile]) -> int:
        return len(await data.read())

    async def main() -> Any:
        async with client(file, stream, upload) as http:
            sent = await http.post("/upload", files={"data": bytes(3_000_000)})
            texts = [(await http.get(path)).text for path in ("/file", "/stream")]
            store = FileStore(tmp_path / "store", create_directories=True)
            await store.set("key", "kept")
            return [sent.json(), *texts, await store.get("key")]

    assert run(main) == [3_000_000, "from the disk", "abc", b"kept"]


EVERYWHERE = """
    import {order}
    import asyncio, threading, trio
    from litestar.utils import ensure_async_callable

    async def ask():
        print((await ensure_async_callable(threading.current_thread)()).name.partition("-")[0])

    giambio.run(ask)
    asyncio.run(ask())
    trio.run(ask)
"""


@pytest.mark.parametrize("order", ["giambio, litestar.utils", "litestar.utils, giambio"])
def test_only_tasks_of_giambio_see_the_adapter(order: str) -> None:
    pytest.importorskip("trio")
    names = [name.split()[0] for name in printed(EVERYWHERE.format(order=order))]
    assert names == ["giambio", "asyncio_0", "Trio"]


HANDLER = """
    import threading
    import httpx
    from litestar import Litestar, get

    @get("/", sync_to_thread=True)
    def handler() -> str:
        return "from a thread" if threading.current_thread() is not main_thread else ""

    main_thread = threading.main_thread()

    async def main():
        app = Litestar([handler], openapi_config=None, logging_config=None)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            response = await client.get("/")
            print(response.status_code, response.text if response.status_code == 200 else "")

    import anyio, giambio
    anyio.run(main, backend="{backend}")
"""


def test_without_the_adapter_a_sync_handler_fails(tmp_path: Path) -> None:
    patched(tmp_path, "httpx")
    code = HANDLER.format(backend="giambio")
    assert printed(code, tmp_path, GIAMBIO_NO_ADAPTERS="1") == ["500 "]


@pytest.mark.parametrize("backend", ["giambio", "asyncio", "trio"])
def test_with_our_patch_no_adapter_is_needed(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    patched(tmp_path, "httpx", "litestar")
    code = HANDLER.format(backend=backend)
    assert printed(code, tmp_path, GIAMBIO_NO_ADAPTERS="1") == ["200 from a thread"]
