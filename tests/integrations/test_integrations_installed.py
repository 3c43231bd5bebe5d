"""An environment made by `pip install 'giambio[anyio]' httpx h2 starlette`, and nothing else.

The tests are marked `builds`, because an environment is made for them.
"""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest

from support.builds import SECONDS, environment, python_with
from support.tls import Certificates
from support.web import web_server

pytest.importorskip("hypercorn", reason="Hypercorn is the server, outside of the environment")

PROGRAM = """
    import importlib.metadata
    import ssl
    import sys

    import giambio
    import httpx
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    plain, tls, authority = sys.argv[1:]
    happened = []


    async def pieces(request):
        async def body():
            for piece in "abc":
                await giambio.sleep(0.001)
                yield piece

        return StreamingResponse(body(), background=BackgroundTask(happened.append, "background"))


    async def asgi():
        transport = httpx.ASGITransport(app=Starlette(routes=[Route("/", pieces)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            print((await client.get("/")).text, *happened)


    async def timed_out(client, error, **timeout):
        try:
            await client.get("/never", timeout=httpx.Timeout(None, **timeout))
        except error as exc:
            print(type(exc).__name__)


    async def main():
        trusting = ssl.create_default_context(cafile=authority)
        one = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=plain, limits=one) as client:
            print((await client.get("/hello")).text)
            async with client.stream("GET", "/pieces") as response:
                await timed_out(client, httpx.PoolTimeout, pool=0.1)
                print(len([line async for line in response.aiter_lines()]))
            await timed_out(client, httpx.ReadTimeout, read=0.1)
        for http2 in (False, True):
            async with httpx.AsyncClient(base_url=tls, verify=trusting, http2=http2) as client:
                found = await giambio.gather(*[client.get("/pieces") for _ in range(100)])
                print(*{response.http_version for response in found}, len(found))
        await asgi()

    giambio.run(main)
"""

PRINTED = """\
hello
PoolTimeout
50
ReadTimeout
HTTP/1.1 100
HTTP/2 100
abc background
"""

INSTALLED = "import importlib.metadata as m; print(*[d.name.lower() for d in m.distributions()])"


@pytest.fixture(autouse=True)
def time_limit() -> None:
    """In place of the limit for other tests: installing takes long, and has its own limit."""


@pytest.mark.builds
@pytest.mark.parametrize("beside", [(), ("trio",)], ids=["alone", "beside Trio"])
def test_httpx_and_starlette_work_with_nothing_configured(
    tmp_path: Path, beside: tuple[str, ...]
) -> None:
    """`httpx.AsyncClient` and a Starlette application work inside of `giambio.run`."""
    packages = ("httpx", "h2", "starlette", *beside)
    python = python_with(tmp_path, *packages, extra="[anyio]")
    certificates = Certificates(tmp_path)
    with web_server(*certificates.files("server")) as server:
        arguments = (textwrap.dedent(PROGRAM), server.plain, server.tls, certificates.authority)
        done = subprocess.run(
            [str(python), "-W", "error", "-c", *arguments],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
    assert (done.stdout, done.stderr) == (PRINTED, "")
    listed = subprocess.run(
        [str(python), "-c", INSTALLED],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    installed = set(listed.stdout.split())
    assert {"giambio", "anyio", "sniffio"} <= installed
    assert ("trio" in installed) == bool(beside)
    assert "httpx2" not in installed
