"""The monitor's socket, and who may use it: bad input harms neither the program nor the monitor."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio._build.selection import VERSION
from giambio.monitor import directory
from giambio.monitor.protocol import MOST_ASKED
from giambio.monitor.server import MOST_CLIENTS
from giambio.monitor.start import start_monitor, stop_monitor
from support.monitor import SECONDS, asked, folder, living, tool

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the monitor needs Linux"),
    pytest.mark.usefixtures("folder"),
]
__all__ = ["folder"]

#: Its loop tells on standard output that it still turns, whenever a line comes in.
LIVELY = """
    import giambio

    async def sleeper():
        await giambio.sleep_forever()

    async def main():
        async with giambio.TaskManager() as manager:
            for _ in range(2000):
                await manager.spawn(sleeper, name="s" * 200)
            print("ready")
            async for line in giambio.stdin():
                print("alive")

    giambio.run(main)
"""


def socket_in(folder: Path, pid: int) -> str:
    """The path of a process's socket."""
    (path,) = folder.glob(f"{pid}-*.sock")
    return str(path)


@pytest.fixture
def program(folder: Path) -> Iterator[Any]:
    """A program with a monitor, which is as well as before when the test is over."""
    with living(LIVELY) as program:
        yield program
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write("are you?\n")
        program.stdin.flush()
        assert program.stdout.readline() == "alive\n"
        assert len(json.loads(asked("ps", program.pid, "--json"))[0]) > 2000


def client(folder: Path, pid: int) -> socket.socket:
    """A client that can say what it likes."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(socket_in(folder, pid))
    sock.settimeout(SECONDS)
    return sock


def reply(sock: socket.socket) -> dict[str, Any]:
    """What the monitor says before it hangs up."""
    data = b""
    while part := sock.recv(65536):
        data += part
    said: dict[str, Any] = json.loads(data)
    return said


QUESTION = json.dumps({"giambio": VERSION, "command": "tasks"}).encode()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"GET / HTTP/1.1\n", "not understood"),
        (b"\x00\xff\xfe\n", "not understood"),
        (b"[]\n", "not understood"),
        (b"[" * 900 + b"\n", "not understood"),
        (b"{}\n", "not understood"),
        (b'{"giambio": "' + VERSION.encode() + b'", "command": 1}\n', "not understood"),
        (b'{"giambio": "' + VERSION.encode() + b'", "command": "exit"}\n', "no question 'exit'"),
        (b'{"giambio": "0.0.1", "command": "tasks"}\n', "another version of giambio: 0.0.1"),
        (b'{"command": "tasks"}\n', "another version of giambio: None"),
        (b"x" * (MOST_ASKED + 1), "too long"),
    ],
)
def test_what_is_no_question_is_refused_with_a_reason(
    program: Any, folder: Path, said: bytes, answer: str
) -> None:
    """Rules 26.3, 26.4: the reason is told, and the version."""
    with client(folder, program.pid) as sock:
        sock.sendall(said)
        told = reply(sock)
    assert answer in told["error"]
    assert told["giambio"] == VERSION


def test_a_question_in_pieces_is_put_together(program: Any, folder: Path) -> None:
    """Rule 26.3: bytes come as they come."""
    with client(folder, program.pid) as sock:
        for byte in QUESTION + b"\n":
            sock.sendall(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        assert len(reply(sock)["answer"][0]) > 2000


def test_more_than_anybody_could_ask_harms_nobody(program: Any, folder: Path) -> None:
    """Rule 26.3: nothing of it is kept."""
    with client(folder, program.pid) as sock, pytest.raises(ConnectionError):
        for _ in range(1000):
            sock.sendall(bytes(100_000))


def test_half_a_question_harms_nobody(program: Any, folder: Path) -> None:
    """Rule 26.3: whether the client stays or goes."""
    with client(folder, program.pid) as stays, client(folder, program.pid) as goes:
        stays.sendall(QUESTION[:20])
        goes.sendall(QUESTION[:20])
        goes.close()
        assert asked("metrics", program.pid)


def test_a_client_that_never_reads_harms_nobody(program: Any, folder: Path) -> None:
    """Rule 26.3: others are answered, and it is asked no second time before it has read."""
    with client(folder, program.pid) as deaf:
        for _ in range(5):
            deaf.sendall(QUESTION + b"\n")
        assert asked("metrics", program.pid)


def test_a_hundred_clients_harm_nobody(program: Any, folder: Path) -> None:
    """Rule 26.3: the one that was silent longest has to go."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(client(folder, program.pid)) for _ in range(100)]
        assert asked("metrics", program.pid)
        crowd[-1].sendall(QUESTION + b"\n")
        assert crowd[-1].recv(1)
        assert crowd[0].recv(1) == b""
        fds = len(os.listdir(f"/proc/{program.pid}/fd"))
        assert fds < MOST_CLIENTS + 30


def test_a_client_that_asks_and_hangs_up_harms_nobody(program: Any, folder: Path) -> None:
    """Rule 26.3: the answer goes to nobody."""
    for _ in range(20):
        with client(folder, program.pid) as sock:
            sock.sendall(QUESTION + b"\n")
    assert asked("metrics", program.pid)


def test_the_socket_lies_where_nobody_else_can_enter(program: Any, folder: Path) -> None:
    """Rule 26.2: the mode, and the name."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    name = Path(socket_in(folder, program.pid)).name
    assert name == f"{program.pid}-{directory.started(program.pid)}.sock"


OTHER_USER = """
    import os, socket, sys
    os.setuid(65534)
    sock = socket.socket(socket.AF_UNIX)
    sock.connect({path!r})
    print("ready")
    input()
    sys.stdout.write(sock.recv(1000).decode())
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_another_user_who_gets_to_the_socket_is_refused(program: Any, folder: Path) -> None:
    """Rule 26.2: the credentials of the peer decide."""
    path = socket_in(folder, program.pid)
    for above in (folder, *folder.parents[:4]):
        if above != Path("/tmp"):
            above.chmod(0o711)
    os.chmod(path, 0o777)
    with living(OTHER_USER.format(path=path), monitor="") as other:
        said = json.loads(other.communicate("go on\n", timeout=SECONDS)[0])
    folder.chmod(0o700)
    assert said["error"] == "user 65534 may not look into a program of user 0"


def make_link(folder: Path) -> None:
    folder.symlink_to(folder.parent)


def make_open(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def make_file(folder: Path) -> None:
    folder.touch(0o600)


def make_foreign(folder: Path) -> None:
    folder.mkdir(0o700)
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chown(folder, 65534, 65534)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_link, "it is a link"),
        (make_file, "it is no directory"),
        (make_open, "others may enter it: its mode is 0755, not 0700"),
        (make_foreign, "it belongs to user 65534, not to 0"),
    ],
)
def test_a_directory_that_is_not_the_users_alone_is_not_used(
    folder: Path, make: Any, problem: str
) -> None:
    """Rule 26.2: checked by both sides."""
    make(folder)
    with pytest.raises(PermissionError, match=problem):
        start_monitor()
    ended = tool("ps")
    assert ended.returncode == 1
    assert problem in ended.stderr
    ended = tool("info", GIAMBIO_MONITOR="1")
    assert ended.returncode == 0
    assert (
        f"RuntimeWarning: GIAMBIO_MONITOR: giambio's monitor does not use {folder}: {problem}"
        in (ended.stderr)
    )


def test_what_dead_processes_have_left_is_removed(folder: Path) -> None:
    """Rule 26.2: by the next that comes."""
    with living(LIVELY) as program:
        left = Path(socket_in(folder, program.pid))
    assert left.exists()  # it was killed
    again = folder / f"{os.getpid()}-1.sock"  # its number is another process's now
    again.touch()
    (folder / "something else").touch()
    assert json.loads(asked("ps", "--json")) == []
    assert sorted(path.name for path in folder.iterdir()) == ["something else"]


def test_a_program_that_ends_leaves_nothing(folder: Path) -> None:
    """Rule 26.1: no socket, and no thread in the way."""
    with living("import giambio; print('ready'); input()") as program:
        assert socket_in(folder, program.pid)
        program.communicate("\n", timeout=SECONDS)
    assert program.returncode == 0
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_a_program_that_has_given_up_its_rights_ends_without_a_word(folder: Path) -> None:
    """Rule 26.1: it may not remove the socket any more; the next one with a monitor does."""
    code = "import giambio, os; os.setuid(65534); print('ready'); input()"
    with living(code) as program:
        _, errors = program.communicate("\n", timeout=SECONDS)
    assert (program.returncode, errors) == (0, "")
    assert json.loads(asked("ps", "--json")) == []
    assert list(folder.iterdir()) == []


def test_the_monitor_starts_once_and_stops(folder: Path) -> None:
    """Rule 26.1: harmless if it is on."""
    try:
        start_monitor()
        start_monitor()
        assert len(list(folder.iterdir())) == 1
    finally:
        stop_monitor()
        stop_monitor()
    assert list(folder.iterdir()) == []


def test_a_deadlock_is_found_while_the_monitor_runs() -> None:
    """Rules 11.11, 26.1: its thread wakes no task, nor does its signal."""
    previous = signal.getsignal(signal.SIGUSR2)
    try:
        start_monitor(signal=signal.SIGUSR2)
        with pytest.raises(giambio.DeadlockError):
            giambio.run(giambio.Event().wait)
    finally:
        stop_monitor()
        signal.signal(signal.SIGUSR2, previous)


FORKS = """
    import giambio, os, sys, warnings

    async def child():
        print(os.getpid(), file=sys.stderr)
        await giambio.sleep(1000)

    warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: there is a thread
    if os.fork() == 0:
        giambio.run(child)
    print("ready")
    giambio.run(giambio.sleep, 1000)
"""


def test_a_forked_child_has_a_monitor_of_its_own() -> None:
    """Rule 26.1: and the parent keeps its own."""
    with living(FORKS) as program:
        assert program.stderr is not None
        child = int(program.stderr.readline())
        try:
            assert "__main__.child (1)" in asked("pstree", child)
            assert "sleep()" in asked("pstree", program.pid)
        finally:
            os.kill(child, signal.SIGKILL)


PRINTS = """
    import giambio, signal
    async def stuck():
        print("ready")
        signal.pause()
        signal.pause()
    giambio.run(stuck)
"""


@pytest.mark.parametrize(
    ("setting", "number"),
    [({}, signal.SIGUSR1), ({"GIAMBIO_MONITOR_SIGNAL": "usr2"}, signal.SIGUSR2)],
)
def test_a_signal_prints_the_tree(setting: dict[str, str], number: int) -> None:
    """Rule 26.10: to standard error, also while a step blocks the loop."""
    with living(PRINTS, **setting) as program:
        program.send_signal(number)
        assert program.stderr is not None
        assert program.stderr.readline() == "giambio: 1 running loop:\n"
        assert program.stderr.readline() == "__main__.stuck (1) is running\n"
        assert program.stderr.readline().endswith(" in stuck\n")
        assert program.poll() is None


def test_no_signal_is_touched_that_is_not_wanted() -> None:
    """Rule 26.10: ``none``, or one that somebody handles."""
    with living(PRINTS, GIAMBIO_MONITOR_SIGNAL="none") as program:
        program.send_signal(signal.SIGUSR1)
        assert program.wait(SECONDS) == -signal.SIGUSR1
    ended = tool("info", GIAMBIO_MONITOR="1", GIAMBIO_MONITOR_SIGNAL="SIGNAL")
    assert "GIAMBIO_MONITOR_SIGNAL is 'SIGNAL', which is no signal; write SIGUSR2" in ended.stderr


def test_a_signal_that_cannot_be_handled_is_refused() -> None:
    """Rule 26.10."""
    with pytest.raises(ValueError, match="SIGKILL: 9> cannot be handled"):
        start_monitor(signal=signal.SIGKILL)


def test_nothing_listens_unless_asked(folder: Path) -> None:
    """Rule 26.1."""
    done = subprocess.run(
        [sys.executable, "-c", "import giambio, sys; print('giambio.monitor' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
    assert not folder.exists()


def test_a_silent_client_is_dismissed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 26.3."""
    monkeypatch.setattr("giambio.monitor.server.PATIENCE", 0.05)
    try:
        start_monitor()
        with client(folder, os.getpid()) as sock:
            assert sock.recv(1) == b""
    finally:
        stop_monitor()


def test_top_takes_the_time_of_steps_only_while_somebody_looks(folder: Path) -> None:
    """Rule 26.6: nothing is left of it."""
    question = json.dumps({"giambio": VERSION, "command": "top"}).encode() + b"\n"

    async def main() -> list[int]:
        loop = giambio.current_loop()
        seen = [loop._counters.times_steps]
        with client(folder, os.getpid()) as sock:
            sock.sendall(question)
            assert sock.recv(1)
            seen.append(loop._counters.times_steps)
        end = time.monotonic() + SECONDS
        while loop._counters.times_steps and time.monotonic() < end:
            await giambio.sleep(0.01)
        return [*seen, loop._counters.times_steps]

    try:
        start_monitor()
        assert giambio.run(main) == [0, 1, 0]
    finally:
        stop_monitor()


def test_a_step_that_has_begun_before_anybody_looked_is_not_added_up() -> None:
    """Rule 26.6: nobody knows when."""

    async def main() -> tuple[float, float]:
        loop, task = giambio.current_loop(), giambio.current_task()
        loop._counters.times_steps += 1
        await giambio.checkpoint()
        before = task._longest
        time.sleep(0.02)
        await giambio.checkpoint()
        loop._counters.times_steps -= 1
        return before, task._longest

    before, after = giambio.run(main)
    assert before == 0.0
    assert 0.02 <= after < SECONDS
