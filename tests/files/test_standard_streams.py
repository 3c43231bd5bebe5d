"""The standard streams as pipes, terminals, files and sockets.

Each test runs a program of its own, because the test's streams are pytest's.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 40

#: Echoes lines until the input ends.
ECHO = """
    async def main():
        out = giambio.stdout()
        async for line in giambio.stdin():
            await out.write(f"<{line}>")
        await out.write("end")
"""
#: The same, in bytes.
ECHO_BYTES = """
    async def main():
        source, sink = giambio.stdin("rb"), giambio.stdout("wb")
        while data := await source.receive():
            await sink.send_all(b"<" + data + b">")
        await sink.send_all(b"end")
"""


def command(program: str, driver: str) -> list[str]:
    """How to run a program that has a `main`."""
    code = f"import os, sys, giambio\n{textwrap.dedent(program)}\n"
    code += f"giambio.run(main, driver={driver!r})\n"
    return [sys.executable, "-W", "error", "-c", code]


@contextmanager
def running(program: str, driver: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs with these streams; it may not write to stderr."""
    streams.setdefault("stderr", subprocess.PIPE)
    with subprocess.Popen(command(program, driver), **streams) as process:
        try:
            yield process
            process.wait(SECONDS)
        finally:
            process.kill()
            assert process.stderr is not None
            errors = process.stderr.read()
        assert (process.returncode, errors) == (0, b"")


def talk(process: subprocess.Popen[bytes], data: bytes) -> bytes:
    """Give a program its whole input, and return its whole output."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(data)
    process.stdin.close()
    return process.stdout.read()


def is_blocking(fd: int) -> bool:
    """Tell whether a descriptor's flags, which may be shared, still say so."""
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


def read_until(fd: int, text: bytes) -> bytes:
    """Read until a text has come."""
    data = b""
    while text not in data:
        try:
            piece = os.read(fd, 1000)
        except OSError:  # a terminal whose other side is closed
            break
        if not piece:
            break
        data += piece
    assert text in data, data
    return data


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Our side of a terminal without echo, and the program's."""
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~termios.ECHO
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


# -- what can be behind them --------------------------------------------------------------


@pytest.mark.parametrize("program", [ECHO, ECHO_BYTES], ids=["text", "bytes"])
def test_pipes(driver: str, program: str) -> None:
    """Rule 17.1: pipes."""
    with running(program, driver, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert read_until(process.stdout.fileno(), b">") == b"<" + line + b">"
            assert is_blocking(process.stdin.fileno())
            assert is_blocking(process.stdout.fileno())
        process.stdin.close()
        assert process.stdout.read() == b"end"


@pytest.mark.parametrize("program", [ECHO, ECHO_BYTES], ids=["text", "bytes"])
def test_terminals(driver: str, program: str, terminal: tuple[int, int]) -> None:
    """The flags of a terminal are those of the shell as well: they stay as they are."""
    ours, theirs = terminal
    with running(program, driver, stdin=theirs, stdout=theirs):
        for line in (b"one\n", b"two\n"):
            os.write(ours, line)
            assert read_until(ours, b">") == b"<" + line + b">"
            assert is_blocking(theirs)
        os.write(ours, termios.tcgetattr(theirs)[6][termios.VEOF])
        assert read_until(ours, b"end") == b"end"
    assert is_blocking(theirs)


@pytest.mark.parametrize("program", [ECHO, ECHO_BYTES], ids=["text", "bytes"])
def test_files(driver: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"one\ntwo")
    with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as sink:
        sink.write(b"before ")
        sink.flush()
        with running(program, driver, stdin=source, stdout=sink):
            pass
        sink.write(b" after")
    lines = b"<one\n><two>end" if program == ECHO else b"<one\ntwo>end"
    assert (tmp_path / "out").read_bytes() == b"before " + lines + b" after"


@pytest.mark.parametrize("program", [ECHO, ECHO_BYTES], ids=["text", "bytes"])
def test_sockets(driver: str, program: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, running(program, driver, stdin=theirs, stdout=theirs):
        for line in (b"one\n", b"two\n"):
            ours.sendall(line)
            assert read_until(ours.fileno(), b">") == b"<" + line + b">"
            assert is_blocking(theirs.fileno())
        ours.shutdown(socket.SHUT_WR)
        assert read_until(ours.fileno(), b"end") == b"end"


@pytest.mark.parametrize("program", [ECHO, ECHO_BYTES], ids=["text", "bytes"])
def test_named_pipes(driver: str, program: str, tmp_path: Path) -> None:
    """Linux cannot read them with `RWF_NOWAIT`: they are opened once more."""
    os.mkfifo(tmp_path / "in")
    fd = os.open(tmp_path / "in", os.O_RDWR)
    reader = os.open(tmp_path / "in", os.O_RDONLY)
    with running(program, driver, stdin=reader, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        os.write(fd, b"one\n")
        assert read_until(process.stdout.fileno(), b">") == b"<one\n>"
        assert is_blocking(reader)
        os.close(fd)
        assert process.stdout.read() == b"end"
    os.close(reader)


def test_nothing(driver: str) -> None:
    with running(ECHO, driver, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"end"


def test_closed_streams_are_an_error(driver: str) -> None:
    program = """
        async def main():
            os.close(0)
            try:
                giambio.stdin()
            except OSError as exc:
                await giambio.stdout().write(str(exc))
    """
    with running(program, driver, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"[Errno 9] Bad file descriptor"


def test_the_flags_are_left_alone_also_if_the_program_is_killed(
    driver: str, terminal: tuple[int, int]
) -> None:
    ours, theirs = terminal
    process = subprocess.Popen(command(ECHO, driver), stdin=theirs, stdout=theirs)
    os.write(ours, b"one\n")
    assert read_until(ours, b">") == b"<one\n>"
    process.kill()
    process.wait(SECONDS)
    assert is_blocking(theirs)


# -- while others run ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_waiting_for_input_lets_others_run(
    driver: str, terminal: tuple[int, int], kind: str
) -> None:
    program = """
        async def main():
            async with giambio.TaskManager() as manager:
                line = manager.start_soon(giambio.stdin().readline)
                for _ in range(5):
                    await giambio.sleep(0.01)
                assert not line.done()
                await giambio.stdout().write("ready\\n")
            await giambio.stdout().write(line.result())
    """
    ours, theirs = terminal
    left, right = socket.socketpair()
    reader, writer = os.pipe()
    ends = {"pipe": (reader, writer), "terminal": (theirs, ours)}
    stdin, to_it = ends.get(kind, (right.fileno(), left.fileno()))
    with left, right, running(program, driver, stdin=stdin, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        read_until(process.stdout.fileno(), b"ready\n")
        os.write(to_it, b"line\n")
        assert process.stdout.read() == b"line\n"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_waiting_for_a_slow_reader_lets_others_run(
    driver: str, terminal: tuple[int, int], kind: str
) -> None:
    """A reader that does not read, and then reads everything."""
    program = """
        async def main():
            async with giambio.TaskManager() as manager:
                task = manager.start_soon(giambio.stdout().write, "x" * 1_000_000)
                for _ in range(5):
                    await giambio.sleep(0.01)
                assert not task.done()
                await giambio.stderr().write("waiting")
            assert task.result() == 1_000_000
    """
    ours, theirs = terminal
    left, right = socket.socketpair()
    reader, writer = os.pipe()
    ends = {"pipe": (reader, writer), "terminal": (ours, theirs)}
    from_it, stdout = ends.get(kind, (left.fileno(), right.fileno()))
    with (
        left,
        right,
        subprocess.Popen(
            command(program, driver), stdout=stdout, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stderr is not None
        assert process.stderr.read(7) == b"waiting"
        total = 0
        while total < 1_000_000:
            total += len(os.read(from_it, 65536))
        assert total == 1_000_000
        assert process.stderr.read() == b""
        assert process.wait(SECONDS) == 0
        assert is_blocking(stdout)
    os.close(reader)
    os.close(writer)


def test_a_cancelled_read_loses_nothing(driver: str) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    program = """
        async def main():
            for _ in range(3):
                with giambio.move_on_after(0.01) as scope:
                    await giambio.stdin().readline()
                assert scope.cancelled_caught
            await giambio.stdout().write("ready\\n")
            await giambio.stdout().write(await giambio.stdin().readline())
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(program, driver, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"be")
        process.stdin.flush()
        read_until(process.stdout.fileno(), b"ready\n")
        process.stdin.write(b"gin\n")
        process.stdin.flush()
        assert process.stdout.read() == b"begin\n"


def test_a_pipe_that_nobody_reads_from(driver: str) -> None:
    program = """
        async def main():
            try:
                while True:
                    await giambio.stdout("wb").send_all(bytes(1000))
            except giambio.BrokenResourceError as exc:
                assert isinstance(exc.__cause__, BrokenPipeError)
                await giambio.stderr().write("broken")
    """
    reader, writer = os.pipe()
    with subprocess.Popen(
        command(program, driver), stdout=writer, stderr=subprocess.PIPE
    ) as process:
        os.close(writer)
        os.close(reader)
        assert process.stderr is not None
        assert process.stderr.read() == b"broken"
    assert process.returncode == 0


# -- the object ---------------------------------------------------------------------------


def test_there_is_one_object_for_each(driver: str) -> None:
    program = """
        async def main():
            stdin = giambio.stdin()
            assert giambio.stdin() is stdin
            assert (stdin.name, stdin.mode, stdin.encoding) == ("<stdin>", "r", sys.stdin.encoding)
            assert stdin.fileno() not in (0, 1, 2)
            try:
                giambio.stdin("rb")
            except ValueError as exc:
                assert "is in use with mode 'r'" in str(exc), exc
            try:
                giambio.stdin("w")
            except ValueError as exc:
                assert "has the modes 'r' and 'rb', not 'w'" in str(exc), exc
            assert isinstance(giambio.stdout("wb"), giambio.SendStream)
            await stdin.close()
            assert isinstance(giambio.stdin("rb"), giambio.ReceiveStream)
            os.fstat(0)
            await giambio.stderr().write("")
    """
    with running(program, driver, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
        pass


def test_the_encoding_is_that_of_sys(driver: str) -> None:
    environment = dict(os.environ, PYTHONIOENCODING="latin-1:replace")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
    with running(ECHO, driver, **pipes) as process:
        assert talk(process, "ä\n".encode("latin-1")) == "<ä\n>end".encode("latin-1")


def test_what_was_read_ahead_is_there_for_the_next_loop(driver: str) -> None:
    program = """
        lines = []

        async def read():
            lines.append(await giambio.stdin().readline())

        giambio.run(read)
        before = set(os.listdir("/proc/self/fd"))
        giambio.run(read)
        assert set(os.listdir("/proc/self/fd")) == before
        assert lines == ["one\\n", "two\\n"], lines

        async def main():
            assert [line async for line in giambio.stdin()] == ["three"]
            await giambio.stdout().write("right")
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(program, driver, **pipes) as process:
        assert talk(process, b"one\ntwo\nthree") == b"right"


def test_two_loops_cannot_use_one_at_the_same_time(driver: str) -> None:
    program = """
        import threading

        async def other(failures):
            try:
                giambio.stdin()
            except RuntimeError as exc:
                failures.append(str(exc))

        async def main():
            giambio.stdin()
            failures = []
            await giambio.to_thread(giambio.run, other, failures)
            await giambio.stdout().write(*failures)
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(program, driver, **pipes) as process:
        expected = b"another loop uses stdin(); let one loop use it at a time"
        assert talk(process, b"") == expected


def test_the_descriptors_are_released_when_the_loop_ends(driver: str) -> None:
    """Rule 1.8: `start` releases all it opened."""
    program = """
        before = set(os.listdir("/proc/self/fd"))

        async def use():
            giambio.stdin(), giambio.stdout(), giambio.stderr()

        giambio.run(use)
        assert set(os.listdir("/proc/self/fd")) == before

        async def main():
            await giambio.stdout().write("fine")
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(program, driver, **pipes) as process:
        assert talk(process, b"") == b"fine"


def test_ctrl_c_while_waiting_for_a_terminal(driver: str, terminal: tuple[int, int]) -> None:
    program = """
        async def main():
            try:
                await giambio.stdin().readline()
            finally:
                await giambio.cancel_shielded_checkpoint()
                with giambio.CancelScope(shield=True):
                    await giambio.stdout().write("cleaned up")

        def run(main, driver):
            try:
                real(main, driver=driver)
            except KeyboardInterrupt:
                pass

        real, giambio.run = giambio.run, run
        os.write(2, b"ready")
    """
    ours, theirs = terminal
    process = subprocess.Popen(
        command(program, driver), stdin=theirs, stdout=theirs, stderr=subprocess.PIPE
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.read(5) == b"ready"
        until_it_waits(process.pid)
        process.send_signal(signal.SIGINT)
        assert read_until(ours, b"cleaned up") == b"cleaned up"
        assert process.stderr.read() == b""
        assert process.wait(SECONDS) == 0


def until_it_waits(pid: int) -> None:
    """Wait until a process sleeps in its driver."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/wchan") as file:
            if "epoll" in file.read():
                return
        time.sleep(0.01)
    raise AssertionError("it never waits")


def test_where_nothing_can_be_opened_once_more(driver: str, terminal: tuple[int, int]) -> None:
    """A terminal of another user: then its readiness is asked for before each call."""
    program = """
        real = os.open

        def refuse(path, *args, **options):
            if str(path).startswith("/proc/self/fd"):
                raise PermissionError(13, "Permission denied")
            return real(path, *args, **options)

        os.open = refuse
    """
    ours, theirs = terminal
    with running(
        textwrap.dedent(program) + textwrap.dedent(ECHO), driver, stdin=theirs, stdout=theirs
    ):
        os.write(ours, b"one\n" + b"x" * 2000 + b"\n")
        assert read_until(ours, b"x\n>") == b"<one\n><" + b"x" * 2000 + b"\n>"
        assert is_blocking(theirs)
        os.write(ours, termios.tcgetattr(theirs)[6][termios.VEOF])
        assert read_until(ours, b"end") == b"end"
