"""anycorn, AnyIO's fork of Hypercorn, on giambio: HTTP, web sockets, and a clean stop."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import unused_port
from support.tls import Certificates
from support.web import wait_until_served

anycorn = pytest.importorskip("anycorn")
httpx = pytest.importorskip("httpx")
wsproto = pytest.importorskip("wsproto")
events = pytest.importorskip("wsproto.events")

Run = Callable[..., Any]


class App:
    """Says hello, echoes on web sockets, and notes what happens to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.waiting = giambio.Event()
        self.go_on = giambio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await getattr(self, scope["type"])(scope.get("path", ""), receive, send)

    async def lifespan(self, path: str, receive: Any, send: Any) -> None:
        for what in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{what}"
            self.happened.append(what)
            await send({"type": f"lifespan.{what}.complete"})

    async def http(self, path: str, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        if path == "/waits":
            self.waiting.set()
            await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (path, " ", str(size)):
            body = {"body": piece.encode(), "more_body": True}
            await send({"type": "http.response.body", **body})
        await send({"type": "http.response.body", "body": b""})
        self.happened.append(path)

    async def websocket(self, path: str, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        self.happened.append(message["type"])


def configuration(**settings: Any) -> Any:
    config = anycorn.Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    for name, value in settings.items():
        setattr(config, name, value)
    return config


@asynccontextmanager
async def served(app: App, stop: giambio.Event, **settings: Any) -> AsyncIterator[str]:
    """Where the app is served until the event is set; ends when the server has ended."""

    async def serve(task_status: Any) -> None:
        config = configuration(**settings)
        await anycorn.serve(app, config, shutdown_trigger=stop.wait, task_status=task_status)
        app.happened.append("stopped")

    async with giambio.TaskManager() as manager:
        (url,) = await manager.start(serve)
        yield url


def test_http(run: Run) -> None:
    async def main() -> Any:
        app, stop = App(), giambio.Event()
        async with served(app, stop) as url, httpx.AsyncClient(base_url=url) as client:
            answers = await giambio.gather(*[client.get(f"/{number}") for number in range(50)])
            upload = await client.post("/upload", content=bytes(3_000_000))
            stop.set()
        assert app.happened[0] == "startup"
        assert app.happened[-2:] == ["shutdown", "stopped"]
        return [answer.text for answer in answers], upload.text

    assert run(main) == ([f"/{number} 0" for number in range(50)], "/upload 3000000")


def test_http2_over_tls(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("h2")
    certificates = Certificates(tmp_path)
    certfile, keyfile = certificates.files("server")
    trusting = ssl.create_default_context(cafile=certificates.authority)

    async def main() -> Any:
        app, stop = App(), giambio.Event()
        async with served(app, stop, certfile=certfile, keyfile=keyfile) as url:
            async with httpx.AsyncClient(verify=trusting, http2=True) as client:
                port = url.rpartition(":")[2]
                upload = await client.post(f"https://localhost:{port}/", content=bytes(300_000))
            stop.set()
        return upload.http_version, upload.text

    assert run(main) == ("HTTP/2", "/ 300000")


class WebSocket:
    """A client's end of a web socket, by wsproto over a socket of giambio's."""

    def __init__(self, sock: giambio.AsyncSocket) -> None:
        self.sock = sock
        self.protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)

    async def send(self, event: Any) -> None:
        await self.sock.send_all(self.protocol.send(event))

    async def next_event(self) -> Any:
        while True:
            for event in self.protocol.events():
                return event
            self.protocol.receive_data(await self.sock.receive() or None)


def test_a_web_socket(run: Run) -> None:
    async def main() -> Any:
        app, stop = App(), giambio.Event()
        async with served(app, stop) as url:
            port = int(url.rpartition(":")[2])
            async with await giambio.connect_tcp("127.0.0.1", port) as sock:
                client = WebSocket(sock)
                await client.send(events.Request(host="localhost", target="/echo"))
                assert isinstance(await client.next_event(), events.AcceptConnection)
                echoed = []
                for number in range(20):
                    await client.send(events.TextMessage(data=f"hello {number}"))
                    echoed.append((await client.next_event()).data)
                await client.send(events.CloseConnection(code=1000))
                assert isinstance(await client.next_event(), events.CloseConnection)
            stop.set()
        assert app.happened == ["startup", "websocket.disconnect", "shutdown", "stopped"]
        return echoed

    assert run(main) == [f"hello {number}" for number in range(20)]


def test_a_web_socket_that_is_open_when_the_server_stops(run: Run) -> None:
    async def main() -> Any:
        app, stop = App(), giambio.Event()
        async with served(app, stop, graceful_timeout=0.05) as url:
            port = int(url.rpartition(":")[2])
            async with await giambio.connect_tcp("127.0.0.1", port) as sock:
                client = WebSocket(sock)
                await client.send(events.Request(host="localhost", target="/echo"))
                assert isinstance(await client.next_event(), events.AcceptConnection)
                stop.set()
                with giambio.fail_after(20):
                    while await sock.receive():
                        pass
        return app.happened

    assert run(main)[-2:] == ["shutdown", "stopped"]


def test_a_request_that_runs_when_the_server_stops_gets_its_answer(run: Run) -> None:
    async def main() -> Any:
        app, stop = App(), giambio.Event()
        async with served(app, stop, graceful_timeout=20) as url, httpx.AsyncClient() as client:
            async with giambio.TaskManager() as manager:
                request = manager.start_soon(client.get, f"{url}/waits")
                await app.waiting.wait()
                stop.set()
                await giambio.sleep(0.02)
                app.go_on.set()
            return request.result().text, app.happened

    text, happened = run(main)
    assert text == "/waits 0"
    assert happened == ["startup", "/waits", "shutdown", "stopped"]


def test_a_request_that_never_ends_is_cut_off(run: Run) -> None:
    async def main() -> Any:
        app, stop = App(), giambio.Event()

        async def request(url: str) -> None:
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"{url}/waits")

        async with (
            served(app, stop, graceful_timeout=0.05) as url,
            giambio.TaskManager() as manager,
        ):
            manager.start_soon(request, url)
            await app.waiting.wait()
            stop.set()
        return app.happened

    assert run(main) == ["startup", "shutdown", "stopped"]


PROGRAM = """
    import giambio

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{what}"
                print(what, giambio.current_task() is not None, flush=True)
                await send({"type": f"lifespan.{what}.complete"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM for others on Windows")
def test_the_command_line_and_sigterm(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    (tmp_path / "anycorn.toml").write_text('worker_class = "giambio"')
    port = unused_port()
    options = ["--config=anycorn.toml", f"--bind=127.0.0.1:{port}", "--log-level=error"]
    command = [sys.executable, "-m", "anycorn", *options, "program:app"]
    inherited = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": inherited}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until_served(port, process)
            assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text == "hello"
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert said.splitlines() == ["startup True", "shutdown True"]
    assert process.returncode == 0
