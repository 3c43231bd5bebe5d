"""A web server of somebody else's (Hypercorn on asyncio), in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.net import unused_port

SECONDS = 30


class WebServer(NamedTuple):
    """Where the app is served."""

    plain: str
    tls: str


@contextmanager
def web_server(certificate: str, key: str) -> Iterator[WebServer]:
    """`support.web_app`, with HTTP/1.1 and 2, with and without TLS."""
    plain, tls = unused_port(), unused_port()
    command = [
        *(sys.executable, "-m", "hypercorn", "--workers=0", "--log-level=error"),
        *(f"--insecure-bind=127.0.0.1:{plain}", f"--bind=127.0.0.1:{tls}", "--keep-alive=60"),
        *(f"--certfile={certificate}", f"--keyfile={key}", "--graceful-timeout=0"),
        "support.web_app:app",
    ]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as process:
        try:
            for port in (plain, tls):
                wait_until_served(port, process)
            yield WebServer(f"http://127.0.0.1:{plain}", f"https://localhost:{tls}")
        finally:
            process.kill()


def wait_until_served(port: int, process: subprocess.Popen[Any]) -> None:
    """Return as soon as a port takes connections."""
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            return socket.create_connection(("127.0.0.1", port), SECONDS).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError(f"no server on port {port}")
