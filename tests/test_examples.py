"""The programs in examples/: each is run as its user would run it, warnings being errors."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers_net import LOOPBACK, drain, reset, server_port

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SECONDS = 20

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@contextmanager
def running(name: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """An example that runs; what it writes to stderr is a failure of the test."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            errors = process.communicate()[1]
        assert errors == ""


@contextmanager
def serving(name: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An example that serves the port that is its first argument."""
    port = server_port()
    with running(name, port, *arguments) as process:
        while True:
            assert process.poll() is None, process.communicate()[1]
            try:
                connect(port).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
                continue
            break
        yield process, port


def connect(port: int) -> socket.socket:
    """A client of the loopback."""
    return socket.create_connection((LOOPBACK[socket.AF_INET], port), SECONDS)


def until(sock: socket.socket, text: bytes) -> bytes:
    """Receive until a text has come."""
    received = b""
    while text not in received:
        piece = sock.recv(1)
        assert piece, f"the stream ended after {received!r}"
        received += piece
    return received


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


def test_the_service_finishes_what_it_has_begun_and_exits_with_0() -> None:
    """Done when: `service.py` (`serve_tcp`, SIGTERM, drain, exit code 0, with a real signal)."""
    with serving("service.py") as (process, port):
        with connect(port) as client:
            client.sendall(b"this\n")
            until(client, b"working on this\n")
            process.send_signal(signal.SIGTERM)
            assert until(client, b"\n") == b"done\n"
            assert client.recv(1) == b""
        assert process.wait(SECONDS) == 0
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        assert process.stdout is not None
        assert process.stdout.read() == "stopped: SIGTERM\n"


def test_an_idle_service_exits_at_once() -> None:
    with serving("service.py") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
