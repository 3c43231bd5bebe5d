"""openai inside giambio tasks: the helper that uploads many files at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.patches import patched
from support.programs import printed

openai = pytest.importorskip("openai")
httpx2 = pytest.importorskip("httpx2")

Run = Callable[..., Any]


class Service:
    """Answers as the API does: takes files, makes batches, and counts.

    It answers no upload before three of them are there.
    """

    def __init__(self) -> None:
        self.three = giambio.Barrier(3)
        self.numbers = itertools.count(1)
        self.uploading = self.most = 0
        self.batches: list[Any] = []

    async def answer(self, request: Any) -> Any:
        if request.url.path.endswith("/files"):
            return await self.upload(request)
        if request.method == "POST":
            self.batches.append(json.loads(request.content)["file_ids"])
        counts = {"total": 1, "completed": 1, "failed": 0, "in_progress": 0, "cancelled": 0}
        batch = {"id": "batch", "object": "vector_store.files_batch", "created_at": 0}
        batch |= {"vector_store_id": "store", "status": "completed", "file_counts": counts}
        return httpx2.Response(200, json=batch)

    async def upload(self, request: Any) -> Any:
        await request.aread()
        if b"refused" in request.content:
            return httpx2.Response(400, json={"error": {"message": "refused"}})
        self.uploading += 1
        self.most = max(self.most, self.uploading)
        await self.three.wait()
        self.uploading -= 1
        return httpx2.Response(200, json={"id": f"file-{next(self.numbers)}", "object": "file"})

    def client(self) -> Any:
        transport = httpx2.MockTransport(self.answer)
        http = httpx2.AsyncClient(transport=transport)
        url = "http://localhost/v1"
        return openai.AsyncOpenAI(api_key="none", base_url=url, http_client=http, max_retries=0)


def test_files_are_uploaded_at_the_same_time_but_not_too_many(run: Run) -> None:
    async def main() -> Any:
        service = Service()
        async with service.client() as client:
            batch = await client.vector_stores.file_batches.upload_and_poll(
                "store",
                files=[(f"{number}.txt", b"text") for number in range(12)],
                max_concurrency=3,
                file_ids=["file-0"],
            )
        return batch.status, service.most, sorted(service.batches[0])

    expected = sorted(f"file-{number}" for number in range(13))
    assert run(main) == ("completed", 3, expected)


def test_a_file_that_is_refused_ends_the_upload(run: Run) -> None:
    async def main() -> None:
        async with Service().client() as client:
            files = [("good.txt", b"text"), ("bad.txt", b"refused")]
            await client.vector_stores.file_batches.upload_and_poll("store", files=files)

    with pytest.raises(openai.BadRequestError, match="refused"):
        run(main)


PROGRAM = """
    import {order}
    import anyio, httpx2, openai, sniffio

    async def answer(request):
        if request.url.path.endswith("/files"):
            return httpx2.Response(200, json={{"id": "file", "object": "file"}})
        batch = {{"id": "batch", "status": "completed", "file_counts": {{"in_progress": 0}}}}
        return httpx2.Response(200, json=batch)

    async def main():
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
        url = "http://localhost/v1"
        async with openai.AsyncOpenAI(api_key="none", base_url=url, http_client=http) as client:
            batches = client.vector_stores.file_batches
            try:
                batch = await batches.upload_and_poll("store", files=[("a.txt", b"a")] * 7)
            except RuntimeError as exc:
                print(exc)
            else:
                print(sniffio.current_async_library(), batch.status)

    for backend in ("giambio", "asyncio", "trio"):
        anyio.run(main, backend=backend)
"""

WORKS = ["giambio completed", "asyncio completed", "trio completed"]
LOADED = "openai.resources.vector_stores.file_batches"


@pytest.mark.parametrize("order", ["giambio", f"{LOADED}, giambio"])
def test_only_tasks_of_giambio_see_the_adapter(order: str) -> None:
    pytest.importorskip("trio")
    assert printed(PROGRAM.format(order=order)) == WORKS


def test_without_the_adapter_it_refuses_giambio() -> None:
    pytest.importorskip("trio")
    said = printed(PROGRAM.format(order="giambio"), GIAMBIO_NO_ADAPTERS="1")
    assert "giambio is not supported yet" in said[0]
    assert said[1:] == WORKS[1:]


def test_with_our_patch_no_adapter_is_needed(tmp_path: Path) -> None:
    pytest.importorskip("trio")
    patched(tmp_path, "openai")
    assert printed(PROGRAM.format(order="giambio"), tmp_path, GIAMBIO_NO_ADAPTERS="1") == WORKS
