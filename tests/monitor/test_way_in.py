"""A way into a process that was started without a monitor, from Python 3.14 on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import giambio
from support.monitor import asked, folder, living, tool

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the monitor needs Linux"),
    pytest.mark.usefixtures("folder"),
]
__all__ = ["folder"]

needs_a_way = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="Python lets others in from 3.14 on"
)

#: Waits until it hears a line; then says which threads and files there are.
IDLE = """
    import glob, os, sys, threading, giambio

    async def sleeper():
        await giambio.sleep_forever()

    async def main():
        async with giambio.TaskManager() as manager:
            await manager.spawn(sleeper, name="sleeper")
            print("ready")
            await giambio.wait_readable(0)
            manager.cancel()
        print([thread.name for thread in threading.enumerate()])

    giambio.run(main)
"""

#: Its loop is never idle, and computes in Python.
BUSY = """
    import giambio

    async def main():
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever, name="sleeper")
            print("ready")
            while True:
                sum(range(10_000))
                await giambio.checkpoint()

    giambio.run(main)
"""

#: Its main thread waits for a lock, which another thread releases when it hears a line.
LOCKED = """
    import sys, threading, giambio

    lock = threading.Lock()
    lock.acquire()

    def release():
        print("ready")
        sys.stdin.readline()
        lock.release()

    threading.Thread(target=release).start()
    lock.acquire()
    print(sum(range(1000)))
    sys.stdin.readline()
"""


def scripts() -> set[Path]:
    """The directories of scripts that are on their way into a process of this user."""
    found = set()
    for path in Path("/tmp").glob("giambio-*"):
        try:
            if path.stat().st_uid == os.geteuid() and (path / "script.py").exists():
                found.add(path)
        except OSError:
            pass  # it is of another user, or was removed
    return found


@needs_a_way
@pytest.mark.parametrize("driver", ["epoll", "selectors"])
def test_an_idle_program_without_a_monitor_is_entered_and_left(folder: Path, driver: str) -> None:
    """Rule 26.16: nothing of it stays behind."""
    before = scripts()
    with living(IDLE, monitor="", GIAMBIO_DRIVER=driver) as program:
        lines = asked("pstree", program.pid).splitlines()
        assert [line.partition(" (")[0] for line in lines] == ["__main__.main", "└── sleeper"]
        (tasks,) = json.loads(asked("ps", "--json", program.pid))
        assert [task["name"] for task in tasks] == ["__main__.main", "sleeper"]
        until = time.monotonic() + 10
        while list(folder.glob("*.sock")) and time.monotonic() < until:
            time.sleep(0.01)
        assert list(folder.glob("*.sock")) == []
        assert scripts() == before
        out, err = program.communicate("\n", timeout=10)
    assert (out, err) == ("['MainThread']\n", "")


@needs_a_way
def test_a_busy_program_is_entered() -> None:
    """Rule 26.16."""
    with living(BUSY, monitor="") as program:
        assert "sleeper" in asked("ps", program.pid)
        assert program.poll() is None


@needs_a_way
def test_a_program_that_was_entered_may_have_a_monitor_of_its_own_later(folder: Path) -> None:
    """Rule 26.16."""
    code = IDLE.replace("manager.cancel()", "giambio.start_monitor()").replace(
        "print([", "await giambio.sleep_forever(); print(["
    )
    with living(code, monitor="") as program:
        asked("ps", program.pid)
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
        until = time.monotonic() + 10
        while "sleep_forever" not in asked("stacks", program.pid) and time.monotonic() < until:
            pass
        for _ in range(3):
            asked("ps", program.pid)
        assert len(list(folder.glob("*.sock"))) == 1


@needs_a_way
def test_a_main_thread_that_does_not_come_to_it_runs_nothing_later() -> None:
    """Rule 26.16: the command gives up, and the program removes what was left for it."""
    before = scripts()
    with living(LOCKED, monitor="") as program:
        ended = tool("ps", program.pid)
        assert ended.returncode == 1
        assert "its main thread does not come to it" in ended.stderr
        assert len(scripts() - before) == 1
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
        until = time.monotonic() + 10
        while scripts() - before and time.monotonic() < until:
            time.sleep(0.01)
        assert scripts() == before
        out, err = program.communicate("\n", timeout=10)
    assert (out, err) == ("499500\n", "")


@needs_a_way
@pytest.mark.parametrize(
    ("code", "settings", "said"),
    [
        (IDLE, {"PYTHON_DISABLE_REMOTE_DEBUG": "1"}, "Remote debugging is not enabled"),
        (
            "import select; print('ready', flush=True); select.epoll().poll()",
            {},
            "it is a program without giambio",
        ),
    ],
)
def test_the_error_says_what_refused(code: str, settings: dict[str, str], said: str) -> None:
    """Rule 26.16."""
    before = scripts()
    with living(code, monitor="", **settings) as program:
        ended = tool("ps", program.pid)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "GIAMBIO_MONITOR=1" in ended.stderr
        assert said in ended.stderr
    assert scripts() == before


@needs_a_way
def test_a_stopped_program_is_not_set_going() -> None:
    """Rule 26.16."""
    with living(IDLE, monitor="") as program:
        program.send_signal(signal.SIGSTOP)
        ended = tool("ps", program.pid)
        assert "it is stopped" in ended.stderr
        assert Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        program.send_signal(signal.SIGCONT)
        program.communicate("\n", timeout=10)


@needs_a_way
def test_another_version_of_python_is_asked_to_hand_the_script_over() -> None:
    """Rule 26.16: each one can do so to its own version only."""
    others = {"python3.14", "python3.15"} - {f"python3.{sys.version_info[1]}"}
    other = next(filter(None, map(shutil.which, sorted(others))), None)
    if other is None:
        pytest.skip("there is one Python of 3.14 or newer here")
    settings = {"PYTHONPATH": str(Path(giambio.__file__).parents[1]), "GIAMBIO_PURE": "1"}
    code = "import giambio; print('ready', flush=True); giambio.run(giambio.sleep_forever)"
    with subprocess.Popen(
        [other, "-c", code], env=os.environ | settings, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
            assert "sleep_forever()" in asked("ps", program.pid)
        finally:
            program.kill()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="it has a way in")
def test_before_3_14_the_error_names_the_version() -> None:
    """Rule 26.16."""
    with living(IDLE, monitor="") as program:
        said = tool("ps", program.pid).stderr
        version = f"3.{sys.version_info[1]}"
        assert f"it runs on Python {version}, and others are let in from 3.14 on" in said


def test_what_is_no_python_is_not_touched() -> None:
    """Rule 26.16."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    with subprocess.Popen([sleep, "60"]) as program:
        try:
            assert "which is no Python that tells its version" in tool("ps", program.pid).stderr
        finally:
            program.kill()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may")
def test_a_program_of_another_user_is_not_entered() -> None:
    """Rule 26.16: not even by root, to whom its files may be a trap."""
    from giambio.monitor.way_in import NoWayInError, enter

    refused = r"as user 65534, and only that user can .*MONITOR=1"
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=65534) as program,
        pytest.raises(NoWayInError, match=refused),
    ):
        enter(program.pid)


def test_a_monitor_for_clients_waits_for_each_that_was_told_of_it(folder: Path) -> None:
    """Rule 26.16: the second one is about to come when the first one leaves."""
    from giambio.monitor import directory, start

    path = Path(start.start_for_client()) / directory.name_of(os.getpid())
    try:
        first = socket.socket(socket.AF_UNIX)
        first.connect(str(path))
        assert start.start_for_client() == str(path.parent)
        first.close()
        with socket.socket(socket.AF_UNIX) as second:
            second.connect(str(path))
            second.sendall(b"nonsense\n")
            assert b"error" in second.recv(1000)
        until = time.monotonic() + 30
        while path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert not path.exists()
    finally:
        start.stop_monitor()


@pytest.mark.parametrize(
    "said", [b"[" * 60_000, b'{"folder": 5}', b'{"folder": "a\\u0000b"}', b"5"]
)
def test_an_answer_that_makes_no_sense_is_none(tmp_path: Path, said: bytes) -> None:
    """Rule 26.16."""
    from giambio.monitor.way_in import read

    path = tmp_path / "answer"
    assert read(path) is None
    path.write_bytes(said)
    assert read(path) == {}
