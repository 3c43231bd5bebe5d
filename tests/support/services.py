"""A service with workers, in processes of its own: `python -m giambio serve`, or a program."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.net import server_port

SECONDS = 30

#: What the workers serve: each answers with its process's number. Where a file says so, they
#: are of a kind that is trouble.
APP = """
import os, pathlib, signal, time
import giambio

here = pathlib.Path(__file__).parent
kind = (here / "kind").read_text() if (here / "kind").exists() else ""
if kind == "crashes":
    raise RuntimeError("this version is broken")

async def handler(stream):
    while request := await stream.receive():
        if request == b"block":
            time.sleep(1000)
        if request == b"slow":
            await giambio.sleep(0.3)
        await stream.send_all(b"%d" % os.getpid())

async def main():
    (here / f"started-{os.getpid()}").touch()
    if kind == "never ready":
        await giambio.sleep_forever()
    if kind == "ignores SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await giambio.serve_listeners(handler, giambio.inherited_listeners())

async def idle():
    (here / f"started-{os.getpid()}").touch()
    await giambio.wait_stopping()

def plain():
    return 3
"""


class Service:
    """A service that runs, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, address: object) -> None:
        self.process = process
        self.folder = folder
        self.address = address
        self.lines: list[str] = []
        self._seen = 0
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self.lines.append("(the end)")
            self._news.notify_all()

    def wait_for(self, text: str) -> str:
        """Wait until a line with a text was logged, after the one that was waited for before."""
        with self._news:
            while True:
                for number in range(self._seen, len(self.lines)):
                    if text in self.lines[number]:
                        self._seen = number + 1
                        return self.lines[number]
                ended = self.lines[-1:] == ["(the end)"]
                if ended or not self._news.wait(SECONDS):
                    raise AssertionError(f"no line with {text!r} in {self.lines}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kind(self, text: str) -> None:
        """Say what the workers of the next generation are like."""
        (self.folder / "kind").write_text(text)

    def connect(self) -> socket.socket:
        """A connection to a worker."""
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        client = socket.socket(family)
        client.settimeout(SECONDS)
        client.connect(self.address)  # type: ignore[arg-type]
        return client

    def ask(self, request: bytes = b"?") -> int:
        """A worker's process number, as it tells by a new connection."""
        with self.connect() as client:
            client.sendall(request)
            return int(client.recv(100))

    def started(self) -> set[int]:
        """The process numbers of all workers that have begun."""
        return {int(path.name.split("-")[1]) for path in self.folder.glob("started-*")}

    def children(self) -> set[int]:
        """The process numbers of its children, zombies included (Linux)."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == self.process.pid:
                found.add(int(folder.name))
        return found

    def descriptors(self) -> int:
        """How many descriptors it has open (Linux)."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self) -> int:
        """Wait for its end, and return the exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code


def until(condition: object, what: str) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Tell whether there is no such process, or a zombie only."""
    try:
        os.kill(pid, 0)
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True


@contextmanager
def program(
    folder: Path, address: object, *command: str, session: bool = False, trust: str = ""
) -> Iterator[Service]:
    """A program that serves, in a folder with `APP` as ``app``; no process of it is left."""
    (folder / "app.py").write_text(APP)
    with subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=session,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "FORWARDED_ALLOW_IPS": trust},
    ) as process:
        service = Service(process, folder, address)
        try:
            yield service
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGTERM)
                process.wait(SECONDS)
    for pid in service.started():
        until(lambda pid=pid: is_gone(pid), f"worker {pid} is left")


@contextmanager
def serving(
    folder: Path, *options: str, target: str = "app:main", session: bool = False
) -> Iterator[Service]:
    """`python -m giambio serve`, when it serves."""
    port = server_port()
    bind = ("--bind", f"tcp://127.0.0.1:{port}")
    command = ("-m", "giambio", "serve", target, *bind, *options)
    with program(folder, ("127.0.0.1", port), *command, session=session) as service:
        service.wait_for("giambio.workers: serving")
        yield service
