"""Promises of the seed that no other test would miss."""

from __future__ import annotations

import inspect
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]

#: What gives a `Task` to its caller; of these only a manager's methods spawn in a running loop.
GIVES_A_TASK = {"EventLoop.begin", "TaskManager._launch", "TaskManager.start_soon", "current_task"}
SPAWNS = {"TaskManager.spawn", "TaskManager.spawn_threadsafe", "TaskManager.start_soon"}
#: What is made of a TaskManager, and hands on what it returns.
GIVES_A_TASK |= {"ClusterManager.spawn"}
SPAWNS |= {"ClusterManager.spawn", "Supervisor.start_soon"}

#: Tasks, sleeping and sockets on numeric addresses, with an ear on what Python audits.
ONE_PROCESS = """\
import socket, sys, threading
import giambio

async def echo(sock):
    with sock:
        while data := await sock.receive(100):
            await sock.send_all(data)

async def serve(listener):
    await echo((await listener.accept())[0])

async def main():
    listener = giambio.wrap_socket(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    async with giambio.TaskManager() as manager:
        with listener, giambio.wrap_socket(socket.socket()) as sock:
            await manager.spawn(serve, listener)
            await sock.connect(listener.getsockname())
            await sock.send_all(b"hello")
            await giambio.sleep(0.001)
            assert await sock.receive(100) == b"hello"

STARTS = ("os.fork", "os.posix_spawn", "os.spawn", "os.system", "subprocess.")
heard = []
sys.addaudithook(lambda event, args: heard.append(event) if event.startswith(STARTS) else None)
start = threading.Thread.start  # not audited before Python 3.12
threading.Thread.start = lambda self: (heard.append(self.name), start(self))
giambio.run(main, driver=sys.argv[1])
assert not heard, heard
"""


def test_a_bare_host_is_connected_to_at_port_80(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 15.3: a bare host means port 80."""
    asked: list[tuple[str, int]] = []

    def resolver(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        asked.append((host, port))
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)

    async def main() -> None:
        with giambio.wrap_socket(socket.socket()) as sock, pytest.raises(socket.gaierror):
            await sock.connect("example.com")

    run(main)
    assert asked == [("example.com", 80)]


def test_only_a_task_manager_spawns() -> None:
    """Rule 7.1: a TaskManager is the only way to spawn a task."""
    members: dict[str, Any] = {}
    for name in giambio.__all__:
        value = getattr(giambio, name)
        members[name] = value
        if isinstance(value, type):
            public = (member for member in dir(value) if not member.startswith("_"))
            members.update({f"{name}.{member}": getattr(value, member) for member in public})
    giving = set()
    for name, value in members.items():
        if callable(value) and not isinstance(value, type):
            try:
                returned = str(inspect.signature(value).return_annotation)
            except ValueError:
                continue
            if returned.removeprefix("giambio.").partition("[")[0] == "Task":
                giving.add(name)
    assert giving <= GIVES_A_TASK, giving - GIVES_A_TASK
    words = ("spawn", "spawn_threadsafe", "start_soon", "create_task", "ensure_future")
    assert {name for name in members if name.rpartition(".")[2] in words} == SPAWNS


def test_spawn_threadsafe_wakes_a_loop_that_already_waits(run: Run) -> None:
    """Rule 7.22: `spawn_threadsafe` spawns from any thread, also when the loop waits."""
    futures: list[Future[None]] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            stop = await manager.spawn(giambio.sleep_forever)

            async def last() -> None:
                stop.cancel()

            def call() -> None:
                time.sleep(0.1)  # by now the loop waits for the driver
                futures.append(manager.spawn_threadsafe(last))

            thread = Thread(target=call)
            thread.start()
            try:
                with giambio.fail_after(5), pytest.raises(giambio.TaskCancelled):
                    await stop
            finally:
                stop.cancel()
                thread.join(5)
        assert futures[0].result(0) is None

    run(main)


def test_ten_thousand_connections_at_once(driver: str) -> None:
    """Rule 15.19: one thread, one process, 10 000 open connections."""
    resource = pytest.importorskip("resource", reason="this system has no descriptor limit to ask")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10_500:
        pytest.skip("ten thousand connections need more descriptors than this user may have")
    command = [sys.executable, "-W", "error", "-m", "giambio", "demo", "--connections", "10000"]
    done = subprocess.run(
        [*command, "--driver", driver], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n10000/10000 echoed, peak 10000 open, 1 thread\n" in done.stdout


def test_no_thread_and_no_process_is_started_unasked(driver: str) -> None:
    """Rule 13.1: threads and processes appear only when asked for by name."""
    command = [sys.executable, "-W", "error", "-c", ONE_PROCESS, driver]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
