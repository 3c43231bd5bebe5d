"""The programs in examples/: each is run as its user would run it, warnings being errors."""

from __future__ import annotations

import functools
import os
import pty
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.examples import EXAMPLES, SECONDS, command, connect, done, running, serving, until
from support.net import LOOPBACK, drain, reset, unused_port
from support.tls import Certificates
from support.web import WebServer, web_server

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


def test_the_proxy_passes_on_what_both_sides_say() -> None:
    with socket.create_server((LOOPBACK[socket.AF_INET], 0)) as target:
        target.settimeout(SECONDS)
        host, target_port = target.getsockname()
        with serving("tcp_proxy.py", host, target_port) as (_, port):
            target.accept()[0].close()  # of who asked whether the proxy is there
            for _ in range(3):
                with connect(port) as client:
                    server, _ = target.accept()
                    server.settimeout(SECONDS)
                    with server:
                        client.sendall(bytes(1_000_000))
                        drain(server, 1_000_000)
                        client.shutdown(socket.SHUT_WR)
                        assert server.recv(1) == b""  # a half-close is passed on as well
                        server.sendall(b"answer")
                        server.shutdown(socket.SHUT_WR)
                        assert drain(client, 6) == b"answer"
                        assert client.recv(1) == b""
            client = connect(port)
            server, _ = target.accept()
            server.settimeout(SECONDS)
            with server:
                reset(client)
                assert server.recv(1) == b""


def test_what_one_says_in_the_chat_all_read() -> None:
    with serving("chat_server.py") as (_, port), connect(port) as ann, connect(port) as ben:
        for sock, name in ((ann, b"Ann"), (ben, b"Ben")):
            assert until(sock, b"? ") == b"Your name? "
            sock.sendall(name + b"\r\n")
            assert until(sock, name + b" is here\n").endswith(b"* %s is here\n" % name)
        assert until(ann, b"Ben is here\n") == b"* Ben is here\n"
        ann.sendall(b"Hello\r\n")
        assert until(ann, b"\n") == until(ben, b"\n") == b"Ann: Hello\n"
        ben.shutdown(socket.SHUT_WR)
        assert until(ann, b"\n") == b"* Ben has left\n"
        with connect(port) as cem:
            cem.sendall(b"Cem\n")
            until(ann, b"Cem is here\n")
            reset(cem)
            assert until(ann, b"\n") == b"* Cem has left\n"


def test_in_the_chat_nobody_waits_for_somebody_who_does_not_read() -> None:
    """More is said than the system and the room hold for Ben, long before he is given up."""
    with serving("chat_server.py") as (_, port), connect(port) as ben, connect(port) as ann:
        for sock, name in ((ben, b"Ben"), (ann, b"Ann")):
            sock.sendall(name + b"\n")
            until(sock, name + b" is here\n")
        with ann.makefile("rb") as lines:
            for _ in range(300):
                ann.sendall(b"x" * 60_000 + b"\n")
                assert lines.readline().startswith(b"Ann: x")


def test_the_proxy_says_where_it_cannot_connect_and_goes_on() -> None:
    target = unused_port()
    complaint = f"127.0.0.1, port {target}: [Errno 111] Connection refused"
    with serving("tcp_proxy.py", "127.0.0.1", target, errors=complaint) as (_, port):
        for _ in range(2):
            with connect(port) as client:
                assert client.recv(1) == b""


def test_the_chat_refuses_a_line_that_fills_its_memory() -> None:
    with serving("chat_server.py") as (_, port), connect(port) as client:
        client.sendall(bytes(100_000))
        assert until(client, b"\n") == b"Your name? * that line is too long\n"


def test_the_service_finishes_what_it_has_begun_and_exits_with_0() -> None:
    """Rules 12.8, 16.16: `service.py`: a real SIGTERM, a graceful shutdown, exit code 0."""
    with serving("service.py") as (process, port):
        with connect(port) as client, connect(port) as idle:
            client.sendall(b"this\n")
            until(client, b"working on this\n")
            process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""
            assert until(client, b"\n") == b"done\n"
            assert client.recv(1) == b""
        assert process.wait(SECONDS) == 0
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        assert process.stdout is not None
        assert process.stdout.read() == "stopped\n"


def test_an_idle_service_exits_at_once() -> None:
    with serving("service.py") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_the_store_does_not_miss_one_of_three_machines(tmp_path: Path) -> None:
    """`replicated_store.py`, on real sockets and files; its tests by simulation are elsewhere."""
    name, task, journals = "replicated_store.py", ("serve",), [tmp_path / word for word in "abc"]
    machines = [functools.partial(serving, name, journal, task=task) for journal in journals]
    with machines[0]() as (_, one), machines[1]() as (_, two):
        with machines[2]() as (_, three):
            ports = ["--ports", one, two, three]
            assert done(name, "get", "colour", *ports) == (0, "None\n", "")
            assert done(name, "put", "colour", "blue", *ports) == (0, "", "")
        assert done(name, "get", "colour", *ports) == (0, "blue\n", "")
        assert done(name, "put", "colour", "red", *ports) == (0, "", "")
    # After a crash of them all, one of the two that have heard of red comes back, and the third.
    with machines[1]() as (_, two), machines[2]() as (_, three):
        assert done(name, "get", "colour", "--ports", two, three, one) == (0, "red\n", "")
    told = "no majority of the replicas has answered\n"
    assert done(name, "get", "colour", "--timeout", 0.1, *ports) == (1, "", told)


# -- HTTP -----------------------------------------------------------------------------------

PAGE = "Grüße".encode()
LARGE = os.urandom(3_000_000)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to serve, and beside it a file which is not to be served."""
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "page.txt").write_bytes(PAGE)
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "sub" / "index.html").write_bytes(b"<p>hello")
    (tmp_path / "secret").write_text("secret")
    (folder / "way-out").symlink_to("../secret")
    (folder / "inner").mkdir()
    (folder / "inner" / "index.html").symlink_to("../../secret")
    return folder


def curl(*arguments: object) -> bytes:
    """What curl prints."""
    asked = ["curl", "-sS", "--max-time", str(SECONDS), "--path-as-is", *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, check=True, timeout=2 * SECONDS).stdout


def test_the_http_server_gives_curl_what_is_in_its_folder(site: Path) -> None:
    """`curl` against `http_server.py`."""
    with serving("http_server.py", site) as (_, port):
        url = f"http://127.0.0.1:{port}"
        assert curl(f"{url}/page.txt") == PAGE
        assert curl(f"{url}/large.bin") == LARGE
        assert curl(f"{url}/sub") == b"<p>hello"
        head = curl("--head", f"{url}/page.txt")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(PAGE) in head
        # Two pages, one connection.
        made = curl("-w", "%{num_connects} ", *(f"{url}/page.txt",) * 2)
        assert made == PAGE + b"1 " + PAGE + b"0 "


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (["/absent"], 404),
        (["--head", "/absent"], 404),
        (["/../secret"], 404),
        (["/way-out"], 404),
        (["/%2e%2e/secret"], 404),
        (["//etc/passwd"], 404),
        (["/%00"], 404),
        (["/" + "a" * 5000], 404),
        (["/inner"], 404),
        (["-d", "x=1", "/page.txt"], 405),
        (["-H", "Expect: 100-continue", "-d", "x=1", "/page.txt"], 405),
        (["-H", "no name: 1", "/page.txt"], 400),
    ],
)
def test_the_http_server_refuses_what_it_does_not_have(
    site: Path, asked: list[str], status: int
) -> None:
    with serving("http_server.py", site) as (_, port):
        *options, path = asked
        url = f"http://127.0.0.1:{port}{path}"
        code = curl("-o", os.devnull, "-w", "%{http_code}", *options, url)
        assert code == b"%d" % status
        assert curl(f"http://127.0.0.1:{port}/page.txt") == PAGE


def test_the_http_server_goes_on_when_clients_do_not(site: Path) -> None:
    with serving("http_server.py", site) as (process, port):
        for request in (b"", b"GET /large.b", b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"):
            client = connect(port)
            client.sendall(request)
            reset(client)
        assert curl(f"http://127.0.0.1:{port}/page.txt") == PAGE
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert process.stdout is not None
        assert process.stdout.read().endswith("GET /page.txt\nstopped\n")


def test_the_http_server_does_not_wait_for_an_idle_connection(site: Path) -> None:
    """Rule 16.16: it is told of the stop, by `cancel_on_stop`."""
    with serving("http_server.py", site) as (process, port), connect(port) as client:
        client.sendall(b"GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        until(client, PAGE)
        process.send_signal(signal.SIGTERM)
        assert client.recv(1) == b""
        assert process.wait(SECONDS) == 0
        assert process.stdout is not None
        assert process.stdout.read().endswith("GET /page.txt\nstopped\n")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_http_server_ends_the_answers_it_has_begun(site: Path, stop: signal.Signals) -> None:
    with serving("http_server.py", site) as (process, port), connect(port) as client:
        client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until(client, b"\r\n\r\n")
        process.send_signal(stop)
        assert drain(client, len(LARGE)) == LARGE
        assert process.wait(SECONDS) == 0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(certificates: Certificates) -> Iterator[WebServer]:
    with web_server(*certificates.files("server")) as server:
        yield server


def test_the_http_client_fetches_a_page(server: WebServer, certificates: Certificates) -> None:
    code, page, told = done("http_client.py", f"{server.plain}/hello")
    assert (code, page) == (0, "hello")
    assert told.startswith("200 ")
    trusting = {"SSL_CERT_FILE": str(certificates.authority)}
    code, page, _ = done("http_client.py", f"{server.tls}/hello", **trusting)
    assert (code, page) == (0, "hello")


def test_the_http_client_says_what_went_wrong(site: Path, server: WebServer) -> None:
    with serving("http_server.py", site) as (_, port):
        code, page, told = done("http_client.py", f"http://127.0.0.1:{port}/absent")
    assert (code, page, told.splitlines()[0]) == (1, "404 Not Found\n", "404 Not Found")
    url = f"{server.tls}/hello"
    code, page, told = done("http_client.py", url)  # whose certificate nobody knows
    assert (code, page) == (1, "")
    assert told.startswith(f"{url}: [SSL: CERTIFICATE_VERIFY_FAILED]")
    url = f"http://127.0.0.1:{unused_port()}/"
    code, page, told = done("http_client.py", url)
    assert (code, page) == (1, "")
    assert told.startswith(f"{url}: [Errno 111] Connection refused")
    code, _, told = done("http_client.py", "page.txt")
    assert code == 2
    assert told.endswith("error: not a URL of http or https: page.txt\n")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "peer closed connection"),
        (b"I do not speak HTTP\r\n\r\n", "illegal"),
        (b"", "can't handle event type ConnectionClosed"),
    ],
)
def test_the_http_client_does_not_take_half_a_page_for_one(answer: bytes, complaint: str) -> None:
    with socket.create_server((LOOPBACK[socket.AF_INET], 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with running("http_client.py", url, errors=complaint) as process:
            with listener.accept()[0] as sock:
                until(sock, b"\r\n\r\n")
                sock.sendall(answer)
            assert process.wait(SECONDS) == 1


def test_the_http_client_does_not_wait_for_ever() -> None:
    with socket.create_server((LOOPBACK[socket.AF_INET], 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        ended = done("http_client.py", "--timeout", "0.1", url)
        assert ended == (1, "", f"{url}: no answer within 0.1 seconds\n")


# -- files ----------------------------------------------------------------------------------


def on_a_terminal(name: str, *arguments: object) -> tuple[int, str]:
    """Run an example on a terminal: its exit code, and what it shows."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with subprocess.Popen(
            command(name, *arguments),
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            shown = b""
            try:
                while piece := terminal.read(65536):
                    shown += piece
            except OSError:  # EIO: that is how a terminal says that nobody has it open any more
                pass
        return process.returncode, shown.decode()


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_the_downloader_downloads(site: Path, target: Path) -> None:
    with serving("http_server.py", site) as (_, port):
        url = f"http://127.0.0.1:{port}"
        paths = ("large.bin", "page.txt", "sub/")
        code, printed, errors = done(
            "downloader.py", "--into", target, *(f"{url}/{path}" for path in paths)
        )
    assert (code, errors) == (0, "")
    files = {"large.bin": LARGE, "page.txt": PAGE, "sub": b"<p>hello"}
    assert contents(target) == files
    assert sorted(printed.splitlines()) == [str(target / name) for name in sorted(files)]


def test_the_downloader_shows_a_bar_on_a_terminal(site: Path, target: Path) -> None:
    with serving("http_server.py", site) as (_, port):
        url = f"http://127.0.0.1:{port}/large.bin"
        code, shown = on_a_terminal("downloader.py", "--into", target, url)
    assert (code, contents(target)) == (0, {"large.bin": LARGE})
    assert "large.bin" in shown
    assert "━━━━━━━━━━" in shown
    assert "3.0/3.0 MB" in shown


def test_the_downloader_says_what_it_could_not_get(site: Path, target: Path) -> None:
    (target / "page.txt").write_text("mine")
    with serving("http_server.py", site) as (_, port):
        url = f"http://127.0.0.1:{port}"
        refused = f"http://127.0.0.1:{unused_port()}/a"
        arguments = (f"{url}/absent", f"{url}/page.txt", f"{url}/large.bin", refused)
        code, printed, errors = done("downloader.py", "--into", target, *arguments)
    assert code == 1
    assert printed == f"{target / 'large.bin'}\n"
    assert errors.splitlines() == [
        f"{url}/absent: Client error '404 Not Found' for url '{url}/absent'",
        f"{url}/page.txt: {target / 'page.txt'} exists already",
        f"{refused}: All connection attempts failed",
    ]
    assert contents(target) == {"page.txt": b"mine", "large.bin": LARGE}


def test_the_downloader_leaves_no_half_a_file(target: Path) -> None:
    with socket.create_server((LOOPBACK[socket.AF_INET], 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/page"
        with running("downloader.py", "--into", target, url, errors="peer closed") as process:
            with listener.accept()[0] as sock:
                until(sock, b"\r\n\r\n")
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
            assert process.wait(SECONDS) == 1
        assert contents(target) == {}
        arguments = ("--into", target, url)
        with running("downloader.py", *arguments) as process, listener.accept()[0] as sock:
            until(sock, b"\r\n\r\n")
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
            while not contents(target):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
        assert contents(target) == {}


def test_the_copier_copies(site: Path, target: Path) -> None:
    (site / "page.txt").chmod(0o640)
    (target / "page.txt").write_text("before")
    sources = [site / "page.txt", site / "large.bin"]
    copied = done("file_copier.py", *sources, target)
    assert copied == (0, "copied 2 of 2 files\n", "")
    assert contents(target) == {"page.txt": PAGE, "large.bin": LARGE}
    assert (target / "page.txt").stat().st_mode & 0o777 == 0o640


def test_the_copier_shows_how_far_it_is_on_a_terminal(site: Path, target: Path) -> None:
    code, shown = on_a_terminal("file_copier.py", site / "large.bin", target)
    assert code == 0
    assert shown.endswith("\r100 % of 3,000,000 bytes\r\ncopied 1 of 1 files\r\n")


def test_the_copier_says_what_it_could_not_copy(site: Path, target: Path) -> None:
    same = target / "same"
    same.write_text("same")
    sources = [site / "absent", site / "sub", same, site / "page.txt"]
    code, printed, errors = done("file_copier.py", *sources, target)
    assert (code, printed) == (1, "copied 1 of 4 files\n")
    assert errors.splitlines() == [
        f"{site / 'absent'}: No such file or directory",
        f"{site / 'sub'}: Is a directory",
        f"{same}: that is the same file",
    ]
    assert contents(target) == {"same": b"same", "page.txt": PAGE}


def test_the_copier_leaves_no_half_a_file(tmp_path: Path, target: Path) -> None:
    pipe = tmp_path / "pipe"  # as slow as we want
    os.mkfifo(pipe)
    with running("file_copier.py", pipe, target) as process, open(pipe, "wb") as writer:
        writer.write(bytes(100_000))
        writer.flush()
        while not contents(target):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert contents(target) == {}


# -- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EXAMPLES.glob("*.py") if "parse_args" in path.read_text())
)
def test_help_says_what_it_takes(name: str) -> None:
    code, printed, errors = done(name, "--help")
    assert (code, errors) == (0, "")
    assert printed.startswith(f"usage: {name} ")


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f"]({path.name})" not in listed] == []
