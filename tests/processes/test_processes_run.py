"""`run_process`: a program from its beginning to its end, and cancelled anywhere between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock
from support.processes import has_children, lives, no_child_is_left, python, watch
from support.threads import LONG, until

Run = Callable[..., Any]

__all__ = ["no_child_is_left", "watch"]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="pipes to processes need a POSIX system"),
    pytest.mark.usefixtures("no_child_is_left"),
]


def test_output_and_errors_are_captured(run: Run) -> None:
    async def main() -> None:
        command = ["sh", "-c", "echo out; echo err >&2"]
        done = await giambio.run_process(command, capture_stdout=True, capture_stderr=True)
        assert isinstance(done, subprocess.CompletedProcess)
        assert (done.args, done.returncode) == (command, 0)
        assert (done.stdout, done.stderr) == (b"out\n", b"err\n")

    run(main)


def test_what_is_not_captured_is_none(run: Run) -> None:
    async def main() -> None:
        done = await giambio.run_process(["true"])
        assert (done.stdout, done.stderr) == (None, None)
        done = await giambio.run_process(["true"], capture_stdout=True)
        assert (done.stdout, done.stderr) == (b"", None)

    run(main)


def test_output_may_go_to_a_file(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with open(tmp_path / "out", "wb") as out:
            await giambio.run_process(["echo", "hello"], stdout=out)
        await giambio.run_process(["echo", "lost"], stdout=subprocess.DEVNULL)

    run(main)
    assert (tmp_path / "out").read_bytes() == b"hello\n"


@pytest.mark.parametrize("data", [b"hello", bytearray(b"hello"), memoryview(b"hello"), b""])
def test_input(run: Run, data: Any) -> None:
    async def main() -> None:
        done = await giambio.run_process(["cat"], input=data, capture_stdout=True)
        assert done.stdout == bytes(data)

    run(main)


def test_64_mib_in_and_out_at_once(run: Run) -> None:
    """64 MiB through `cat`, both ways, without a deadlock."""
    data = random.Random(1).randbytes(64 << 20)

    async def main() -> None:
        done = await giambio.run_process(["cat"], input=data, capture_stdout=True)
        assert done.stdout == data

    run(main)


def test_much_output_and_many_errors_at_once(run: Run) -> None:
    program = (
        "import sys\n"
        "for number in range(3000):\n"
        "    sys.stdout.write('o' * 1000)\n"
        "    sys.stderr.write('e' * 1000)\n"
    )

    async def main() -> None:
        done = await giambio.run_process(python(program), capture_stdout=True, capture_stderr=True)
        assert done.stdout == b"o" * 3_000_000
        assert done.stderr == b"e" * 3_000_000

    run(main)


@pytest.mark.parametrize(
    "command", [["true"], ["head", "-c", "5"], ["sh", "-c", "exec <&-; sleep 0.05"]]
)
def test_input_that_nobody_reads_is_dropped(run: Run, command: list[str]) -> None:
    """As `subprocess.run` does: EPIPE is no error."""

    async def main() -> None:
        done = await giambio.run_process(command, input=bytes(4 << 20), capture_stdout=True)
        assert done.returncode == 0

    run(main)


@pytest.mark.usefixtures("watch")
def test_another_exit_code_than_0_is_an_error(run: Run) -> None:
    command = ["sh", "-c", "echo out; echo err >&2; exit 3"]

    async def main() -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            await giambio.run_process(command, capture_stdout=True, capture_stderr=True)
        error = caught.value
        assert (error.returncode, error.cmd) == (3, command)
        assert (error.stdout, error.stderr) == (b"out\n", b"err\n")
        done = await giambio.run_process([*command[:2], "exit 3"], check=False)
        assert done.returncode == 3
        with pytest.raises(subprocess.CalledProcessError, match="SIGKILL"):
            await giambio.run_process(["sh", "-c", "kill -KILL $$"])

    run(main)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"command": "ls"}, TypeError, "needs a list"),
        ({"command": ["ls"], "input": "text"}, TypeError, "encode text first"),
        ({"command": ["ls"], "input": b"", "stdin": 0}, ValueError, "input= or stdin=, not both"),
        ({"command": ["ls"], "stdin": subprocess.PIPE}, ValueError, "use input="),
        ({"command": ["ls"], "stdin": "text"}, TypeError, "is to read is input=, not 'text'"),
        ({"command": ["ls"], "stdout": subprocess.PIPE}, ValueError, "write capture_stdout=True"),
        (
            {"command": ["ls"], "stderr": 2, "capture_stderr": True},
            ValueError,
            "capture_stderr= or stderr=, not both",
        ),
        ({"command": ["ls"], "text": True}, TypeError, "takes no text="),
        ({"command": ["/nonexistent"]}, FileNotFoundError, "nonexistent"),
        (
            {"command": ["ls"], "timeout": 5},
            TypeError,
            r"^run_process\(\) takes no timeout=: .* giambio.fail_after",
        ),
        (
            {"command": ["ls"], "capture_output": True},
            TypeError,
            "run_process.* has capture_stdout=True and",
        ),
        ({"command": ["ls"], "colour": 1}, TypeError, r"^run_process\(\) got an unexp.* 'colour'"),
    ],
)
def test_mistakes_are_explained(
    run: Run, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    async def main() -> None:
        with pytest.raises(error, match=message):
            await giambio.run_process(**arguments)

    run(main)


# -- cancellation --------------------------------------------------------------------------


@pytest.mark.usefixtures("watch")
def test_cancelled_the_program_has_ended_when_the_cancellation_goes_on(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "pid"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            command = ["sh", "-c", f"echo $$ > {path}; exec sleep 1000"]
            task = await manager.spawn(giambio.run_process, command)
            await until(lambda: path.exists() and path.read_text())
            task.cancel()
        assert task.cancelled()
        assert not lives(int(path.read_text()))

    run(main)


def test_cancelled_with_a_timeout(run: Run) -> None:
    async def main() -> None:
        before = time.monotonic()
        with pytest.raises(TimeoutError), giambio.fail_after(0.05):
            await giambio.run_process(["sleep", "1000"], capture_stdout=True)
        assert time.monotonic() - before < LONG

    run(main)


def test_cancelled_a_program_that_does_not_want_to_end_is_killed(run: Run) -> None:
    command = python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
    )

    async def main() -> None:
        with giambio.move_on_after(0.3) as scope:
            await giambio.run_process(command, terminate_timeout=0.01)
        assert scope.cancelled_caught

    run(main)


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("seed", [1, 2])
def test_cancelled_at_any_moment_nothing_is_left(run: Run, seed: int) -> None:
    """Rules 13.11, 5.5: cancelled at any moment: no zombie, no leak."""
    chance = random.Random(seed)

    async def child(number: int) -> None:
        with giambio.move_on_after(chance.random() * 0.03):
            done = await giambio.run_process(
                ["cat"] if number % 3 else ["sh", "-c", "cat; sleep 0.01; exec sleep 1000"],
                input=bytes(chance.randrange(300_000)),
                capture_stdout=True,
                terminate_timeout=0.01,
            )
            assert done.returncode == 0

    async def main() -> None:
        for _ in range(3):
            async with giambio.TaskManager() as manager:
                for number in range(25):
                    await manager.spawn(child, number)
            assert not has_children()

    run(main)


def test_killed_from_outside_while_it_is_fed(run: Run) -> None:
    """Rule 13.12: the child is killed while it is fed."""

    async def main() -> None:
        command = ["sh", "-c", "head -c 100000 > /dev/null; kill -KILL $$"]
        with pytest.raises(subprocess.CalledProcessError) as caught:
            await giambio.run_process(command, input=bytes(4 << 20), capture_stdout=True)
        assert caught.value.returncode == -signal.SIGKILL

    run(main)


def test_virtual_time_stands_still_until_the_program_has_ended(run: Run) -> None:
    program = python("import sys, time; time.sleep(0.2); print(sys.stdin.read())")

    async def main() -> None:
        with giambio.fail_after(1):
            done = await giambio.run_process(program, input=b"hello", capture_stdout=True)
        assert done.stdout == b"hello\n"
        assert giambio.current_time() == 0

    run(main, clock=VirtualClock())
