"""ASGI applications in workers: HTTP, web sockets, lifespan, reloads and stops, by uvicorn."""

from __future__ import annotations

import http.client
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import giambio
from support.services import Service, serving

pytest.importorskip("uvicorn")
websockets = pytest.importorskip("websockets.sync.client")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")

APP = """
import os, pathlib, time
import giambio

here = pathlib.Path(__file__).parent

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if (here / "kind").exists():
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        (here / f"started-{os.getpid()}").touch()
        scope["state"]["word"] = "lifespan"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        (here / f"shutdown-{os.getpid()}").touch()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})
    else:
        async with giambio.TaskManager() as manager:  # all of giambio works here
            manager.start_soon(giambio.sleep, 0.3 if scope["path"] == "/slow" else 0)
        if scope["path"] == "/block":
            time.sleep(0.05)
        body = f"{os.getpid()} {scope['state']['word']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

class Application:
    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)

instance = Application()
"""


@contextmanager
def application(folder: Path, *options: str, name: str = "app") -> Iterator[Service]:
    """The application, served."""
    (folder / "application.py").write_text(APP)
    with serving(folder, *options, target=f"application:{name}") as service:
        yield service


def get(service: Service, path: str = "/") -> str:
    """What a request is answered."""
    host, port = service.address  # type: ignore[misc]
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request("GET", path, headers={"Connection": "close"})
    response = connection.getresponse()
    assert response.status == 200
    return response.read().decode()


@pytest.mark.parametrize("name", ["app", "instance"])
def test_requests_lifespan_and_giambio_in_a_handler(tmp_path: Path, name: str) -> None:
    """Rule 29.10."""
    with application(tmp_path, "--workers", "2", name=name) as service:
        pid, word = get(service).split()
        assert int(pid) in service.started()
        assert word == "lifespan"
        service.signal(signal.SIGTERM)
        assert service.end() == 0
    assert len(list(tmp_path.glob("shutdown-*"))) == 2


def test_connections_that_come_together_are_shared(tmp_path: Path) -> None:
    """Rule 29.10: and not all of them taken by the worker that wakes up first."""
    with application(tmp_path, "--workers", "2") as service, ExitStack() as opened:
        workers = service.started()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        clients = [opened.enter_context(service.connect()) for _ in range(20)]
        for client in clients:
            client.sendall(b"GET /block HTTP/1.0\r\n\r\n")
        one, other = workers
        os.kill(one, signal.SIGCONT)
        # When it answers the first, it has not accepted the last.
        select.select(clients, [], [], 30)
        os.kill(other, signal.SIGCONT)
        answered: set[int] = set()
        for client in clients:
            received = b""
            while data := client.recv(1000):
                received += data
            answered.update(map(int, re.findall(rb"(\d+) lifespan", received)))
        assert answered == workers


def test_web_sockets(tmp_path: Path) -> None:
    """Rule 29.10."""
    with application(tmp_path, "--workers", "1", "--interface", "asgi") as service:
        host, port = service.address  # type: ignore[misc]
        with websockets.connect(f"ws://{host}:{port}/") as client:
            client.send("hello")
            assert client.recv() == "HELLO"


def test_a_request_that_has_begun_is_finished(tmp_path: Path) -> None:
    """Rule 29.6."""
    with application(tmp_path, "--workers", "1") as service:

        async def main() -> bytes:
            async with giambio.connect_tcp(*service.address) as stream:  # type: ignore[misc]
                await stream.send_all(b"GET /slow HTTP/1.0\r\n\r\n")
                # It is served when a request on another connection is.
                await giambio.to_thread(get, service)
                service.signal(signal.SIGTERM)
                received = b""
                while data := await stream.receive():
                    received += data
                return received

        assert b" lifespan" in giambio.run(main)
        assert service.end() == 0


def test_ctrl_c_of_a_terminal_is_the_affair_of_the_parent(tmp_path: Path) -> None:
    """Rule 29.6: the worker gets it, too, and serves on until it is told to stop."""
    with application(tmp_path, "--workers", "1") as service:
        (worker,) = service.started()
        os.kill(worker, signal.SIGINT)
        assert get(service, "/slow").split()[0] == str(worker)
        assert get(service).split()[0] == str(worker)
        service.signal(signal.SIGTERM)
        assert service.end() == 0


STOPPED_EARLY = """if True:
    import os, signal, socket
    from giambio.workers import asgi, handed_over
    from application import app

    def sockets():
        signal.raise_signal(signal.SIGTERM)
        return [socket.create_server(("127.0.0.1", 0))]

    handed_over.here.sockets = sockets
    reading, writing = os.pipe()
    asgi.serve(app, handed_over.Report(writing, 1), 1)
"""


def test_a_sigterm_before_the_server_serves(tmp_path: Path) -> None:
    """Rule 29.6: it is not lost while uvicorn does not listen to signals yet."""
    (tmp_path / "application.py").write_text(APP)
    command = [sys.executable, "-c", STOPPED_EARLY]
    ended = subprocess.run(command, cwd=tmp_path, timeout=50, check=False)
    assert ended.returncode == 0


def test_a_connection_that_was_made_just_now_is_served(tmp_path: Path) -> None:
    """Rule 29.4: its request has not come yet when the worker is told to stop."""
    with application(tmp_path, "--workers", "1") as service, service.connect() as client:
        get(service)  # by then the other connection was accepted
        service.signal(signal.SIGTERM)
        service.wait_for("stopping")
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = b""
        while data := client.recv(1000):
            received += data
        assert b" lifespan" in received
        assert service.end() == 0


def test_a_reload_under_load_fails_no_request(tmp_path: Path) -> None:
    """Rule 29.4."""

    async def main(service: Service) -> list[str]:
        answers = []
        over = False

        async def client() -> None:
            while not over:
                answers.append(await giambio.to_thread(get, service))

        async with giambio.TaskManager() as manager:
            for _ in range(6):
                manager.start_soon(client)
            for _ in range(3):
                service.signal(signal.SIGHUP)
                await giambio.to_thread(service.wait_for, "giambio.workers: reloaded")
            over = True
        return answers

    with application(tmp_path, "--workers", "2") as service:
        first = service.started()
        answered = {int(answer.split()[0]) for answer in giambio.run(main, service)}
        answered.add(int(get(service).split()[0]))
        assert answered & first
        assert answered - first


def test_an_application_whose_lifespan_fails(tmp_path: Path) -> None:
    """Rules 29.3, 29.4."""
    with application(tmp_path, "--workers", "1", "--interface", "asgi") as service:
        service.kind("fails")
        service.signal(signal.SIGHUP)
        service.wait_for("the reload has failed, and nothing has changed")
        assert int(get(service).split()[0]) in service.started()


def test_without_uvicorn_it_says_what_to_install(tmp_path: Path) -> None:
    """Rule 29.10."""
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    (tmp_path / "application.py").write_text(APP)
    command = [sys.executable, "-m", "giambio", "serve", "application:app", "--workers", "1"]
    ended = subprocess.run(
        [*command, "--bind", "127.0.0.1:0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 1
    assert "python -m pip install 'giambio[serve]'" in ended.stderr
