"""`open_process`: real programs, their pipes and their end."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

import giambio
from giambio.testing import VirtualClock, assert_checkpoints
from support.processes import has_children, lives, no_child_is_left, python, watch
from support.threads import LONG, threads_since, until, wait_until

Run = Callable[..., Any]

__all__ = ["no_child_is_left", "watch"]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="pipes to processes need a POSIX system"),
    pytest.mark.usefixtures("no_child_is_left"),
]

SLEEP = ["sleep", "1000"]
#: It says that it is ready, and does not care for SIGTERM.
STUBBORN = python(
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "os.write(1, b'ready\\n'); time.sleep(1000)"
)


# -- the end -------------------------------------------------------------------------------


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code(run: Run, code: int) -> None:
    async def main() -> None:
        async with await giambio.open_process(["sh", "-c", f"exit {code}"]) as process:
            assert await process.wait() == code
            assert process.returncode == code
            assert await process.wait() == code
        assert process.returncode == code

    run(main)


@pytest.mark.usefixtures("watch")
def test_a_program_killed_by_a_signal(run: Run) -> None:
    """Rule 13.12: child killed."""

    async def main() -> None:
        async with await giambio.open_process(SLEEP) as process:
            assert process.returncode is None
            os.kill(process.pid, signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL

    run(main)


@pytest.mark.usefixtures("watch")
def test_several_tasks_wait_for_one_program(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(SLEEP) as process:
            async with giambio.TaskManager() as manager:
                tasks = [await manager.spawn(process.wait) for _ in range(5)]
                for _ in range(10):
                    await giambio.checkpoint()
                tasks[0].cancel()
                process.kill()
            assert tasks[0].cancelled()
            assert [task.result() for task in tasks[1:]] == [-signal.SIGKILL] * 4

    run(main)


@pytest.mark.usefixtures("watch")
def test_cancelling_the_wait_leaves_the_program_alone(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(SLEEP) as process:
            with giambio.move_on_after(0.02) as scope:
                await process.wait()
            assert scope.cancelled_caught
            assert process.returncode is None
            assert lives(process.pid)
            process.kill()

    run(main)


@pytest.mark.usefixtures("watch")
def test_waiting_is_a_checkpoint_also_when_it_has_ended(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["true"]) as process:
            await process.wait()
            with giambio.CancelScope() as scope:
                scope.cancel()
                await process.wait()
            assert scope.cancelled_caught

    run(main)


def test_the_returncode_is_there_without_waiting(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["true"]) as process:
            deadline = time.monotonic() + LONG
            while process.returncode is None:
                assert time.monotonic() < deadline
            assert process.returncode == 0

    run(main)


def test_a_program_that_is_dropped_is_reaped(run: Run, watch: str) -> None:
    """No zombie: by the loop, or (with a warning) by `subprocess` itself."""

    async def main() -> None:
        process = await giambio.open_process(["true"])
        pid = process.pid
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if watch == "descriptor":
            del process
        else:
            with pytest.warns(ResourceWarning, match=f"subprocess {pid} is still running"):
                del process
        await until(lambda: not lives(pid))

    run(main)


def test_200_programs_at_once(run: Run) -> None:
    """Rule 13.11: 200 concurrent children."""

    async def child(number: int) -> int:
        code = f"import sys; sys.stdout.write(sys.stdin.read()); sys.exit({number % 100})"
        command = ["sh", "-c", f"cat; exit {number % 100}"] if number else python(code)
        done = await giambio.run_process(
            command, input=str(number).encode(), capture_stdout=True, check=False
        )
        assert done.stdout == str(number).encode()
        return done.returncode

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(child, number) for number in range(200)]
        assert [task.result() for task in tasks] == [number % 100 for number in range(200)]

    run(main)


def test_no_thread_is_started(run: Run) -> None:
    """Rule 13.1: processes are not among the reasons."""

    async def main() -> list[threading.Thread]:
        before = threading.enumerate()
        await giambio.run_process(["cat"], input=b"x", capture_stdout=True)
        return threads_since(before)

    assert run(main, threads=False) == []


@pytest.mark.usefixtures("watch")
def test_a_program_that_runs_is_no_deadlock_and_one_that_has_ended_hides_none(run: Run) -> None:
    """Rule 11.6: a task that waits for a child process."""
    done = []

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            async with await giambio.open_process(["sleep", "0.4"]) as process:
                done.append(await process.wait())
            program = ["sh", "-c", "sleep 0.4; echo x"]
            async with await giambio.open_process(program, stdout=PIPE) as process:
                assert process.stdout is not None
                done.append(await process.stdout.receive())
            event.set()
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)
    assert done == [0, b"x\n"]


# -- virtual time --------------------------------------------------------------------------


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("way", ["wait", "block", "aclose"])
def test_virtual_time_stands_still_while_a_task_waits_for_the_end(run: Run, way: str) -> None:
    async def main() -> None:
        process = await giambio.open_process(["sleep", "0.2"])
        with giambio.fail_after(1):
            async with process:
                if way == "wait":
                    assert await process.wait() == 0
                elif way == "aclose":
                    await process.aclose()
        assert process.returncode == 0
        assert giambio.current_time() == 0
        before = giambio.current_time()
        await giambio.sleep(10)  # and now it goes on
        assert giambio.current_time() == before + 10

    run(main, clock=VirtualClock())


def test_a_program_that_nobody_waits_for_does_not_hold_virtual_time(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(SLEEP) as process:
            with giambio.move_on_after(5):
                async with giambio.TaskManager() as manager:
                    manager.start_soon(giambio.sleep, 10)
            assert giambio.current_time() == 5
            process.kill()

    run(main, clock=VirtualClock())


@pytest.mark.usefixtures("watch")
def test_a_program_has_real_time_to_clean_up_in_virtual_time(run: Run) -> None:
    """It knows nothing of the loop's clock, which would have jumped over its timeout."""
    program = python(
        "import signal, sys, time\n"
        "def stop(*args):\n"
        "    time.sleep(0.2)\n"
        "    sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready', flush=True)\n"
        "time.sleep(1000)\n"
    )

    async def main() -> None:
        with pytest.raises(KeyError):
            async with await giambio.open_process(
                program, stdout=PIPE, terminate_timeout=LONG
            ) as process:
                assert process.stdout is not None
                await process.stdout.receive()
                raise KeyError
        assert process.returncode == 7

    run(main, clock=VirtualClock())


@pytest.mark.usefixtures("watch")
def test_a_program_that_does_not_want_to_end_is_killed_in_virtual_time_too(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(KeyError):
            async with await giambio.open_process(
                STUBBORN, stdout=PIPE, terminate_timeout=0.2
            ) as process:
                assert process.stdout is not None
                await process.stdout.receive()
                raise KeyError
        assert process.returncode == -signal.SIGKILL

    run(main, clock=VirtualClock())


def test_another_loop_cannot_wait_for_it(driver: str) -> None:
    async def start() -> giambio.Process:
        return await giambio.open_process(["true"])

    loop = giambio.EventLoop(driver=driver)
    process = loop.start(start)
    with pytest.raises(RuntimeError, match="was started in another loop"):
        giambio.run(process.wait, driver=driver)
    # In a later run of its own loop it can.
    assert loop.start(process.wait) == 0
    loop.close()


# -- leaving the block -----------------------------------------------------------------------


def test_leaving_the_block_waits_for_the_end(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "done"
        async with await giambio.open_process(["sh", "-c", f"sleep 0.1; touch {path}"]) as process:
            pass
        assert path.exists()
        assert process.returncode == 0

    run(main)


def test_leaving_the_block_closes_the_pipes(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["cat"], stdin=PIPE, stdout=PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
        assert process.returncode == 0
        with pytest.raises(giambio.ClosedResourceError):
            await process.stdin.send_all(b"x")
        with pytest.raises(giambio.ClosedResourceError):
            await process.stdout.receive()

    run(main)


@pytest.mark.usefixtures("watch")
def test_an_exception_ends_the_program(run: Run) -> None:
    error = KeyError("in the block")

    async def main() -> None:
        with pytest.raises(KeyError) as caught:
            async with await giambio.open_process(SLEEP) as process:
                raise error
        assert caught.value is error
        names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        assert names == {"main"}
        assert process.returncode == -signal.SIGTERM

    run(main)


@pytest.mark.usefixtures("watch")
def test_a_cancellation_ends_the_program(run: Run) -> None:
    """Rule 13.11: a cancellation terminates it."""
    pids = []

    async def main() -> None:
        with giambio.move_on_after(0.05) as scope:
            async with await giambio.open_process(SLEEP) as process:
                pids.append(process.pid)
                await process.wait()
        assert scope.cancelled_caught
        assert process.returncode == -signal.SIGTERM

    run(main)
    assert not lives(pids[0])


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_program_that_does_not_want_to_end_is_killed(run: Run, timeout: float) -> None:
    """Rule 13.11: it waits a while, and then kills it."""

    async def main() -> None:
        with pytest.raises(KeyError):
            async with await giambio.open_process(
                STUBBORN, stdout=PIPE, terminate_timeout=timeout
            ) as process:
                assert process.stdout is not None
                assert await process.stdout.receive() == b"ready\n"
                raise KeyError
        assert process.returncode == -signal.SIGKILL

    run(main)


def test_a_program_may_clean_up_in_the_meantime(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cleaned"
    program = (
        "import signal, sys, time, pathlib\n"
        "def stop(*args):\n"
        "    time.sleep(0.1)\n"
        f"    pathlib.Path({str(path)!r}).touch()\n"
        "    sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready', flush=True)\n"
        "time.sleep(1000)\n"
    )

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with await giambio.open_process(python(program), stdout=PIPE) as process:
                assert process.stdout is not None
                await process.stdout.receive()
                scope.cancel()
                await giambio.checkpoint()
        assert process.returncode == 7
        assert path.exists()

    run(main)


def test_a_cancellation_while_leaving_ends_the_program(run: Run) -> None:
    async def main() -> None:
        with giambio.move_on_after(0.05) as scope:
            async with await giambio.open_process(SLEEP) as process:
                pass
        assert scope.cancelled_caught
        assert process.returncode == -signal.SIGTERM

    run(main)


def test_aclose_is_the_end_of_the_block(run: Run) -> None:
    async def main() -> None:
        process = await giambio.open_process(["cat"], stdin=PIPE)
        await process.aclose()
        await process.aclose()
        assert process.returncode == 0
        process = await giambio.open_process(SLEEP)
        with giambio.move_on_after(0.01):
            await process.aclose()
        assert process.returncode == -signal.SIGTERM

    run(main)


class Boom(BaseException):
    """Ends a loop from outside."""


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("where", ["in the block", "leaving", "ending"])
def test_a_loop_that_is_interrupted_leaves_no_child(loop: giambio.EventLoop, where: str) -> None:
    """No zombie, even so; and nobody is left to wait, so the program is killed."""
    pids: list[int] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def child() -> None:
                async with await giambio.open_process(STUBBORN, stdout=PIPE) as process:
                    assert process.stdout is not None
                    await process.stdout.receive()
                    pids.append(process.pid)
                    if where == "in the block":
                        await giambio.sleep_forever()

            task = await manager.spawn(child)
            await until(lambda: pids)
            if where == "ending":
                task.cancel()
            for _ in range(10):
                await giambio.checkpoint()
            loop._stop_between_steps(Boom())
            await giambio.sleep_forever()

    with pytest.raises(Boom):
        loop.start(main)
    assert not lives(pids[0])


# -- signals -------------------------------------------------------------------------------


@pytest.mark.usefixtures("watch")
def test_sending_signals(run: Run) -> None:
    async def main() -> None:
        for send, number in (
            (giambio.Process.terminate, signal.SIGTERM),
            (giambio.Process.kill, signal.SIGKILL),
            (lambda process: process.send_signal(signal.SIGUSR1), signal.SIGUSR1),
        ):
            async with await giambio.open_process(SLEEP) as process:
                send(process)
                assert await process.wait() == -number

    run(main)


@pytest.mark.usefixtures("watch")
def test_a_program_that_has_ended_gets_no_signal(run: Run) -> None:
    """Its number may be a stranger's by now."""

    async def main() -> None:
        async with await giambio.open_process(["true"]) as process:
            await process.wait()
            process.kill()
            process.send_signal(signal.SIGTERM)
            assert process.returncode == 0
        async with await giambio.open_process(["true"]) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            process.kill()  # it has ended, and we have not noticed yet
            assert process.returncode == 0

    run(main)


def test_a_stopped_program_can_be_ended(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(KeyError):
            async with await giambio.open_process(SLEEP, terminate_timeout=0.05) as process:
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
                raise KeyError
        assert process.returncode == -signal.SIGKILL

    run(main)


@pytest.fixture
def on_sigchld() -> Iterator[Callable[[Any], None]]:
    """Sets a handler for SIGCHLD, for one test."""
    before = signal.getsignal(signal.SIGCHLD)
    yield lambda handler: signal.signal(signal.SIGCHLD, handler) and None
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("watch")
def test_a_sigchld_handler_of_the_programs_own_stays_and_works(
    run: Run, on_sigchld: Callable[[Any], None]
) -> None:
    """A SIGCHLD handler of the program's own goes on working."""
    seen: list[int] = []

    def handler(number: int, frame: object) -> None:
        seen.append(number)

    on_sigchld(handler)

    async def main() -> None:
        async with await giambio.open_process(["sh", "-c", "exit 5"]) as process:
            assert await process.wait() == 5

    run(main)
    assert seen == [signal.SIGCHLD]
    assert signal.getsignal(signal.SIGCHLD) is handler


def reap_all(number: int, frame: object) -> None:
    """What many programs do on SIGCHLD, and should not."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("handler", [signal.SIG_IGN, reap_all], ids=["ignored", "reaped"])
def test_an_exit_code_that_somebody_else_took_is_an_error_and_no_guess(
    run: Run, on_sigchld: Callable[[Any], None], handler: Any
) -> None:
    """Rule 13.12: SIGCHLD is ignored, for example."""
    on_sigchld(handler)

    async def main() -> None:
        async with await giambio.open_process(["sh", "-c", "exit 5"]) as process:
            wait_until(lambda: not lives(process.pid))  # the loop stands still meanwhile
            with pytest.raises(ChildProcessError, match="somebody else has asked the system"):
                await process.wait()
            with pytest.raises(ChildProcessError, match="is lost"):
                _ = process.returncode
            process.kill()
        if handler is signal.SIG_IGN:
            with pytest.raises(ChildProcessError):
                await giambio.run_process(["true"])
        with giambio.move_on_after(0.02):
            await giambio.run_process(SLEEP)

    run(main)


# -- pipes ---------------------------------------------------------------------------------


def test_talking_to_a_program(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["cat"], stdin=PIPE, stdout=PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for number in range(100):
                await process.stdin.send_all(b"%d" % number)
                assert await process.stdout.receive() == b"%d" % number
            await process.stdin.close()
            assert await process.stdout.receive() == b""
            assert await process.stdout.receive() == b""
            assert await process.wait() == 0

    run(main)


def test_the_pipes_are_streams(run: Run) -> None:
    """Rule 17.1: small interfaces that process pipes honour."""

    async def main() -> None:
        async with await giambio.open_process(
            ["sh", "-c", "cat; echo bad >&2"], stdin=PIPE, stdout=PIPE, stderr=PIPE
        ) as process:
            assert isinstance(process.stdin, giambio.SendStream)
            assert isinstance(process.stdout, giambio.ReceiveStream)
            assert isinstance(process.stderr, giambio.ReceiveStream)
            await process.stdin.send_all(b"one\ntwo\n")
            process.stdin.close()
            lines = giambio.BufferedStream(process.stdout)
            assert [line async for line in lines] == [b"one\n", b"two\n"]
            assert await giambio.TextStream(process.stderr).receive() == "bad\n"

    run(main)


def test_without_pipe_there_is_none(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["true"], stdout=subprocess.DEVNULL) as process:
            assert (process.stdin, process.stdout, process.stderr) == (None, None, None)

    run(main)


def test_errors_may_go_where_the_output_goes(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(
            ["sh", "-c", "echo out; echo err >&2"], stdout=PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stderr is None
            assert process.stdout is not None
            assert await giambio.BufferedStream(process.stdout).receive_exactly(8) == b"out\nerr\n"

    run(main)


def test_a_cancelled_receive_has_received_nothing(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["cat"], stdin=PIPE, stdout=PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with giambio.move_on_after(0.01) as scope:
                await process.stdout.receive()
            assert scope.cancelled_caught
            await process.stdin.send_all(b"hello")
            with giambio.CancelScope() as scope:
                scope.cancel()
                await process.stdout.receive()
            assert scope.cancelled_caught
            assert await process.stdout.receive() == b"hello"

    run(main)


def test_a_cancelled_send_all_that_sent_a_part_breaks_the_stream(run: Run) -> None:
    """Rule 5.9: further sends raise, receiving goes on."""

    async def main() -> None:
        async with await giambio.open_process(["cat"], stdin=PIPE, stdout=PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with giambio.move_on_after(0.05) as scope:
                await process.stdin.send_all(bytes(10 << 20))
            assert scope.cancelled_caught
            for send in (process.stdin.send_all, process.stdin.send):
                with pytest.raises(giambio.BrokenResourceError, match="a part was sent"):
                    await send(b"x")
            assert await process.stdout.receive(100) == bytes(100)
            process.kill()

    run(main)


def test_a_program_that_does_not_read_breaks_the_pipe(run: Run) -> None:
    """EPIPE: `BrokenResourceError` is also a `ConnectionError`, the `OSError` its cause."""

    async def main() -> None:
        async with await giambio.open_process(["true"], stdin=PIPE) as process:
            await process.wait()
            assert process.stdin is not None
            with pytest.raises(giambio.BrokenResourceError, match="does not read") as caught:
                await process.stdin.send_all(b"x")
            assert isinstance(caught.value.__cause__, BrokenPipeError)
        async with await giambio.open_process(["sleep", "0.1"], stdin=PIPE) as process:
            assert process.stdin is not None
            with pytest.raises(giambio.BrokenResourceError):
                await process.stdin.send_all(bytes(10 << 20))

    run(main)


@pytest.mark.parametrize("end", ["stdin", "stdout"])
def test_closing_a_pipe_ends_who_waits_on_it(run: Run, end: str) -> None:
    async def main() -> None:
        async with await giambio.open_process(SLEEP, stdin=PIPE, stdout=PIPE) as process:
            pipe: Any = getattr(process, end)

            async def use() -> object:
                try:
                    if end == "stdout":
                        return await pipe.receive()
                    return await pipe.send_all(bytes(1 << 20))
                except Exception as exc:
                    return exc

            async with giambio.TaskManager() as manager:
                task = await manager.spawn(use)
                await giambio.sleep(0.01)
                pipe.close()
            assert isinstance(task.result(), giambio.ClosedResourceError)
            pipe.close()
            assert pipe.fileno() == -1
            process.kill()

    run(main)


@pytest.mark.parametrize("end", ["stdin", "stdout"])
def test_two_tasks_at_one_end_are_a_mistake(run: Run, end: str) -> None:
    async def main() -> None:
        async with await giambio.open_process(SLEEP, stdin=PIPE, stdout=PIPE) as process:
            pipe: Any = getattr(process, end)

            async def use() -> None:
                await (pipe.receive() if end == "stdout" else pipe.send_all(bytes(1 << 20)))

            async with giambio.TaskManager() as manager:
                await manager.spawn(use)
                await giambio.sleep(0.01)
                with pytest.raises(giambio.BusyResourceError):
                    await use()
                manager.cancel()
            process.kill()

    run(main)


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_is_none(run: Run, size: int) -> None:
    async def main() -> None:
        async with await giambio.open_process(["true"], stdout=PIPE) as process:
            assert process.stdout is not None
            with pytest.raises(ValueError, match="from 1 up"):
                await process.stdout.receive(size)

    run(main)


# -- starting ------------------------------------------------------------------------------


def test_a_program_that_is_not_there(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await giambio.open_process(["/nonexistent/program"], stdin=PIPE, stdout=PIPE)
        with pytest.raises(FileNotFoundError):
            await giambio.open_process(["true"], cwd="/nonexistent/folder")
        with pytest.raises(PermissionError):
            await giambio.open_process(["/etc/passwd"])

    run(main)


def test_cancelled_before_the_start_nothing_is_started(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.open_process(["touch", str(tmp_path / "started")])
        assert scope.cancelled_caught

    run(main)
    assert not has_children()
    assert list(tmp_path.iterdir()) == []


def test_folder_environment_and_shell(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_process(
            'echo "$PWD $NAME"',
            shell=True,
            stdout=PIPE,
            cwd=tmp_path,
            env={**os.environ, "NAME": "value"},
        ) as process:
            assert process.stdout is not None
            assert await process.stdout.receive() == f"{tmp_path} value\n".encode()

    run(main)


def test_other_options_are_passed_on(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(SLEEP, start_new_session=True) as process:
            assert os.getsid(process.pid) == process.pid
            process.kill()
        reader, writer = os.pipe()
        command = python(f"import os; os.write({writer}, b'passed\\n')")
        async with await giambio.open_process(command, pass_fds=[writer]) as process:
            assert await process.wait() == 0
        assert os.read(reader, 10) == b"passed\n"
        os.close(reader)
        os.close(writer)

    run(main)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"command": "ls -l"}, TypeError, r'needs a list, such as \["ls", "-l"\]'),
        ({"command": ["ls"], "shell": True}, TypeError, "needs a line for the shell"),
        ({"command": ["ls"], "text": True}, TypeError, "wrap one in giambio.TextStream"),
        ({"command": ["ls"], "encoding": "utf-8"}, TypeError, "takes no encoding="),
        ({"command": ["ls"], "bufsize": 1}, TypeError, "takes no bufsize="),
        ({"command": ["ls"], "colour": 1}, TypeError, "unexpected keyword argument 'colour'"),
        (
            {"command": ["ls"], "terminate_timeout": -1},
            ValueError,
            "seconds from 0 up for terminate_timeout, not -1",
        ),
        ({"command": ["ls"], "terminate_timeout": "1"}, TypeError, "terminate_timeout"),
        ({"command": []}, ValueError, "at least the program in it; this one is empty"),
        ({"command": ["ls", 1]}, TypeError, r"str, bytes or paths, not 1; .* str\(\.\.\.\)"),
        ({"command": None}, TypeError, r'needs a list, such as \["ls", "-l"\], not None'),
        ({"command": 5}, TypeError, r'needs a list, such as \["ls", "-l"\], not 5'),
        ({"command": {"ls"}}, TypeError, r"needs a list, such as .* not \{'ls'\}"),
    ],
)
def test_mistakes_are_explained(
    run: Run, arguments: dict[str, Any], error: Any, message: str
) -> None:
    async def main() -> None:
        with pytest.raises(error, match=message):
            await giambio.open_process(**arguments)

    run(main)


def test_its_operations_are_checkpoints(run: Run) -> None:
    """Rule 4.1: also those that need not wait."""

    async def main() -> None:
        with assert_checkpoints():
            process = await giambio.open_process(["cat"], stdin=PIPE, stdout=PIPE)
        async with process:
            assert process.stdin is not None
            assert process.stdout is not None
            with assert_checkpoints():
                await process.stdin.send_all(b"hello")
            with assert_checkpoints():
                await process.stdin.send_all(b"")
            with assert_checkpoints():
                await process.stdin.close()
            with assert_checkpoints():
                await process.stdout.receive()
            with assert_checkpoints():
                await process.wait()
            with assert_checkpoints():
                await process.wait()
            with assert_checkpoints():
                await process.aclose()

    run(main)


def test_a_forgotten_await_warns(run: Run) -> None:
    async def main() -> None:
        with pytest.warns(RuntimeWarning, match=r"open_process\(\) was never awaited"):
            giambio.open_process(["true"])

    run(main)


def test_its_repr(run: Run) -> None:
    async def main() -> None:
        async with await giambio.open_process(["cat"], stdin=PIPE) as process:
            assert repr(process) == f"<giambio.Process {process.pid} running: ['cat']>"
            assert repr(process.stdin).startswith("<giambio.PipeSendStream descriptor ")
        assert repr(process) == f"<giambio.Process {process.pid} ended: ['cat']>"
        assert repr(process.stdin) == "<giambio.PipeSendStream closed>"

    run(main)


# -- out of descriptors ----------------------------------------------------------------------


def test_without_descriptors_nothing_is_started_and_nothing_leaks(run: Run) -> None:
    """Rule 15.18: at each of the places where a descriptor is needed."""
    failures: set[int] = set()

    async def main() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # What is made once, and stays, is made before.
        await giambio.run_process(["cat"], input=b"x", capture_stdout=True)
        used = {int(name) for name in os.listdir("/proc/self/fd")}
        first_free = min(set(range(max(used) + 2)) - used)
        succeeded = False
        for room in range(16):
            resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + room, hard))
            try:
                done = await giambio.run_process(["cat"], input=b"hello", capture_stdout=True)
            except OSError as exc:
                assert exc.errno == errno.EMFILE, exc
                failures.add(room)
            else:
                assert done.stdout == b"hello"
                succeeded = True
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert not has_children()
        assert succeeded

    run(main)
    assert failures


PROGRAM = """
import os, sys, giambio

async def main():
    process = await giambio.open_process(["sleep", "1000"])
    print(process.pid, flush=True)
    async with process:
        await giambio.sleep_forever()

giambio.run(main, driver=sys.argv[1])
"""


def test_ctrl_c_ends_the_programs(driver: str) -> None:
    """Also those that a terminal would not tell by itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, driver], stdout=PIPE, stderr=PIPE, text=True
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LONG)
    assert "KeyboardInterrupt" in errors
    assert not lives(pid)
