"""The seed: the program that giambio grew from runs, to the letter.

Real servers stand behind its three names, on addresses of the loopback; only the
resolving of names is redirected. Each server greets only when both tasks are
connected to it, so that a serial run would hang.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import giambio
from giambio import drivers

PROGRAM = """\
import giambio
import socket


loop = giambio.EventLoop()
addrs = ["example.com", "some-domain.tld", "other-site.net"]

async def io_bound_task():
    res = []
    for addr in addrs:
        sock = loop.wrap_socket(socket.socket())  # This returns a new AsyncSocket object
        await sock.connect(addr)
        res.append(await sock.receive(1024))  # Get some data and append it to a list
    return res

async def main():
    async with giambio.TaskManager(loop) as manager:   # This is the only way to spawn tasks in giambio
        task = await manager.spawn(io_bound_task())
        task2 = await manager.spawn(io_bound_task())  # Task object
        # These two will execute concurrently!

loop.start(main)  # Note the absence of parentheses
"""  # noqa: E501

# Port 80 is given, so the addresses tell one test run from another beside it.
NETWORK = f"127.{os.getpid() >> 8 & 0x7F}.{os.getpid() & 0xFF}"
HOSTS = {
    "example.com": f"{NETWORK}.81",
    "some-domain.tld": f"{NETWORK}.82",
    "other-site.net": f"{NETWORK}.83",
}

#: What runs the program in a process of its own: it redirects the names, forces the
#: driver, and tells what is left open. The program itself is not touched.
RUNNER = """\
import gc, os, runpy, socket, sys
import giambio
from giambio import drivers

hosts = eval(sys.argv[2])
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **kwargs: real(hosts[host], *args, **kwargs)
drivers.default_name = lambda: sys.argv[3]
before = len(os.listdir("/proc/self/fd"))
names = runpy.run_path(sys.argv[1])
gc.collect()
assert len(os.listdir("/proc/self/fd")) == before, os.listdir("/proc/self/fd")
print(giambio.build_info().build)
"""

WARNING = (
    r"ResourceWarning: <giambio.AsyncSocket IPv4 stream> made at {}:11 "
    "was dropped without being closed"
)


class Server(threading.Thread):
    """Greets two clients, but not before both are connected; then sees both leave."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name=f"server of {name}")
        self.greeting = f"welcome to {name}".encode()
        self.left = 0
        self._listener = socket.create_server((address, 80))
        self._listener.settimeout(30)

    def run(self) -> None:
        with self._listener, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self._listener.accept()[0]) for _ in range(2)]
            for client in clients:
                client.settimeout(30)
                client.sendall(self.greeting)
            for client in clients:
                self.left += client.recv(1) == b""


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """A server for each of the program's names."""
    try:
        started = [Server(name, address) for name, address in HOSTS.items()]
    except PermissionError:
        pytest.skip("the seed's program needs servers on port 80, which this user may not have")
    for server in started:
        server.start()
    yield started
    for server in started:
        server.join()


def test_the_program_runs_verbatim_in_a_process_of_its_own(
    driver: str, servers: list[Server], tmp_path: pathlib.Path
) -> None:
    """Rule 15.13: the README's first program drops its sockets: it must run, warn, leak nothing."""
    program, runner = tmp_path / "seed.py", tmp_path / "runner.py"
    program.write_text(PROGRAM)
    runner.write_text(RUNNER)
    command = [sys.executable, "-W", "always", str(runner), str(program), repr(HOSTS), driver]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == giambio.build_info().build
    assert len(re.findall(WARNING.format(re.escape(str(program))), done.stderr)) == 6, done.stderr
    for server in servers:
        server.join()
        assert server.left == 2


def test_the_program_runs_verbatim_in_this_process(
    driver: str,
    servers: list[Server],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 15.13: a dropped `AsyncSocket` is closed, and warned about once."""
    real = socket.getaddrinfo

    def redirected(host: str, *args: Any, **kwargs: Any) -> Any:
        return real(HOSTS[host], *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", redirected)
    monkeypatch.setattr(drivers, "default_name", lambda: driver)
    path = str(tmp_path / "seed.py")
    names: dict[str, Any] = {"__name__": "seed"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(PROGRAM, path, "exec"), names)
        gc.collect()
    texts = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    assert len(texts) == 6
    assert all(re.fullmatch(WARNING.format(re.escape(path)), text) for text in texts), texts
    assert repr(names["loop"]) == "<giambio.EventLoop idle>"


def test_the_programs_tasks_return_what_the_servers_said(
    driver: str, servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 8.11: the program's return values are there."""
    real = socket.getaddrinfo

    def redirected(host: str, *args: Any, **kwargs: Any) -> Any:
        return real(HOSTS[host], *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", redirected)

    async def scrape() -> list[bytes]:
        pages = []
        for name in HOSTS:
            with giambio.wrap_socket(socket.socket()) as sock:
                await sock.connect(name)
                pages.append(await sock.receive(1024))
        return pages

    async def main() -> list[list[bytes]]:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(scrape()), await manager.spawn(scrape())]
        return [task.result() for task in tasks]

    assert giambio.run(main, driver=driver) == [[server.greeting for server in servers]] * 2
