"""The programs in examples/, run as their user would run them, warnings being errors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.net import LOOPBACK, server_port

__all__ = ["EXAMPLES", "SECONDS", "command", "connect", "done", "running", "serving", "until"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECONDS = 20


def done(name: str, *arguments: object, **environment: str) -> tuple[int, str, str]:
    """Run an example to its end: its exit code, and what it has printed."""
    ended = subprocess.run(
        command(name, *arguments),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def command(name: str, *arguments: object) -> list[str]:
    """The command line of an example, warnings being errors."""
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]


@contextmanager
def running(name: str, *arguments: object, errors: str = "") -> Iterator[subprocess.Popen[str]]:
    """An example that runs, and writes to stderr nothing but what is expected of it."""
    with subprocess.Popen(
        command(name, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            printed = process.communicate()[1]
        assert errors in printed if errors else printed == ""


@contextmanager
def serving(
    name: str, *arguments: object, errors: str = "", task: tuple[str, ...] = ()
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An example that serves the port that is its first argument, or the one after its task."""
    port = server_port()
    with running(name, *task, port, *arguments, errors=errors) as process:
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
