"""Ctrl-C and stop signals, in real processes with real signals.

The child process prints a line when it has reached the place where a signal is
wanted, and the test sends it then; the pipe is all the synchronisation there is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import giambio
from support.signals import handler_refused

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="signals cannot be sent to another process there"
)

LONG = 30

PRELUDE = """
import signal, sys, threading, time
import giambio

driver = sys.argv[1]

def say(*words):
    print(*words, flush=True)

def outcome(main, **options):
    try:
        say("returned", giambio.run(main, driver=driver, **options))
    except BaseException as exc:
        say("raised", type(exc).__name__, type(exc.__context__).__name__)
    say("handler restored", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    say("descriptor restored", signal.set_wakeup_fd(-1) == -1)
"""


class Child:
    """A program under test, and the lines it prints."""

    def __init__(self, program: str, driver: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PRELUDE + program, driver],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def expect(self, line: str) -> None:
        """Read the next line, which must be this one."""
        assert self.process.stdout is not None
        read = self.process.stdout.readline().rstrip("\n")
        if read != line:
            self.process.kill()
            rest, errors = self.process.communicate()
            pytest.fail(f"expected {line!r}, got {read!r}; then: {rest}\n{errors}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[list[str], str]:
        """What else it prints, and its errors."""
        rest, errors = self.process.communicate(timeout=LONG)
        return rest.splitlines(), errors


@contextmanager
def child(program: str, driver: str) -> Iterator[Child]:
    """Run a program in a process of its own."""
    child = Child(program, driver)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate()


RESTORED = ["handler restored True", "descriptor restored True"]


def test_ctrl_c_in_a_wait_cancels_the_main_task(driver: str) -> None:
    """Rule 12.4: the first SIGINT cancels the main task."""
    program = """
async def main():
    try:
        say("waiting")
        await giambio.sleep_forever()
    except giambio.CancelledError as exc:
        say("cancelled", exc.reason)
        raise
    finally:
        with giambio.CancelScope(shield=True):
            await giambio.sleep(0.001)
            say("cleaned up")
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[:2] == ["cancelled Ctrl-C", "cleaned up"]
    assert lines[2].startswith("raised KeyboardInterrupt")
    assert lines[3:] == RESTORED
    assert errors == ""


@pytest.mark.usefixtures("in_turn")
def test_ctrl_c_cancels_the_tasks_of_the_main_task(driver: str) -> None:
    """Rule 12.4: cancels the main task, lets every `finally` run."""
    program = """
async def child(number):
    try:
        await giambio.sleep_forever()
    finally:
        say("finally", number)

async def main():
    async with giambio.TaskManager() as manager:
        for number in range(3):
            await manager.spawn(child, number)
        await giambio.checkpoint()
        await giambio.checkpoint()
        say("waiting")
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[:3] == ["finally 0", "finally 1", "finally 2"]
    assert lines[3].startswith("raised KeyboardInterrupt")
    assert errors == ""


def test_ctrl_c_in_a_computation_is_noticed_at_the_next_checkpoint(driver: str) -> None:
    """Rule 12.4: the first SIGINT cancels the main task."""
    program = """
async def main():
    say("computing")
    while signal.getsignal(signal.SIGINT).__self__.count == 0:
        pass
    say("noticed by nobody")
    await giambio.checkpoint()
    await giambio.checkpoint()
    say("not reached")
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("computing")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[0] == "noticed by nobody"
    assert lines[1].startswith("raised KeyboardInterrupt")
    assert lines[2:] == RESTORED
    assert errors == ""


def test_a_second_ctrl_c_ends_a_computation(driver: str) -> None:
    """Rule 12.5: the second raises `KeyboardInterrupt` in the running user frame."""
    program = """
def compute():
    say("computing")
    handler = signal.getsignal(signal.SIGINT)
    while handler.__self__.count == 0:
        pass
    try:
        say("computing on")
        while True:
            pass
    except KeyboardInterrupt:
        say("interrupted in its own frame")
        raise

async def main():
    compute()
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("computing")
        process.send(signal.SIGINT)
        process.expect("computing on")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[0] == "interrupted in its own frame"
    assert lines[1].startswith("raised KeyboardInterrupt")
    assert lines[2:] == RESTORED
    assert errors == ""


def test_a_second_ctrl_c_ends_a_clean_up_that_waits(driver: str) -> None:
    """Rule 12.5: between two steps, if giambio's code is running."""
    program = """
async def main():
    try:
        say("waiting")
        await giambio.sleep_forever()
    finally:
        with giambio.CancelScope(shield=True):
            try:
                giambio.current_loop().call_soon(say, "cleaning up")  # when this task waits
                await giambio.sleep_forever()
            except GeneratorExit:
                say("closed")
                raise
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        process.expect("cleaning up")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[0] == "closed"
    assert lines[1].startswith("raised KeyboardInterrupt")
    assert lines[2:] == RESTORED
    assert errors == ""


def test_a_second_ctrl_c_closes_children_first(driver: str) -> None:
    """Rule 12.6: a second one does not wait; nothing warns, nothing stays open."""
    program = """
async def child():
    with giambio.CancelScope(shield=True):
        try:
            say("waiting")
            await giambio.sleep_forever()
        finally:
            say("child closed")

async def main():
    try:
        async with giambio.TaskManager(limit=1) as manager:
            await manager.spawn(child)
            try:
                await manager.spawn(child())   # waits for a place
            finally:
                giambio.current_loop().call_soon(say, "cancelled")  # when this task waits
    finally:
        say("main closed")
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        process.expect("cancelled")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[:2] == ["child closed", "main closed"]
    assert lines[2].startswith("raised KeyboardInterrupt")
    assert lines[3:] == RESTORED
    assert errors == ""


def test_a_spawn_that_waits_for_a_place_is_closed_quietly(driver: str) -> None:
    """Rules 9.7, 7.6: the coroutine of a spawn that did not happen is closed."""
    program = """
async def never():
    pass

async def child():
    with giambio.CancelScope(shield=True):
        await giambio.sleep_forever()

async def main():
    with giambio.CancelScope(shield=True):
        async with giambio.TaskManager(limit=1) as manager:
            await manager.spawn(child)
            say("waiting")
            await manager.spawn(never())
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        process.send(signal.SIGINT)
        # Two equal signals may arrive as one; a third one makes it two at least.
        while process.process.poll() is None:
            process.send(signal.SIGINT)
            try:
                process.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        _, errors = process.end()
    assert "never awaited" not in errors


SWALLOWS = """
async def main():
    try:
        say("waiting")
        await giambio.sleep_forever()
    except giambio.CancelledError:
        return "swallowed"
outcome(main)
"""
LETS_PASS = """
async def main():
    say("waiting")
    await giambio.sleep_forever()
outcome(main)
"""


@pytest.mark.parametrize("program", [SWALLOWS, LETS_PASS], ids=["swallows", "lets it pass"])
def test_start_ends_in_keyboard_interrupt_and_nothing_else(driver: str, program: str) -> None:
    """Rule 12.7: whether main has returned, or its cancellation has ended it."""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines == ["raised KeyboardInterrupt NoneType", *RESTORED]
    assert errors == ""


def test_other_errors_are_the_context_of_the_keyboard_interrupt(driver: str) -> None:
    """Rule 12.7: other errors in its `__context__`."""
    program = """
async def main():
    try:
        say("waiting")
        await giambio.sleep_forever()
    finally:
        raise ZeroDivisionError
outcome(main)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines == ["raised KeyboardInterrupt ZeroDivisionError", *RESTORED]
    assert errors == ""


def test_a_stop_signal_stops_the_main_task_softly(driver: str) -> None:
    """Rule 12.8: the first one stops; what the main task returns is returned."""
    program = """
async def main():
    with giambio.cancel_on_stop() as scope:
        say("waiting")
        await giambio.sleep_forever()
    await giambio.checkpoint()
    return scope.reason, giambio.stopping()
outcome(main, stop_signals=(signal.SIGTERM,))
say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGTERM)
        lines, errors = process.end()
    assert lines == ["returned ('SIGTERM', True)", *RESTORED, "True"]
    assert errors == ""
    assert process.process.returncode == 0


def test_a_second_stop_signal_cancels_the_main_task_with_a_reason(driver: str) -> None:
    """Rule 12.8: the second one cancels, with the signal's name as the reason."""
    program = """
async def main():
    say("waiting")
    await giambio.wait_stopping()
    say("stopping")
    try:
        await giambio.sleep_forever()
    except giambio.CancelledError as exc:
        return exc.reason
outcome(main, stop_signals=(signal.SIGTERM, signal.SIGUSR1), grace=float("inf"))
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGTERM)
        process.expect("stopping")
        process.send(signal.SIGUSR1)
        lines, errors = process.end()
    assert lines == ["returned SIGUSR1", *RESTORED]
    assert errors == ""


@pytest.mark.parametrize("grace", [0, 0.05])
def test_a_main_task_that_lets_the_stop_signal_pass(driver: str, grace: float) -> None:
    """Rule 12.9: the run returns None when the grace is over; no traceback, exit code 0."""
    program = f"""
async def main():
    say("waiting")
    try:
        await giambio.sleep_forever()
    finally:
        say("cleaned up")
say(giambio.run(main, driver=driver, stop_signals=[signal.SIGTERM], grace={grace}))
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGTERM)
        lines, errors = process.end()
    assert lines == ["cleaned up", "None"]
    assert errors == ""
    assert process.process.returncode == 0


def test_an_error_after_a_stop_signal_is_raised(driver: str) -> None:
    """Rule 12.9: None is returned only if nothing but that cancellation has left `main`."""
    program = """
async def main():
    say("waiting")
    try:
        await giambio.sleep_forever()
    finally:
        raise ZeroDivisionError
outcome(main, stop_signals=[signal.SIGTERM], grace=0)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGTERM)
        lines, _ = process.end()
    assert lines[0].startswith("raised ZeroDivisionError")


def test_another_cancellation_of_the_main_task_is_no_stop(run: Run) -> None:
    """Rule 12.9: then there is no value to return, and that is an error."""

    async def main() -> None:
        signal.raise_signal(signal.SIGTERM)
        await giambio.wait_stopping()
        giambio.current_task().cancel("something else")
        await giambio.checkpoint()

    with pytest.raises(giambio.TaskCancelled, match="something else"):
        run(main, stop_signals=[signal.SIGTERM])


def test_a_stop_signal_after_a_cancellation_changes_nothing(run: Run) -> None:
    """Rule 12.9: the main task was cancelled for another reason."""

    async def main() -> None:
        giambio.current_task().cancel("something else")
        signal.raise_signal(signal.SIGTERM)
        with giambio.CancelScope(shield=True):
            await giambio.sleep(0.01)
        await giambio.checkpoint()

    with pytest.raises(giambio.TaskCancelled, match="something else"):
        run(main, stop_signals=[signal.SIGTERM], grace=0)


def test_ctrl_c_does_not_wait_for_the_grace_of_a_stop_signal(driver: str) -> None:
    """Rule 12.4: the first Ctrl-C cancels the main task."""
    program = """
async def main():
    say("waiting")
    await giambio.wait_stopping()
    say("stopping")
    await giambio.sleep_forever()
outcome(main, stop_signals=[signal.SIGTERM], grace=float("inf"))
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGTERM)
        process.expect("stopping")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines[0].startswith("raised KeyboardInterrupt")
    assert lines[1:] == RESTORED
    assert errors == ""


@pytest.mark.parametrize(("grace", "error"), [(-1, ValueError), ("5", TypeError)])
def test_the_grace_of_a_run_is_a_number_of_seconds(
    run: Run, grace: Any, error: type[Exception]
) -> None:
    """Rule 19.6: a number that is none is a mistake, also where no signal will come."""
    with pytest.raises(error, match=r"^run\(\) needs .* grace"):
        run(giambio.checkpoint, grace=grace)


def test_a_stop_signal_whose_handler_is_not_pythons(driver: str) -> None:
    """Python cannot put it back; the run ends all the same."""
    program = """
import faulthandler
async def main():
    say("waiting")
    await giambio.sleep(0)
    return "done"
faulthandler.register(signal.SIGUSR1)
outcome(main, stop_signals=[signal.SIGUSR1])
"""
    with child(program, driver) as process:
        lines, errors = process.end()
    assert lines[:2] == ["waiting", "returned done"]
    assert errors == ""


def test_sigint_as_a_stop_signal_is_no_keyboard_interrupt(driver: str) -> None:
    """A service that names SIGINT among its stop signals ends as it likes."""
    program = """
async def main():
    try:
        say("waiting")
        await giambio.sleep_forever()
    except giambio.CancelledError as exc:
        return exc.reason
outcome(main, stop_signals=(signal.SIGINT,), grace=0)
"""
    with child(program, driver) as process:
        process.expect("waiting")
        process.send(signal.SIGINT)
        lines, errors = process.end()
    assert lines == ["returned SIGINT", *RESTORED]
    assert errors == ""


def test_the_handler_is_installed_only_over_pythons_default_one(run: Run) -> None:
    """Rule 12.2: only over Python's default one."""
    seen: list[int] = []

    def mine(number: int, frame: object) -> None:
        seen.append(number)

    async def main() -> str:
        assert signal.getsignal(signal.SIGINT) is mine
        signal.raise_signal(signal.SIGINT)
        await giambio.checkpoint()
        return "not interrupted"

    previous = signal.signal(signal.SIGINT, mine)
    try:
        assert run(main) == "not interrupted"
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, previous)
    assert seen == [signal.SIGINT]


def test_an_ignored_sigint_stays_ignored(run: Run) -> None:
    """Rule 12.2: only over Python's default one."""

    async def main() -> None:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run(main)
    finally:
        signal.signal(signal.SIGINT, previous)


def test_the_handler_is_restored(run: Run) -> None:
    """Rule 12.3: everything is restored."""

    async def main() -> None:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        raise ValueError("x")

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ValueError, match="x"):
        run(main)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1


def test_the_wakeup_descriptor_of_another_library_is_restored(run: Run) -> None:
    """Rule 12.3: everything is restored."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    async def main() -> None:
        await giambio.checkpoint()

    previous = signal.set_wakeup_fd(writer)
    try:
        run(main)
        assert signal.set_wakeup_fd(previous) == writer
    finally:
        os.close(reader)
        os.close(writer)


def test_no_handler_outside_of_the_main_thread(run: Run) -> None:
    """Rule 12.1: the handler is installed only in the main thread."""
    handlers: list[object] = []

    async def main() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run, args=(main,))
    thread.start()
    thread.join(LONG)
    assert handlers == [signal.default_int_handler]


def test_stop_signals_outside_of_the_main_thread_are_an_error(run: Run) -> None:
    problems: list[BaseException] = []

    async def main() -> None:
        pytest.fail("not reached")

    def thread() -> None:
        try:
            run(main, stop_signals=(signal.SIGTERM,))
        except BaseException as exc:
            problems.append(exc)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join(LONG)
    assert [str(problem) for problem in problems] == [
        "stop_signals= works only in the main thread of the main interpreter"
    ]


NOT_ITERABLE = r"^stop_signals= needs an iterable of signals, such as \[signal\.SIGTERM\], not "
NOT_A_SIGNAL = r"^stop_signals= needs signals such as signal\.SIGTERM, not "


@pytest.mark.parametrize(
    ("value", "problem", "message"),
    [
        (5, TypeError, NOT_ITERABLE),
        (signal.SIGTERM, TypeError, NOT_ITERABLE),
        ("SIGTERM", TypeError, NOT_ITERABLE),
        (None, TypeError, NOT_ITERABLE),
        (["SIGTERM"], TypeError, NOT_A_SIGNAL),
        ([None], TypeError, NOT_A_SIGNAL),
        ([True], TypeError, NOT_A_SIGNAL),
        ([15.0], TypeError, NOT_A_SIGNAL),
        (b"\x0f", TypeError, NOT_ITERABLE),
        ([1000], ValueError, "^stop_signals=: this system has no signal 1000"),
        ([signal.SIGTERM, 9], ValueError, "^stop_signals=: no program can catch SIGKILL"),
    ],
)
def test_stop_signals_are_an_iterable_of_signals(
    run: Run, value: Any, problem: type[Exception], message: str
) -> None:
    """Rule 19.1: the mistake is named before anything is begun."""

    async def main() -> None:
        pytest.fail("not reached")

    with pytest.raises(problem, match=message):
        run(main, stop_signals=value)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stop_signal_that_the_system_refuses_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        pytest.fail("not reached")

    with handler_refused(signal.SIGUSR2):
        run(main, stop_signals=(signal.SIGTERM, signal.SIGUSR2))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_keyboard_interrupt_raised_by_a_task_leaves_as_itself(run: Run) -> None:
    """Rule 8.5: one alone leaves as itself."""

    async def interrupting() -> None:
        raise KeyboardInterrupt("by hand")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(interrupting)

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        run(main)
