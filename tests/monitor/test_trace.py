"""`python -m giambio trace`: a trace of a program, from outside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.monitor import asked, folder, living, tool
from support.traces import checked, names_of, read, tracks

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the monitor needs Linux"),
    pytest.mark.usefixtures("folder"),
]
__all__ = ["folder"]

BUSY = """
    import giambio

    async def work(queue):
        while True:
            await queue.get()
            with giambio.move_on_after(60):
                await giambio.sleep(0.001)

    async def feed(queue):
        while True:
            await queue.put("item")

    async def main():
        queue = giambio.Queue(2)
        async with giambio.TaskManager() as manager:
            await manager.spawn(feed, queue, name="feeder")
            for number in range(2):
                await manager.spawn(work, queue, name=f"worker {number}")
            print("ready")

    giambio.run(main)
"""

SPINNING = """
    import giambio

    async def main():
        print("ready")
        while True:
            sum(range(10_000))  # so that its trace can be written as fast as it happens
            await giambio.sleep(0)

    giambio.run(main)
"""


def traced(program: int, path: Path, enough: Callable[[list[dict[str, Any]]], bool]) -> str:
    """Trace a program, and longer if that was not enough; return what was said.

    On a busy machine it may not run at all for a while.
    """
    for seconds in ("0.3", "1", "5"):
        said = asked("trace", program, "-o", path, "--seconds", seconds, "--json")
        if enough(checked(read(path))):
            break
    return said


def test_a_trace_of_a_busy_program_keeps_to_the_format(tmp_path: Path) -> None:
    """Rule 27.8."""
    path = tmp_path / "trace.json"
    waits = {"waits: Queue.put()", "waits: sleep()"}
    with living(BUSY) as program:
        said = traced(program.pid, path, lambda events: waits <= names_of(events, "B"))
    events = checked(read(path))
    assert json.loads(said)["file"] == str(path)
    assert {"loop", "feeder (2)", "worker 0 (3)", "worker 1 (4)"} <= tracks(events).keys()
    assert waits <= names_of(events, "B")
    assert any(event["ph"] == "s" for event in events)


def test_a_program_that_never_waits_can_be_traced(tmp_path: Path) -> None:
    """Rule 27.8."""
    path = tmp_path / "trace.json"
    with living(SPINNING) as program:
        said = json.loads(traced(program.pid, path, bool))
    assert said["file"] == str(path)
    assert len(checked(read(path))) >= said["events"] > 0


def test_a_trace_that_cannot_keep_up_says_so_and_is_whole_until_there(tmp_path: Path) -> None:
    """Rule 27.8: the limit is made so low here that every trace reaches it."""
    path = tmp_path / "trace.json"
    low = "from giambio.inspect import recorder\nrecorder.MOST_EVENTS = 10\n"
    with living(low + textwrap.dedent(SPINNING)) as program:
        ended = tool("trace", program.pid, "-o", path, "--seconds", 600)
        assert program.poll() is None
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "does more than can be written down; it is cut off" in ended.stderr
    assert len(checked(read(path))) > 10


def test_a_program_that_ends_meanwhile_leaves_a_complete_trace(tmp_path: Path) -> None:
    """Rule 27.8."""
    path = tmp_path / "trace.json"
    with living(BUSY) as program:
        command = [sys.executable, "-m", "giambio", "trace", str(program.pid), "-o", str(path)]
        with subprocess.Popen([*command, "--seconds", "600"], stdout=subprocess.PIPE) as tracing:
            while not path.exists() or path.stat().st_size < 1000:
                time.sleep(0.01)
            program.kill()
            assert tracing.wait(30) == 0
    checked(read(path))


def test_ctrl_c_ends_a_trace_and_leaves_a_complete_file(tmp_path: Path) -> None:
    """Rule 27.8."""
    path = tmp_path / "trace.json"
    with living(BUSY) as program:
        command = [sys.executable, "-m", "giambio", "trace", str(program.pid), "-o", str(path)]
        command += ["--seconds", "600"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tracing:
            while not path.exists() or path.stat().st_size < 1000:
                time.sleep(0.01)
            tracing.send_signal(signal.SIGINT)
            said, _ = tracing.communicate(timeout=30)
        assert tracing.returncode == 0
        assert said.startswith(f"{path}: ")
        assert program.poll() is None
    checked(read(path))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Rule 26.9."""
    with living(BUSY) as program:
        ended = tool("trace", program.pid, "-o", tmp_path / "nowhere" / "trace.json")
    assert ended.returncode == 1
    assert "cannot be written: No such file or directory" in ended.stderr
