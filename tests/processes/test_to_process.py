"""`to_process`: functions in other processes, and the end of these processes."""

from __future__ import annotations

import errno
import gc
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.processes import worker_pool
from giambio.testing import VirtualClock, assert_checkpoints
from support import workers as functions
from support.net import outcome, turns
from support.processes import has_children, lives, no_child_is_left, watch
from support.threads import LONG, until, wait_until

Run = Callable[..., Any]

__all__ = ["no_child_is_left", "watch"]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="to_process() needs a POSIX system for now"),
    pytest.mark.usefixtures("no_child_is_left"),
]


# -- calling -------------------------------------------------------------------------------


def test_it_runs_in_another_process(run: Run) -> None:
    pid = run(giambio.to_process, os.getpid)
    assert pid != os.getpid()
    assert not lives(pid)


def test_results_and_arguments_of_many_kinds(run: Run) -> None:
    async def main() -> None:
        assert await giambio.to_process(math.factorial, 20) == math.factorial(20)
        for value in (None, b"", (), StopIteration(3), ValueError("a value"), {"a": [1.5]}):
            assert repr(await giambio.to_process(functions.echo, value)) == repr(value)
        assert await giambio.to_process(partial(int, base=2), "101") == 5

    run(main)


def test_large_arguments_and_results(run: Run) -> None:
    data = random.Random(1).randbytes(20 << 20)

    async def main() -> None:
        assert await giambio.to_process(functions.echo, data) == data

    run(main)


def test_a_process_is_used_again(run: Run) -> None:
    """Rule 13.10: a pool, whose processes are used again."""

    async def main() -> None:
        first, _ = await giambio.to_process(functions.count_calls)
        for number in range(2, 20):
            assert await giambio.to_process(functions.count_calls) == (first, number)

    run(main)


def test_several_processes_at_once(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(4)
        async with giambio.TaskManager() as manager:
            call = partial(giambio.to_process, functions.count_calls, limiter=limiter)
            tasks = [await manager.spawn(call) for _ in range(40)]
        pids = {task.result()[0] for task in tasks}
        assert 1 <= len(pids) <= 4
        assert limiter.borrowed_tokens == 0

    run(main)


def test_the_default_limiter_has_a_token_for_each_processor(run: Run) -> None:
    async def main() -> None:
        limiter = giambio.current_default_process_limiter()
        assert limiter.total_tokens == len(os.sched_getaffinity(0))
        assert giambio.current_default_process_limiter() is limiter

    run(main)


def test_the_loop_goes_on_and_no_thread_is_started(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        before = set(giambio.build_info().threads)  # idle ones of other tests
        async with giambio.TaskManager() as manager:
            path = tmp_path / "pid"
            task = await manager.spawn(
                giambio.to_process, functions.write_and_sleep, str(path), 0.05
            )
            await until(path.exists)
            assert not task.done()
        assert task.result() == "slept"
        assert set(giambio.build_info().threads) <= before

    run(main, threads=False)


def test_a_function_may_have_processes_of_its_own(run: Run) -> None:
    assert run(giambio.to_process, functions.loop_of_its_own, -5) == 5


def test_waiting_for_a_process_is_no_deadlock_and_an_idle_one_hides_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 11.6: a job in a process."""
    monkeypatch.setattr(worker_pool, "IDLE_SECONDS", 0.1)

    async def main() -> None:
        assert await giambio.to_process(functions.write_and_sleep, str(tmp_path / "x"), 0.5)
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_virtual_time_stands_still_meanwhile(run: Run) -> None:
    async def main() -> None:
        with giambio.fail_after(1):
            await giambio.to_process(time.sleep, 0.05)
        assert giambio.current_time() == 0

    run(main, clock=VirtualClock())


def test_it_is_a_checkpoint(run: Run) -> None:
    async def main() -> None:
        with assert_checkpoints():
            await giambio.to_process(int)

    run(main)


# -- what functions raise --------------------------------------------------------------------


def test_an_exception_comes_with_its_traceback_there(run: Run) -> None:
    """The traceback there is told as text."""

    async def main() -> None:
        with pytest.raises(ValueError, match="far away") as caught:
            await giambio.to_process(functions.fail, "far away")
        text = str(caught.value.__cause__)
        assert "in fail\n" in text
        assert "in deeper\n" in text
        assert "worker.py" not in text
        assert await giambio.to_process(abs, -1) == 1

    run(main)


def test_what_belongs_to_an_exception_comes_along(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(functions.Friendly) as caught:
            await giambio.to_process(functions.fail_with, "friendly")
        assert caught.value.code == 7
        assert caught.value.__notes__ == ["a note"]
        with pytest.raises(ValueError, match="the effect") as effect:
            await giambio.to_process(functions.fail_with, "caused")
        assert "the cause" in str(effect.value.__cause__)

    run(main)


@pytest.mark.parametrize(
    ("kind", "words"), [("picky", "Picky: 1 and 2"), ("local", "Local: local")]
)
def test_an_exception_that_cannot_travel_is_described(run: Run, kind: str, words: str) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=words) as caught:
            await giambio.to_process(functions.fail_with, kind)
        assert "in fail_with" in str(caught.value.__cause__)

    run(main)


@pytest.mark.parametrize(
    ("kind", "error"), [("exit", SystemExit), ("interrupt", KeyboardInterrupt)]
)
def test_also_one_that_would_end_a_program(run: Run, kind: str, error: type[BaseException]) -> None:
    async def main() -> None:
        with pytest.raises(error):
            await giambio.to_process(functions.fail_with, kind)
        assert await giambio.to_process(abs, -1) == 1

    run(main)


# -- mistakes ------------------------------------------------------------------------------


def not_found() -> None:
    """This module is not found by its name in another process; see `conftest`."""


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda: None, ()),
        (abs, (lambda: None,)),
        (open(os.devnull).read, ()),  # noqa: SIM115
    ],
    ids=["lambda", "argument", "file"],
)
def test_what_cannot_be_sent_is_refused_at_the_call(
    run: Run, function: Any, args: tuple[Any, ...]
) -> None:
    """Rule 19.1: an error at the call, not in the process."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"must be found by its name in a module \(no lambda"):
            giambio.to_process(function, *args)

    run(main)
    gc.collect()


def test_a_local_function_is_refused_at_the_call() -> None:
    def local() -> None:
        pass

    with pytest.raises(TypeError, match="no function inside of another one"):
        giambio.to_process(local)


def test_a_result_that_cannot_be_sent_says_so(run: Run) -> None:
    async def main() -> None:
        message = r"what return_unpicklable\(\) returned cannot be sent back"
        with pytest.raises(TypeError, match=message):
            await giambio.to_process(functions.return_unpicklable)
        assert await giambio.to_process(abs, -1) == 1

    run(main)


def test_a_function_that_is_not_found_there_says_so(run: Run) -> None:
    """It is in a module that only this process has."""
    import types

    module = types.ModuleType("only_here")
    exec("def function(): pass", module.__dict__)
    sys.modules["only_here"] = module
    try:

        async def main() -> None:
            with pytest.raises(ModuleNotFoundError, match="only_here"):
                await giambio.to_process(module.function)

        run(main)
    finally:
        del sys.modules["only_here"]


def test_keywords_are_passed_on(run: Run) -> None:
    """Rule 13.13: to the function called in the process."""

    async def main() -> None:
        assert await giambio.to_process(int, "11", base=2) == 3

    run(main)


def test_an_async_function_is_told_so(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"is async: run it with giambio.run\(\)"):
            await giambio.to_process(functions.coroutine_function)

    run(main)


@pytest.mark.parametrize("what", [None, 3])
def test_what_cannot_be_called_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="without the parentheses"):
        giambio.to_process(what)


def test_another_limiter_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needs a giambio.CapacityLimiter, not 3"):
        giambio.to_process(int, limiter=3)  # type: ignore[call-arg]


def test_a_forgotten_await_warns(run: Run) -> None:
    async def main() -> None:
        with pytest.warns(RuntimeWarning, match="coroutine 'to_process' was never awaited"):
            giambio.to_process(int)  # type: ignore[unused-coroutine]

    run(main)


# -- processes that die ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("exit", 3, "ended with exit code 3"),
        ("SIGSEGV", -signal.SIGSEGV, "was killed by SIGSEGV"),
        ("SIGKILL", -signal.SIGKILL, "was killed by SIGKILL"),
        ("hang up", -signal.SIGKILL, "was killed by SIGKILL"),
    ],
)
def test_a_process_that_dies_in_the_middle(run: Run, how: str, code: int, words: str) -> None:
    """Rule 13.12: the worker process is killed."""

    async def main() -> None:
        with pytest.raises(giambio.BrokenWorkerProcess, match=words) as caught:
            await giambio.to_process(functions.die, how)
        assert caught.value.returncode == code
        assert await giambio.to_process(abs, -1) == 1

    run(main)


@pytest.mark.parametrize("waiting_for", ["the reply", "room for the request"])
def test_a_process_that_dies_and_leaves_a_child(
    run: Run, tmp_path: Path, watch: str, waiting_for: str
) -> None:
    """What a worker has forked holds its pipes open; it is dead nevertheless."""
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)

    async def main() -> None:
        if waiting_for == "the reply":
            with pytest.raises(giambio.BrokenWorkerProcess, match="was killed by SIGKILL"):
                await giambio.to_process(functions.leave_a_child_and_die, fifo)
            return
        pid = await giambio.to_process(functions.leave_a_child, fifo)
        os.kill(pid, signal.SIGSTOP)  # so that it takes nothing
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(outcome, giambio.to_process, len, bytes(1 << 20))
            await turns()
            os.kill(pid, signal.SIGKILL)
        assert str(task.result()).endswith("was killed by SIGKILL in the middle of a call")

    with open(fifo, "rb+", buffering=0):  # closed, it ends the child
        run(main)


def test_a_process_that_died_while_it_was_idle_is_replaced(run: Run) -> None:
    async def main() -> None:
        pid = await giambio.to_process(os.getpid)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not lives(pid))
        assert await giambio.to_process(os.getpid) != pid

    run(main)


def test_without_descriptors_nothing_is_started_and_nothing_leaks(run: Run) -> None:
    failures: set[int] = set()

    async def main() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with giambio.move_on_after(0.01):
            await giambio.run_process(["sleep", "1"])  # what is made once is made before
        used = {int(name) for name in os.listdir("/proc/self/fd")}
        first_free = min(set(range(max(used) + 2)) - used)
        for room in range(12):
            resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + room, hard))
            try:
                assert await giambio.to_process(abs, -1) == 1
            except OSError as exc:
                assert exc.errno == errno.EMFILE
                failures.add(room)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            if room in failures:
                assert not has_children()
        assert giambio.current_default_process_limiter().borrowed_tokens == 0

    run(main)
    assert failures == set(range(len(failures)))
    assert failures


# -- cancellation --------------------------------------------------------------------------


def test_cancellation_kills_the_process(run: Run, tmp_path: Path) -> None:
    """Rule 13.10: cancellation that kills."""
    path = tmp_path / "pid"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(
                giambio.to_process, functions.write_and_sleep, str(path), 1000
            )
            await until(lambda: path.exists() and path.read_text())
            task.cancel()
        assert task.cancelled()
        assert not lives(int(path.read_text()))
        assert giambio.current_default_process_limiter().borrowed_tokens == 0

    run(main)


def test_also_one_that_lets_nobody_else_run(run: Run, tmp_path: Path) -> None:
    """Rule 13.10: one that never releases the GIL."""
    path = tmp_path / "pid"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.to_process, functions.hold_the_interpreter, str(path))
            await until(lambda: path.exists() and path.read_text())
            manager.cancel()

    run(main)
    assert not lives(int(path.read_text()))


def test_what_may_not_be_cancelled_is_waited_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    got: list[str] = []

    async def child() -> None:
        call = partial(giambio.to_process, functions.write_and_sleep, cancellable=False)
        got.append(await call(str(path), 0.1))
        await giambio.checkpoint()
        got.append("not reached")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await until(path.exists)
            task.cancel()
        assert task.cancelled()

    run(main)
    assert got == ["slept"]


def test_cancelled_before_it_began_nothing_is_started(run: Run) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.to_process(int)
        assert scope.cancelled_caught
        assert not has_children()

    run(main)


@pytest.mark.parametrize("cancellable", [True, False])
def test_cancelled_at_any_moment_nothing_is_left(run: Run, cancellable: bool) -> None:
    """Rules 13.10, 5.5: cancelled at any moment: no zombie, no leak."""
    chance = random.Random(3)

    async def child(number: int, limiter: giambio.CapacityLimiter) -> None:
        with giambio.move_on_after(chance.random() * 0.1):
            result = await giambio.to_process(
                functions.echo,
                bytes(chance.randrange(300_000)),
                limiter=limiter,
                cancellable=cancellable,
            )
            assert isinstance(result, bytes)

    async def main() -> None:
        limiter = giambio.CapacityLimiter(3)
        async with giambio.TaskManager() as manager:
            for number in range(40):
                await manager.spawn(child, number, limiter)
        assert limiter.borrowed_tokens == 0
        assert await giambio.to_process(abs, -1) == 1

    run(main)


class Boom(BaseException):
    """Ends a loop from outside."""


def test_a_loop_that_is_interrupted_leaves_no_process(
    loop: giambio.EventLoop, tmp_path: Path
) -> None:
    path = tmp_path / "pid"

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            idle = await giambio.to_process(os.getpid)
            call = partial(giambio.to_process, functions.write_and_sleep, cancellable=False)
            await manager.spawn(call, str(path), 1000)
            await until(lambda: path.exists() and path.read_text())
            assert int(path.read_text()) == idle
            loop._stop_between_steps(Boom())
            await giambio.sleep_forever()

    with pytest.raises(Boom):
        loop.start(main)
    assert not lives(int(path.read_text()))


# -- their end -----------------------------------------------------------------------------


def test_they_end_with_the_loop_and_may_clean_up(run: Run, tmp_path: Path) -> None:
    """Rule 13.10: worker processes end with the loop."""
    path = tmp_path / "cleaned"
    pid = run(giambio.to_process, functions.touch_at_exit, str(path))
    assert not lives(pid)
    assert path.exists()


def test_one_that_does_not_want_to_end_is_killed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "GRACE", 0.05)

    async def main() -> int:
        import atexit

        pid = await giambio.to_process(os.getpid)
        await giambio.to_process(atexit.register, time.sleep, 1000)
        return pid

    before = time.monotonic()
    assert not lives(run(main))
    assert time.monotonic() - before < LONG


def test_they_end_when_they_are_idle(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 13.10: worker processes end when they have been idle."""
    monkeypatch.setattr(worker_pool, "IDLE_SECONDS", 0.05)
    path = tmp_path / "cleaned"

    async def main() -> None:
        pid = await giambio.to_process(functions.touch_at_exit, str(path))
        await until(lambda: not lives(pid))
        assert path.exists()
        assert await giambio.to_process(os.getpid) != pid

    run(main)


def test_a_loop_that_is_started_again_has_fresh_ones(loop: giambio.EventLoop) -> None:
    async def main() -> int:
        return await giambio.to_process(os.getpid)

    assert loop.start(main) != loop.start(main)
    assert not has_children()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_processes_alone(run: Run) -> None:
    async def main() -> None:
        first, _ = await giambio.to_process(functions.count_calls)
        pid = os.fork()
        if pid == 0:
            os._exit(0)  # here `after_fork` has run
        assert os.waitpid(pid, 0) == (pid, 0)
        assert await giambio.to_process(functions.count_calls) == (first, 2)

    run(main)


def test_what_functions_print_does_not_disturb(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """Output of the functions does not disturb the protocol."""

    async def main() -> None:
        for _ in range(3):
            assert await giambio.to_process(functions.chatter) == ""

    run(main)
    captured = capfd.readouterr()
    assert sorted(captured.out.split()) == ["printed"] * 3 + ["written"] * 3
    assert captured.err == "an error\n" * 3


def test_ctrl_c_is_the_owners_and_not_that_of_what_is_started_there(run: Run) -> None:
    assert run(giambio.to_process, functions.interrupts) == b"True"


# -- the main module -------------------------------------------------------------------------


def run_program(
    tmp_path: Path, program: str, *how: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    path = tmp_path / "program.py"
    path.write_text(program)
    return subprocess.run(
        [sys.executable, "-W", "error", *(how or [str(path)])],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        **options,
    )


GUARDED = """
import os, sys
import giambio

print("imported as", __name__, flush=True)

class Thing:
    def __init__(self, number):
        self.number = number

class Problem(Exception):
    pass

def double(thing):
    if thing.number < 0:
        raise Problem(f"negative, {sys.argv[1:]}")
    return Thing(thing.number * 2)

async def main():
    await giambio.to_process(os.getpid)
    print("no need so far", flush=True)
    thing = await giambio.to_process(double, Thing(21))
    print(type(thing) is Thing, thing.number, flush=True)
    try:
        await giambio.to_process(double, Thing(-1))
    except Problem as exc:
        print(exc)

if __name__ == "__main__":
    giambio.run(main)
"""
EXPECTED = """imported as __main__
no need so far
imported as __mp_main__
True 42
negative, {}
"""


def test_functions_and_classes_of_the_main_module(tmp_path: Path) -> None:
    """Functions of `__main__` work as multiprocessing's spawn has it."""
    done = run_program(tmp_path, GUARDED)
    assert (done.stdout, done.stderr) == (EXPECTED.format([]), "")


def test_a_main_module_that_was_given_by_its_name(tmp_path: Path) -> None:
    # From another folder, in which a relative PYTHONPATH would mean something else.
    env = {**os.environ, "PYTHONPATH": str(Path(giambio.__file__).parent.parent)}
    done = run_program(tmp_path, GUARDED, "-m", "program", "argument", cwd=tmp_path, env=env)
    assert (done.stdout, done.stderr) == (EXPECTED.format(["argument"]), "")


def test_a_main_module_without_a_file_says_what_to_do(tmp_path: Path) -> None:
    program = (
        "import giambio\ndef f(): pass\n"
        "try: giambio.run(giambio.to_process, f)\nexcept TypeError as exc: print(exc)"
    )
    done = run_program(tmp_path, "", "-c", program)
    assert "define it in a module of its own" in done.stdout, done.stderr


def test_a_program_without_a_guard_is_told_so(tmp_path: Path) -> None:
    """No import of user main guarded code twice surprises."""
    program = """
import giambio

def f():
    return 1

print(giambio.run(giambio.to_process, f))
"""
    done = run_program(tmp_path, program)
    assert done.returncode == 1
    assert 'put what is to run only once behind `if __name__ == "__main__":`' in done.stderr


# -- the program ends ------------------------------------------------------------------------

ENDING = """
import os, sys, time
import giambio

async def main():
    async with giambio.TaskManager() as manager:
        print(await giambio.to_process(os.getpid), flush=True)
        await manager.spawn(giambio.to_process, time.sleep, 1000)
        await giambio.sleep(0.2)
        {end}
        await giambio.sleep_forever()

if __name__ == "__main__":
    giambio.run(main)
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "raise SystemExit(0)", "os.kill(os.getpid(), 2)"])
def test_no_idle_process_outlives_the_program(tmp_path: Path, end: str) -> None:
    """Rule 13.10: none outlives the interpreter, however it exits."""
    program = ENDING.format(end=end)
    if end == "os._exit(0)":  # nobody can kill the busy one then; it ends after its call
        program = program.replace("time.sleep, 1000", "time.sleep, 0.5")
    done = run_program(tmp_path, program)
    pid = int(done.stdout)
    wait_until(lambda: not lives(pid))


def test_a_killed_program_leaves_no_process_either(tmp_path: Path) -> None:
    """Its processes notice that nobody will send them anything any more."""
    path = tmp_path / "program.py"
    path.write_text(
        ENDING.format(end="").replace("await manager.spawn", "0 and await manager.spawn")
    )
    process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate()
    wait_until(lambda: not lives(pid))


def test_several_interpreter_options_are_passed_on(tmp_path: Path) -> None:
    program = """
import sys
import giambio

def flags():
    return sys.flags.optimize, sys.warnoptions

if __name__ == "__main__":
    print(giambio.run(giambio.to_process, flags))
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    done = run_program(tmp_path, program, "-O", str(path))
    assert done.stdout == "(1, ['error'])\n", done.stderr
