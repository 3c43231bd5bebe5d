"""The seed: the program that giambio grew from runs, to the letter.

Real servers stand behind its three names, on addresses of the loopback; only the
resolving of names is redirected. Each server greets only when both tasks are
connected to it, so that a serial run would hang.
"""

from __future__ import annotations

import gc
import pathlib
import re
import socket
import subprocess
import sys
import warnings
from typing import Any

import pytest

import giambio
from giambio import drivers
from support.seed_program import HOSTS, PROGRAM, RUNNER, WARNING, Server
from support.seed_program import servers as servers  # a fixture


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
