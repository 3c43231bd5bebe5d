"""Systems other than Linux: tests run after everything that only Linux has is taken away.

Each program runs in a process of its own, in which that is missing before anything else is
imported. It is no substitute for such a machine, but finds most of what would break there.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

import giambio
from support.seed_program import HOSTS, PROGRAM, RUNNER, WARNING, Server
from support.seed_program import servers as servers  # a fixture

#: `socket.socketpair` is missing too: where there are no Unix sockets, Python has another one.
ELSEWHERE = """\
import os, posix, select, signal, sys, _socket

gone = {
    select: [name for name in dir(select) if name.lower().startswith(("epoll", "poll"))],
    _socket: ["AF_UNIX", "SCM_RIGHTS", "SO_REUSEPORT", "SOCK_CLOEXEC", "SOCK_NONBLOCK"],
    signal: ["pidfd_send_signal"],
    os: ["eventfd", "pidfd_open", "preadv", "pwritev", "fork", "register_at_fork",
         "sched_getaffinity", "splice", "copy_file_range", "memfd_create"],
}
for module, names in gone.items():
    for name in names:
        delattr(module, name)
        if module is os and hasattr(posix, name):
            delattr(posix, name)
del _socket.socketpair
sys.modules["fcntl"] = sys.modules["resource"] = None
sys.platform = "elsewhere"

import selectors
assert selectors.DefaultSelector is selectors.SelectSelector
"""

NO_UNIX = "this system has no Unix sockets\n"
BUILDS = ["pure", "compiled"] if giambio.build_info().build == "compiled" else ["pure"]


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> str:
    """The build that the programs run on."""
    name: str = request.param
    return name


def run_elsewhere(
    program: str, build: str, *arguments: str, given: str = "", warnings: str = "error"
) -> subprocess.CompletedProcess[str]:
    """Run a program where there is nothing of what only Linux has."""
    return subprocess.run(
        [sys.executable, "-W", warnings, "-c", ELSEWHERE + program, *arguments],
        env=os.environ | {"GIAMBIO_PURE": "1" if build == "pure" else ""},
        input=given,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


# -- imports --------------------------------------------------------------------------------

#: Imports every module but those that need what is missing by their very nature: two are the
#: epoll driver, and some need a package that need not be installed, or does not know this system.
IMPORTS = """\
import importlib, pkgutil
import giambio

without = {"giambio.__main__", "giambio.drivers.epoll", "giambio.drivers.fd_watches"}
for package, module in {
    "anyio": "giambio.anyio",
    "cloudpickle": "giambio.cluster.remote",
    "distributed": "giambio.cluster.dask_engine",
    "opentelemetry.metrics": "giambio.integrations.opentelemetry",
    "prometheus_client": "giambio.integrations.prometheus",
    "pytest": "giambio.pytest_plugin",
    "rich.progress": "giambio.cluster.progress",
    "uvicorn": "giambio.workers.asgi",
    "watchfiles": "giambio.workers.source_changes",
}.items():
    try:
        importlib.import_module(package)
    except (ImportError, NotImplementedError):
        without.add(module)
count = 0
for module in pkgutil.walk_packages(giambio.__path__, "giambio.", onerror=lambda name: None):
    if not any(module.name == name or module.name.startswith(name + ".") for name in without):
        importlib.import_module(module.name)
        count += 1
for name in giambio.__all__:
    getattr(giambio, name)
print(count, giambio.build_info().build, giambio.build_info().driver)
"""


def test_every_module_can_be_imported(build: str) -> None:
    """Rule 20.12: every module, with what is Linux only missing."""
    done = run_elsewhere(IMPORTS, build)
    assert done.returncode == 0, done.stderr
    count, *rest = done.stdout.split()
    assert int(count) > 100
    assert rest == [build, "selectors"]


# -- the seed -------------------------------------------------------------------------------


def test_the_seed_runs_on_select(build: str, servers: list[Server], tmp_path: pathlib.Path) -> None:
    """Rule 20.12: the README's first program on `SelectSelector`."""
    program = tmp_path / "seed.py"
    program.write_text(PROGRAM)
    done = run_elsewhere(RUNNER, build, str(program), repr(HOSTS), "selectors", warnings="always")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == build
    assert len(re.findall(WARNING.format(re.escape(str(program))), done.stderr)) == 6, done.stderr
    for server in servers:
        server.join()
        assert server.left == 2


# -- the rest of what programs do --------------------------------------------------------------

SOCKETS = """
import functools, socket, giambio

async def echo(stream):
    while data := await stream.receive():
        await stream.send_all(data)

async def main():
    async with giambio.TaskManager() as manager:
        listeners = await manager.start(giambio.serve_tcp, echo, 0)
        async with await giambio.connect_tcp("localhost", listeners[0].address[1]) as stream:
            manager.start_soon(stream.send_all, bytes(1_000_000))
            received = 0
            while received < 1_000_000:
                received += len(await stream.receive())
            print("TCP", received)
        manager.cancel()
    async with (
        await giambio.open_udp(host="127.0.0.1") as one,
        await giambio.connect_udp(*one.getsockname()) as other,
    ):
        await other.send(b"hello")
        print("UDP", (await one.receive_from())[0])
    one, other = giambio.socketpair()
    with one, other:
        await one.send_all(b"hello")
        print("a pair", await other.receive())
    for refused in (
        functools.partial(giambio.connect_unix, "somewhere"),
        functools.partial(giambio.serve_unix, echo, "somewhere"),
    ):
        try:
            await refused()
        except OSError as error:
            print(error.strerror)

giambio.run(main)
"""

FILES = """
import giambio

async def main():
    async with giambio.TemporaryDirectory() as folder:
        path = giambio.Path(folder) / "file"
        async with await giambio.open_file(path, "w") as file:
            await file.write("one\\ntwo\\n")
            await file.fsync()
        async with await giambio.open_file(path, "a") as file:
            await file.write("three\\n")
        async with await giambio.open_file(path) as file:
            print([line async for line in file])
        print((await path.stat()).st_size, [entry.name async for entry in path.parent.iterdir()])
    used = [route.name for route in giambio.build_info().files if route.reads]
    assert used == ["worker threads"] or giambio.build_info().build == "compiled"
    sys.stdout.flush()
    await giambio.stdout().write(await giambio.stdin().readline())

giambio.run(main)
"""

THREADS = """
import os, signal, giambio

def blocking():
    return giambio.from_thread.run(answer)

async def answer():
    await giambio.sleep(0.01)
    return 42

async def main():
    print(await giambio.to_thread(blocking))
    print(await giambio.getaddrinfo("localhost", 80, type=1) != [])
    with giambio.open_signal_receiver(signal.SIGTERM) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        async for number in signals:
            print(signal.Signals(number).name)
            break

giambio.run(main)
with giambio.start_blocking_portal() as portal:
    print(portal.call(answer))
"""

PROCESSES = """
import subprocess, giambio

async def main():
    shout = [sys.executable, "-c", "print(input().upper())"]
    done = await giambio.run_process(shout, input=b"hello\\n", capture_stdout=True)
    print(done.returncode, done.stdout)
    async with await giambio.open_process(
        shout, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        await process.stdin.send_all(b"hello\\n")
        print(await giambio.BufferedStream(process.stdout).receive_line(), await process.wait())
    with giambio.move_on_after(0.1) as scope:
        await giambio.run_process([sys.executable, "-c", "import time; time.sleep(60)"])
    print(scope.cancelled_caught)
    print(await giambio.to_process(pow, 2, 10))
    with giambio.move_on_after(0.1) as scope:
        await giambio.to_process(__import__("time").sleep, 60)
    print(scope.cancelled_caught, await giambio.to_process(pow, 2, 11))

giambio.run(main)
"""

PROGRAMS: dict[str, Any] = {
    "sockets": (SOCKETS, "TCP 1000000\nUDP b'hello'\na pair b'hello'\n" + NO_UNIX * 2),
    "files": (
        FILES,
        "['one\\n', 'two\\n', 'three\\n']\n14 ['file']\na line\n",
    ),
    "threads": (THREADS, "42\nTrue\nSIGTERM\n42\n"),
    "processes": (
        PROCESSES,
        "0 b'HELLO\\n'\nb'HELLO\\n' 0\nTrue\n1024\nTrue 2048\n",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs(build: str, name: str) -> None:
    """Rule 20.12: `selectors` is the portable driver; each native thing has a Python twin."""
    program, expected = PROGRAMS[name]
    done = run_elsewhere(program, build, given="a line\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected
