"""The commands that look into a live program, each asked of real ones: well, hanging, or stuck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from giambio._build.selection import VERSION
from support.monitor import SECONDS, asked, folder, living, tool

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the monitor needs Linux"),
    pytest.mark.usefixtures("folder"),
]
__all__ = ["folder"]

HEALTHY = """
    import giambio

    async def echo(stream):
        while data := await stream.receive():
            await stream.send_all(data)

    async def idle():
        await giambio.sleep_forever()

    async def main():
        (listener,) = await giambio.open_tcp_listeners(0, host="127.0.0.1")
        async with giambio.TaskManager() as manager:
            await manager.spawn(idle, name="idler")
            manager.start_soon(giambio.serve_listeners, echo, [listener])
            async with giambio.connect_tcp(*listener.address) as client:
                await client.send_all(b"x")
                await client.receive()
                print("ready")
                await client.receive()

    giambio.run(main)
"""

#: Two tasks that wait for each other. Another one that only sleeps keeps the loop from noticing.
HANGING = """
    import giambio

    async def take(first, second, both):
        async with first:
            await both.wait()
            async with second:
                pass

    async def main():
        left, right, both = giambio.Lock(), giambio.Lock(), giambio.Barrier(2)
        async with giambio.TaskManager() as manager:
            await manager.spawn(take, left, right, both, name="left first")
            await manager.spawn(take, right, left, both, name="right first")
            await giambio.sleep(0.1)
            print("ready")
            await giambio.sleep(1000)

    giambio.run(main)
"""

STUCK = """
    import giambio, time

    async def block():
        print("ready")
        time.sleep(1000)

    async def main():
        async with giambio.TaskManager() as manager:
            await manager.spawn(block, name="the blocker")

    giambio.run(main)
"""

MANY = """
    import giambio

    async def main():
        async with giambio.TaskManager() as manager:
            for _ in range(10_000):
                await manager.spawn(giambio.sleep_forever)
            await giambio.sleep(0.01)
            print("ready")
            await giambio.sleep(1000)

    giambio.run(main)
"""

LOADED = """
    import giambio

    async def spin():
        while True:
            async with giambio.TaskManager() as manager:
                for _ in range(10):
                    await manager.spawn(giambio.checkpoint)

    async def main():
        async with giambio.TaskManager() as manager:
            for number in range(20):
                await manager.spawn(spin, name=f"spinner {number}")
            print("ready")

    giambio.run(main)
"""

ASYNCIO = """
    import asyncio, giambio.asyncio

    async def consume(queue):
        await queue.get()

    async def main():
        task = asyncio.create_task(consume(asyncio.Queue()), name="consumer")
        await asyncio.sleep(0.05)
        print("ready")
        await task

    giambio.asyncio.run(main())
"""


def tasks(pid: int) -> dict[str, dict[str, object]]:
    """What `ps` tells of the tasks of the one loop of a process, by their names."""
    (loop,) = json.loads(asked("ps", pid, "--json"))
    return {row["name"]: row for row in loop}


def test_ps_has_a_line_for_each_task_with_its_state_its_place_and_what_it_waits_for() -> None:
    """Rule 26.6: id, name, state, for how long, where in the user's code, waiting for what."""
    with living(HEALTHY) as program:
        head, *lines = asked("ps", program.pid).splitlines()
    assert head.split() == ["ID", "NAME", "STATE", "FOR", "WHERE", "WAITS", "FOR"]
    assert len(lines) == 5
    (line,) = [line for line in lines if "idler" in line]
    assert line.split()[1:3] == ["idler", "waiting"]
    assert "<string>:9 in idle" in line
    assert line.endswith("sleep_forever()")


def test_an_operation_of_a_socket_names_its_peer() -> None:
    """Rule 26.5: which connection a `receive` waits for."""
    with living(HEALTHY) as program:
        found = tasks(program.pid)
        (server,) = [row for name, row in found.items() if name.endswith("._accept")]
        (client,) = [row for name, row in found.items() if name.endswith("main")]
    address = str(server["waits_for"]).rpartition(" at ")[2].rstrip(">")
    assert address.startswith("127.0.0.1:")
    assert str(client["waits_for"]).startswith("AsyncSocket.receive() on <giambio.AsyncSocket IPv4")
    assert str(client["waits_for"]).endswith(f" to {address}>")


def test_a_lock_cycle_can_be_read_off_and_for_how_long_it_lasts() -> None:
    """Rule 26.6: for how long, and waiting for what."""
    with living(HANGING) as program:
        time.sleep(0.3)
        found = tasks(program.pid)
    for name, other in (("left first", "right first"), ("right first", "left first")):
        assert found[name]["state"] == "waiting"
        assert f"Lock.acquire() on <giambio.Lock held by task '{other}'" in str(
            found[name]["waits_for"]
        )
        assert float(str(found[name]["seconds"])) >= 0.3


def test_a_loop_that_is_stuck_in_a_step_is_looked_into_all_the_same() -> None:
    """Rule 26.7: the monitor answers while a step blocks the loop."""
    with living(STUCK) as program:
        blocker = tasks(program.pid)["the blocker"]
        text = asked("stacks", program.pid)
        time.sleep(0.2)
        counters = asked("metrics", program.pid)
    assert blocker["state"] == "running"
    assert blocker["place"] == ["<string>", 6, "block"]
    assert "the blocker (2) is running, for" in text
    assert "    <string>:6 in block" in text
    (lag,) = [line for line in counters.splitlines() if line.startswith("giambio_lag_seconds{")]
    assert float(lag.split()[1]) >= 0.2


def test_pstree_draws_managers_and_their_tasks() -> None:
    """Rule 26.6: the tree."""
    with living(HEALTHY) as program:
        root, *below = asked("pstree", program.pid).splitlines()
    assert root.startswith("__main__.main (1) waits for AsyncSocket.receive()")
    assert [line[:4] for line in below] == ["├── ", "└── ", "    ", "    "]
    assert below[2][4:8] == "├── "
    assert below[3][4:8] == "└── "


def test_ten_thousand_tasks_are_listed() -> None:
    """Rule 26.6: how long it takes is printed, see `pytest -s`."""
    with living(MANY) as program:
        began = time.monotonic()
        lines = asked("ps", program.pid).splitlines()
        print(f"ps of 10 000 tasks: {time.monotonic() - began:.2f} s")
    assert len(lines) == 10_002


def test_a_program_under_load_is_looked_into_while_its_tasks_come_and_go() -> None:
    """Rule 26.7: other threads change what is read."""
    with living(LOADED) as program:
        for _ in range(5):
            names = tasks(program.pid)
            assert {f"spinner {number}" for number in range(20)} <= set(names)
            asked("pstree", program.pid)
        assert program.poll() is None


def test_tasks_of_asyncio_are_in_all_of_it() -> None:
    """Rule 26.6: with `giambio.asyncio`."""
    with living(ASYNCIO) as program:
        found = tasks(program.pid)
        assert "consumer" in asked("pstree", program.pid)
        assert "consumer" in asked("top", program.pid, "--count", 1, "--interval", 0.1)
    assert found["consumer"]["state"] == "waiting"
    assert found["consumer"]["place"] == ["<string>", 5, "consume"]
    waits_for = str(found["consumer"]["waits_for"])
    assert waits_for.startswith("<Future pending")
    assert "<wakes task 'consumer'>" in waits_for


def test_metrics_are_prometheus_text() -> None:
    """Rule 26.6: each series has its help and its type, and a number per loop."""
    with living(HEALTHY) as program:
        lines = asked("metrics", program.pid).splitlines()
    series = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert [line.split()[2] for line in lines if line.startswith("# HELP")] == series
    values = {
        name.partition("{")[0]: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")
    }
    assert list(values) == series
    assert values["giambio_tasks"] == 5
    assert values["giambio_steps_total"] >= 5
    assert values["process_open_fds"] > 3


def test_a_process_may_be_named_by_a_part_of_its_command_line() -> None:
    """Rule 26.8: a name that matches one process."""
    with living(STUCK) as program:
        assert asked("pstree", "the blocker").startswith("__main__.main (1)")
        with living(STUCK) as other:
            ended = tool("pstree", "the blocker")
            assert ended.returncode == 1
            assert "is in the command lines of several programs" in ended.stderr
            listed = json.loads(asked("ps", "--json"))
            assert {row["pid"] for row in listed} == {program.pid, other.pid}
    ended = tool("pstree", "the blocker")
    assert ended.returncode == 1
    assert "no program with a monitor has 'the blocker' in its command line" in ended.stderr


def test_without_a_process_those_that_have_a_monitor_are_listed() -> None:
    """Rule 26.8: the list of this user's programs."""
    assert asked("ps").startswith("no program of this user has a monitor")
    with living(STUCK) as program:
        head, line = asked("ps").splitlines()[:2]
        assert head.split() == ["PID", "UP", "COMMAND"]
        assert line.split()[0] == str(program.pid)
    assert asked("ps").startswith("no program of this user has a monitor")


def test_what_cannot_be_looked_into_is_told_apart() -> None:
    """Rule 26.9: no such process, no monitor, stopped."""
    with living(STUCK, monitor="") as program:
        ended = tool("ps", program.pid)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"process {program.pid} has no monitor; start it with GIAMBIO_MONITOR=1" in ended.stderr
    assert f"there is no process {program.pid}" in tool("ps", program.pid).stderr
    assert tool("ps", program.pid).returncode == 1


def test_a_process_that_is_stopped_is_not_waited_for_for_ever() -> None:
    """Rule 26.9: stopped."""
    with living(STUCK) as program:
        program.send_signal(signal.SIGSTOP)
        ended = tool("ps", program.pid)
        program.send_signal(signal.SIGCONT)
    assert ended.returncode == 1
    assert "does not answer: it is stopped (by Ctrl-Z or SIGSTOP)" in ended.stderr


def test_a_program_that_exits_meanwhile_ends_top_with_a_word() -> None:
    """Rule 26.9: it has ended."""
    with (
        living(STUCK) as program,
        subprocess.Popen(
            [sys.executable, "-m", "giambio", "top", str(program.pid), "--interval", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as looking,
    ):
        assert looking.stdout is not None
        assert looking.stdout.readline().startswith("giambio top")
        program.kill()
        _, errors = looking.communicate(timeout=SECONDS)
    assert looking.returncode == 1
    assert errors == f"giambio: process {program.pid} has ended, or its monitor has hung up\n"


OTHER_USER = """
    import os, sys
    import giambio.__main__, locale
    giambio.__main__.parser()  # before, for that user may not read the files
    os.setuid(65534)
    print("ready")
    input()
    sys.exit(giambio.__main__.main(["ps", {pid!r}]))
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_a_process_of_another_user_is_refused() -> None:
    """Rule 26.2: the same user, or root."""
    with (
        living(STUCK) as program,
        living(OTHER_USER.format(pid=str(program.pid)), monitor="") as other,
    ):
        _, errors = other.communicate("go on\n", timeout=SECONDS)
    assert other.returncode == 1
    assert f"process {program.pid} runs as user 0; only that user and root may" in errors


LESS_THAN_ROOT = """
        os.setuid(65534)  # only now, for that user may not read what is to be imported
        start()
        print("ready")
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_root_may_look_into_the_programs_of_others(folder: Path) -> None:
    """Rule 26.2: the same user, or root."""
    for above in (folder.parent, *folder.parent.parents[:3]):
        if above != Path("/tmp"):
            above.chmod(0o711)
    folder.mkdir(0o700)
    os.chown(folder, 65534, 65534)
    imports = "import giambio, os, time; start = giambio.start_monitor"
    code = STUCK.replace("import giambio, time", imports)
    code = code.replace('\n        print("ready")\n', LESS_THAN_ROOT)
    with living(code, monitor="") as program:
        assert "the blocker" in tasks(program.pid)


def test_a_program_of_another_version_says_so() -> None:
    """Rule 26.4: nothing is guessed."""
    with living(STUCK.replace("import giambio, time", OTHER_VERSION)) as program:
        ended = tool("ps", program.pid)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"giambio: the tool that asks is of another version of giambio: {VERSION}, and here is "
        "9.9.9; use the command of the Python that runs the program\n"
    )


OTHER_VERSION = "import giambio, time; giambio.monitor.protocol.VERSION = '9.9.9'"


def test_wrong_options_are_refused() -> None:
    """Rule 26.6: as for all commands."""
    ended = tool("top", "1", "--interval", "0")
    assert ended.returncode == 2
    assert "'0' is no number of seconds from 0.05 to 3600" in ended.stderr


NAMES = """
    import giambio

    async def main():
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep_forever, name="file \\udcff \\x9b31m \\n.")
            await giambio.checkpoint()
            print("ready")
            await giambio.sleep(1000)

    giambio.run(main)
"""


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
@pytest.mark.parametrize("command", [["ps"], ["pstree"], ["stacks"], ["top", "--count", "1"]])
def test_any_name_is_shown_in_any_encoding(command: list[str], encoding: str) -> None:
    """Rule 26.6: none is obeyed by the terminal, and none is too much for its encoding."""
    with living(NAMES) as program:
        options = ["--interval", "0.1"] if command[0] == "top" else []
        ended = tool(*command, program.pid, *options, PYTHONIOENCODING=encoding)
    assert ended.returncode == 0, ended.stderr
    assert r"file \udcff  31m  ." in ended.stdout
