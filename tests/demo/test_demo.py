"""`python -m giambio`: the demo, and `info` about the installation.

Each test runs it as a user does, in a process of its own, with warnings as errors.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import giambio

CONNECTIONS = 200
SECONDS = 50
MODULE = [sys.executable, "-W", "error", "-m", "giambio"]


def giambio_module(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m giambio`, to its end."""
    return subprocess.run(
        [*MODULE, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        **options,
    )


def demo(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m giambio demo`, with few connections."""
    return giambio_module("demo", "--connections", str(CONNECTIONS), *arguments, **options)


# -- the demo ------------------------------------------------------------------------


def test_the_demo_serves_all_connections_at_once_in_one_thread(driver: str) -> None:
    done = demo("--driver", driver)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    info = giambio.build_info()
    assert lines[0].startswith(f"giambio {info.version}, {info.build}")
    assert f", {driver} driver, " in lines[0]
    assert lines[-2] == f"{CONNECTIONS}/{CONNECTIONS} echoed, peak {CONNECTIONS} open, 1 thread"
    assert re.fullmatch(
        r"[\d,]+ messages per second(, [\d.]+ KiB of memory per connection)?", lines[-1]
    )


def test_the_scraper_tells_what_came_back_from_whom_and_both_times() -> None:
    output = demo().stdout
    for task in (1, 2):
        for name in ("example.com", "some-domain.tld", "other-site.net"):
            assert re.search(
                rf"task {task}: {name} \(127[\d.:]+\) said 'hello from {name}'", output
            )
    times = re.search(r"2 tasks concurrently: ([\d.]+) s; one by one: ([\d.]+) s", output)
    assert times is not None
    # One by one each of the six greetings has to be waited for.
    assert float(times[2]) >= 0.59


def test_piped_progress_is_plain_lines() -> None:
    output = demo().stdout
    assert "\r" not in output
    assert f"  {CONNECTIONS}/{CONNECTIONS} open\n" in output
    assert f"  {CONNECTIONS}/{CONNECTIONS} echoed\n" in output
    assert len(re.findall(r"^  \d+/\d+ open$", output, re.MULTILINE)) <= 5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals like these")
def test_on_a_terminal_progress_is_a_bar() -> None:
    status, output = on_a_terminal("demo", "--connections", str(CONNECTIONS))
    assert status == 0, output
    assert f"\r  [{'#' * 40}] {CONNECTIONS}/{CONNECTIONS} open\r\n" in output
    assert f"\r  [{'#' * 40}] {CONNECTIONS}/{CONNECTIONS} echoed\r\n" in output
    assert output.splitlines()[-2].endswith("open, 1 thread")


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """`python -m giambio` with a pseudo-terminal: the exit code, and what it wrote."""
    terminal, slave = os.openpty()
    try:
        with subprocess.Popen(
            [*MODULE, *arguments], stdin=slave, stdout=slave, stderr=slave
        ) as child:
            os.close(slave)
            output = b""
            while data := read_terminal(terminal):
                output += data
            return child.wait(SECONDS), output.decode()
    finally:
        os.close(terminal)


def read_terminal(terminal: int) -> bytes:
    """What a terminal shows next; nothing at its end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_single_connection_is_enough() -> None:
    done = giambio_module("demo", "--connections", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n1/1 echoed, peak 1 open, 1 thread\n" in done.stdout


# -- when a limit is hit -----------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights are taken away as Linux does")
def test_too_few_descriptors_are_reported_with_the_count_and_the_limit() -> None:
    done = demo(preexec_fn=limit_descriptors(100))
    assert (done.returncode, done.stderr) == (1, "")
    *_, count, rate, problem = done.stdout.splitlines()
    match = re.fullmatch(rf"(\d+)/{CONNECTIONS} echoed, peak (\d+) open, 1 thread", count)
    assert match is not None
    assert 50 < int(match[1]) < 100
    assert 50 < int(match[2]) < 100
    assert "messages per second" in rate
    assert problem.startswith("limit hit: the server ran out of descriptors: ")
    assert "RLIMIT_NOFILE is 100 (hard limit 100)" in problem


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights are taken away as Linux does")
def test_too_few_descriptors_to_begin_with_are_reported_as_well() -> None:
    done = demo(preexec_fn=limit_descriptors(8))
    assert done.returncode == 1
    assert "RLIMIT_NOFILE is 8" in done.stderr or "Too many open files" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_the_soft_limit_is_raised() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < CONNECTIONS + 100:
        pytest.skip(f"the hard limit is {hard} here")
    done = demo(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, hard)))
    assert done.returncode == 0, done.stdout


def limit_descriptors(count: int) -> Callable[[], None]:
    """For `preexec_fn`: a limit that even root cannot raise again."""
    import resource

    libc = ctypes.CDLL(None)
    drop_from_bounding_set, system_resource_rights = 24, 24

    def limit() -> None:
        libc.prctl(drop_from_bounding_set, system_resource_rights, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    return limit


# -- when it is interrupted ----------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
)
def test_a_signal_ends_it_and_leaves_no_child_behind(number: int, status: int) -> None:
    with demo_at_work() as (parent, child), process_handle(child) as child_handle:
        parent.send_signal(number)
        errors = last_words(parent)[1]
        assert parent.wait(SECONDS) == status
        assert select.select([child_handle], [], [], SECONDS)[0], "the child goes on"
    assert "Traceback" not in errors
    assert "Warning" not in errors


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
def test_clients_that_die_are_a_limit_too() -> None:
    with demo_at_work() as (parent, child):
        os.kill(child, signal.SIGKILL)
        output, errors = last_words(parent)
        assert parent.wait(SECONDS) == 1
    assert errors == ""
    lines = output.splitlines()
    assert re.fullmatch(r"0/5000 echoed, peak \d+ open, 1 thread", lines[-2])
    assert lines[-1].startswith("limit hit: the server got BrokenResourceError: ")


@contextmanager
def demo_at_work() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A demo whose clients have begun to connect, and the number of their process."""
    with subprocess.Popen(
        [*MODULE, "demo", "--connections", "5000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would this one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as parent:
        assert parent.stdout is not None
        while not parent.stdout.readline().endswith(" open\n"):
            assert parent.poll() is None
        (child,) = children(parent.pid)
        yield parent, child


def last_words(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process and its children still write, until the last of them has ended."""
    return process.communicate(timeout=SECONDS)


def children(parent: int) -> list[int]:
    """The child processes of a process."""
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        return [int(number) for number in file.read().split()]


@contextmanager
def process_handle(process: int) -> Iterator[int]:
    """A descriptor that becomes readable when the process has ended."""
    handle = os.pidfd_open(process)
    try:
        yield handle
    finally:
        os.close(handle)


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe is another error on Windows")
@pytest.mark.parametrize("command", [["demo", "--connections", "1"], ["info"]])
def test_it_ends_quietly_when_nobody_reads_on(command: list[str]) -> None:
    with subprocess.Popen(
        [*MODULE, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(SECONDS) == 1


# -- the command line ------------------------------------------------------------------------


def test_info_prints_one_aligned_fact_per_line() -> None:
    done = giambio_module("info")
    assert (done.returncode, done.stderr) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    info = giambio.build_info()
    assert facts["giambio"] == info.version
    assert facts["build"] == (f"pure: {info.reason}" if info.reason else "compiled")
    assert facts["driver"].split()[0] == info.driver
    assert facts["python"] == info.python
    assert len({line.index(line.split(maxsplit=1)[1]) for line in done.stdout.splitlines()}) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["info", "demo"]),
        (["info", "--help"], ["which build"]),
        (["demo", "--help"], ["--connections N", "10000", "--driver", "epoll", "Exit code"]),
    ],
    ids=" ".join,
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer drivers to list")
def test_help_is_complete(arguments: list[str], words: list[str]) -> None:
    done = giambio_module(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert [word for word in words if word not in done.stdout] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dance"], "invalid choice: 'dance'"),
        (["demo", "--connections", "0"], "'0' is not a whole number from 1 up"),
        (["demo", "--connections", "many"], "'many' is not a whole number from 1 up"),
        (["demo", "--driver", "telepathy"], "invalid choice: 'telepathy'"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], message: str) -> None:
    done = giambio_module(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
