"""The programs in examples/ that need libraries of others: httpx, h11, Starlette, wsproto."""

from __future__ import annotations

import http.server
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.examples import EXAMPLES, SECONDS, connect, running, serving, until
from support.net import reset
from support.programs import program

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")

# -- the scraper -----------------------------------------------------------------------------


class Site(http.server.BaseHTTPRequestHandler):
    """Answers when all three requests have come: so they are made at the same time."""

    all_three = threading.Barrier(3, timeout=SECONDS)

    def do_GET(self) -> None:
        if self.path != "/alone":
            self.all_three.wait()
        found = self.path != "/missing"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def scraped(*arguments: str) -> list[str]:
    """What the scraper prints."""
    pytest.importorskip("httpx")
    with running("scraper.py", *arguments) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        assert process.wait(SECONDS) == 0
    return lines


def test_the_scraper_visits_three_sites_at_the_same_time(site: str) -> None:
    """The README's first program at full size: three sites, concurrently, with results."""
    urls = [f"{site}/1", f"{site}/2", f"{site}/missing"]
    assert scraped(*urls) == [
        f"{urls[0]}: 200, 5 bytes",
        f"{urls[1]}: 200, 5 bytes",
        f"{urls[2]}: 404, 5 bytes",
    ]


def test_a_site_that_says_nothing_costs_the_scraper_only_the_time_out(site: str) -> None:
    """A timeout costs only the site that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        lines = scraped(url, f"{site}/alone", "--timeout", "2")
    assert lines[0].startswith(f"{url}: TimeoutError")
    assert lines[1] == f"{site}/alone: 200, 5 bytes"


# -- the ASGI server -------------------------------------------------------------------------

APP = """
import giambio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        print((await receive())["type"], flush=True)
        scope["state"]["greeting"] = b"hello"
        await send({"type": "lifespan.startup.complete"})
        print((await receive())["type"], flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/fails":
        raise LookupError("of the app")
    if scope["path"] == "/slow":
        print("slow has begun", flush=True)
        await giambio.sleep(0.5)
    if scope["path"] == "/gone":
        await receive()
        print("waiting", flush=True)
        print((await receive())["type"], flush=True)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["state"]["greeting"]})
"""


class Served:
    """The server, while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        address = self.line().removeprefix("listening on ")
        self.url = f"http://{address}"
        self.port = int(address.rpartition(":")[2])

    def line(self) -> str:
        """What it prints next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> list[str]:
        """Wait for it, and return what it still prints."""
        assert self.process.wait(SECONDS) == 0
        assert self.process.stdout is not None
        return self.process.stdout.read().splitlines()


@contextmanager
def asgi_server(*arguments: str) -> Iterator[Served]:
    """`asgi_server.py` on a free port."""
    pytest.importorskip("h11")
    pytest.importorskip("starlette")
    with running("asgi_server.py", "--port", 0, *arguments) as process:
        yield Served(process)


@pytest.fixture
def served() -> Iterator[Served]:
    """The demo application."""
    with asgi_server() as served:
        yield served


@pytest.fixture
def own_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The application of this file."""
    (tmp_path / "some_app.py").write_text(APP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with running("asgi_server.py", "--port", 0, "some_app:app") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "lifespan.startup\n"
        yield Served(process)


Curl = Callable[..., bytes]


@pytest.fixture
def curl() -> Curl:
    """Runs `curl`, and returns what it got."""
    found = program("curl")

    def run_curl(*arguments: str, data: bytes | None = None) -> bytes:
        command = [found, "--silent", "--show-error", "--max-time", str(SECONDS), *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    return run_curl


def test_curl_talks_to_the_asgi_server(served: Served, curl: Curl) -> None:
    """`asgi_server.py` serves a Starlette application, tested with `curl`."""
    url = served.url
    assert curl(url) == b"Hello, world!\n"
    assert served.line() == "said hello to world"  # a background task
    assert curl("--no-buffer", f"{url}/count/3") == b"0\n1\n2\n"
    assert curl("--head", f"{url}/hello/you").startswith(b"HTTP/1.1 200")
    assert curl(f"{url}/nowhere") == b"Not Found"
    assert curl("--http1.0", url) == b"Hello, world!\n"


@pytest.mark.parametrize("option", [(), ("--header", "Transfer-Encoding: chunked")])
def test_curl_sends_a_body_and_reads_one_at_the_same_time(
    served: Served, curl: Curl, option: tuple[str, ...]
) -> None:
    body = b"shout" * 200_000  # so that curl asks with `Expect: 100-continue`
    assert curl("--data-binary", "@-", *option, f"{served.url}/shout", data=body) == body.upper()


def test_curl_keeps_its_connection(served: Served, curl: Curl) -> None:
    connects = ("--write-out", "%{num_connects}")
    assert curl(*connects, served.url, served.url) == b"Hello, world!\n1Hello, world!\n0"
    # A body that the application did not read is not taken for the next request. It is small:
    # curl hangs up where the answer is a failure and it has not sent everything.
    post = ("--data-binary", "@-", f"{served.url}/nowhere", f"{served.url}/nowhere")
    assert curl(*connects, *post, data=bytes(10_000)) == b"Not Found1Not Found0"


def test_a_request_that_is_none_gets_400_and_the_server_lives_on(
    served: Served, curl: Curl
) -> None:
    with connect(served.port) as client:
        client.sendall(b"this is no HTTP\r\n\r\n")
        assert until(client, b"\r\n") == b"HTTP/1.1 400 \r\n"
    assert curl(served.url) == b"Hello, world!\n"


def test_requests_may_be_sent_before_the_answers_are_read(served: Served) -> None:
    with connect(served.port) as client:
        client.sendall(b"GET /count/2 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            assert until(client, b"\r\n0\r\n\r\n").endswith(b"\r\n1\n\r\n0\r\n\r\n")


def test_an_application_that_fails_is_a_500_and_a_traceback(own_app: Served, curl: Curl) -> None:
    assert curl("--write-out", "%{http_code}", f"{own_app.url}/fails") == b"500"
    assert curl(own_app.url) == b"hello"
    own_app.stop()
    printed = own_app.end()
    assert printed[0] == "/fails failed"
    assert printed[-2:] == ["LookupError: of the app", "lifespan.shutdown"]


def test_an_application_is_told_that_its_client_has_gone(own_app: Served) -> None:
    with connect(own_app.port) as client:
        client.sendall(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
        assert own_app.line() == "waiting"
    assert own_app.line() == "http.disconnect"


def test_on_sigterm_what_has_begun_is_finished_and_what_is_idle_is_closed(own_app: Served) -> None:
    with connect(own_app.port) as idle, connect(own_app.port) as busy:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(idle, b"hello")
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert own_app.line() == "slow has begun"
        own_app.stop()
        until(busy, b"hello")
        assert own_app.end() == ["lifespan.shutdown"]


def test_an_application_that_cannot_begin_ends_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("h11")
    (tmp_path / "some_app.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command: list[Any] = [sys.executable, EXAMPLES / "asgi_server.py", "--port=0", "some_app:app"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "no database"


# -- the chat by WebSocket ------------------------------------------------------------------------


class WebSocketClient:
    """A client of `websocket_chat.py`, by wsproto over a plain socket."""

    def __init__(self, port: int) -> None:
        self.wsproto = pytest.importorskip("wsproto")
        self.events = pytest.importorskip("wsproto.events")
        self.sock = connect(port)
        self.protocol = self.wsproto.WSConnection(self.wsproto.ConnectionType.CLIENT)
        self.send(self.events.Request(host="localhost", target="/"))
        assert isinstance(self.event(), self.events.AcceptConnection)

    def __enter__(self) -> WebSocketClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def send(self, event: Any) -> None:
        """Send an event."""
        self.sock.sendall(self.protocol.send(event))

    def say(self, text: str, **options: Any) -> None:
        """Send a message, or a part of one."""
        self.send(self.events.TextMessage(data=text, **options))

    def event(self) -> Any:
        """The next event."""
        while True:
            for event in self.protocol.events():
                return event
            self.protocol.receive_data(self.sock.recv(65536) or None)

    def heard(self) -> str:
        """The next message."""
        return str(self.event().data)


@pytest.fixture
def chat() -> Iterator[int]:
    """`websocket_chat.py`, and its port."""
    pytest.importorskip("wsproto")
    with serving("websocket_chat.py") as (process, port):
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert process.stdout is not None
        assert process.stdout.read().endswith("\nstopped\n")


def test_what_one_says_by_websocket_all_hear(chat: int) -> None:
    with WebSocketClient(chat) as ann, WebSocketClient(chat) as ben:
        ann.say("hello")
        assert ann.heard() == ben.heard() == "hello"
        ben.say("hello ", message_finished=False)
        ben.send(ben.events.Ping(payload=b"there?"))
        assert ben.event().payload == b"there?"
        ben.say("Ann")
        assert ann.heard() == ben.heard() == "hello Ann"
        ann.send(ann.events.CloseConnection(code=1000))
        assert ann.event().code == 1000
        assert ann.sock.recv(1) == b""
        reset(ben.sock)


def test_what_is_no_websocket_is_refused(chat: int) -> None:
    """And a client that hangs up in the middle harms nobody."""
    for request in (b"", b"GET / HT"):
        with connect(chat) as client:
            client.sendall(request)
    for request in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"hello\r\n\r\n"):
        with connect(chat) as client:
            client.sendall(request)
            assert until(client, b"\r\n").startswith(b"HTTP/1.1 400 ")
    with WebSocketClient(chat) as ann:
        ann.send(ann.events.BytesMessage(data=b"bytes"))
        assert ann.event().code == 1003
    with WebSocketClient(chat) as ben:
        ben.say("long " * 2001)
        assert ben.event().code == 1009


def test_a_websocket_that_is_not_read_is_disconnected_and_holds_up_nobody(chat: int) -> None:
    """Rule 10.12: the others hear everything."""
    with WebSocketClient(chat) as deaf, WebSocketClient(chat) as ann:
        ann.sock.settimeout(8)  # the server's patience is longer
        text = "x" * 10_000
        for _ in range(2000):
            ann.say(text)
            assert ann.heard() == text
        assert deaf.event().data  # it has a part of it


def test_a_websocket_is_told_when_the_server_goes_away() -> None:
    """Rule 23.3: a client that says nothing is not waited for."""
    pytest.importorskip("wsproto")
    with serving("websocket_chat.py") as (process, port), WebSocketClient(port) as ann:
        process.send_signal(signal.SIGTERM)
        assert ann.event().code == 1001
        assert process.wait(SECONDS) == 0
