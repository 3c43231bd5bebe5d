"""Deadlock detection (section 11 of the rules): an error with a tree, and never a false alarm.

The loop looks for a deadlock when nothing has happened for a twentieth of a second. So tests
against false alarms let several times that pass before they wake the task.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

import giambio
from giambio.threads.workers import run_in_worker
from support.kernel import garbage_that_calls

Run = Callable[..., Any]

#: Much longer than a loop looks on before it looks for a deadlock, in seconds.
LONG = 0.4


async def hold_one_want_other(
    mine: giambio.Lock, others: giambio.Lock, both: giambio.Barrier
) -> None:
    """One half of the classic: two locks, taken in different orders."""
    async with mine:
        await both.wait()
        async with others:
            raise AssertionError("nobody gets here")


async def two_locks() -> None:
    a, b, both = giambio.Lock(), giambio.Lock(), giambio.Barrier(2)
    async with giambio.TaskManager() as manager:
        await manager.spawn(hold_one_want_other, a, b, both, name="first")
        await manager.spawn(hold_one_want_other, b, a, both, name="second")


# -- what is raised --------------------------------------------------------------------


def test_two_tasks_that_wait_for_each_others_lock_are_a_deadlock(run: Run) -> None:
    """Rule 11.1: raised into the main task, and out of `start`."""
    with pytest.raises(giambio.DeadlockError):
        run(two_locks)


def test_the_message_shows_who_waits_where_for_what_and_who_holds_it(run: Run) -> None:
    """Rule 11.2: the tree of who waits on what."""
    with pytest.raises(giambio.DeadlockError) as caught:
        run(two_locks)
    lines = str(caught.value).splitlines()
    assert lines[0] == "every task waits for another one, and nothing else can wake any of them:"
    assert lines[1].endswith(
        "test_deadlocks.two_locks (1) waits for TaskManager.__aexit__() on "
        "<giambio.TaskManager open, 2 running>"
    )
    assert lines[3] == (
        "├── first (2) waits for Lock.acquire() on <giambio.Lock held by task 'second', 1 waiting>"
    )
    line = hold_one_want_other.__code__.co_firstlineno + 6
    assert lines[4] == f"│       {__file__}:{line} in hold_one_want_other"
    assert lines[5] == (
        "└── second (3) waits for Lock.acquire() on <giambio.Lock held by task 'first', 1 waiting>"
    )
    assert lines[6] == f"        {__file__}:{line} in hold_one_want_other"
    assert "giambio.external_wakeups()" in lines[-1]


def test_an_event_that_nobody_sets_is_a_deadlock(run: Run) -> None:
    """Rule 11.1: the run queue is empty, and nothing can fill it."""
    event = giambio.Event()
    with pytest.raises(giambio.DeadlockError, match=r"Event\.wait\(\) on <giambio\.Event not set"):
        run(event.wait)


def test_two_tasks_that_join_each_other_are_a_deadlock(run: Run) -> None:
    """Rule 11.1: each waits for the other one's end."""
    tasks: list[giambio.Task[None]] = []

    async def join(other: int) -> None:
        await tasks[other]

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks.append(manager.start_soon(join, 1, name="left"))
            tasks.append(manager.start_soon(join, 0, name="right"))

    with pytest.raises(giambio.DeadlockError, match=r"Task\.join\(\) on <giambio\.Task 'right'"):
        run(main)


def test_a_spawn_that_waits_for_a_place_nobody_gives_up_is_a_deadlock(run: Run) -> None:
    """Rule 11.1: a place that nobody gives up."""

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager(limit=1) as manager:
            await manager.spawn(event.wait)
            await manager.spawn(event.wait)

    with pytest.raises(giambio.DeadlockError, match=r"waits for TaskManager\.spawn\(\)"):
        run(main)


def test_a_start_whose_child_never_reports_is_a_deadlock(run: Run) -> None:
    """Rule 11.1: a child that never reports."""

    async def server(task_status: giambio.TaskStatus) -> None:
        await giambio.Event().wait()
        task_status.started()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(server)

    with pytest.raises(giambio.DeadlockError, match=r"waits for TaskManager\.start\(\)"):
        run(main)


def test_a_main_task_that_cannot_be_interrupted_is_a_deadlock_all_the_same(run: Run) -> None:
    """It waits in `start` for a task which is behind a shield, and joins the one who waits."""

    async def child(caller: giambio.Task[Any], *, task_status: giambio.TaskStatus) -> None:
        with giambio.CancelScope(shield=True):
            await caller

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(child, giambio.current_task())

    with pytest.raises(giambio.DeadlockError, match="every task waits for another one"):
        run(main)


def test_it_is_raised_at_the_main_tasks_await_and_no_frame_of_ours_shows(run: Run) -> None:
    """Rule 8.17: no frame of ours between the user's."""

    async def main() -> None:
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError) as caught:
        run(main)
    assert [entry.name for entry in caught.traceback][-1] == "main"


def test_a_main_task_that_catches_it_can_resolve_it_and_go_on(run: Run) -> None:
    """Rule 11.16: it is raised into the main task."""

    async def main() -> str:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            try:
                await giambio.Event().wait()
            except giambio.DeadlockError:
                event.set()
        return "resolved"

    assert run(main) == "resolved"


def test_a_shield_does_not_keep_it_out(run: Run) -> None:
    """Rule 11.16: shields notwithstanding."""

    async def main() -> None:
        with giambio.CancelScope(shield=True):
            await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_if_everything_parks_again_start_closes_the_children_first_and_raises(run: Run) -> None:
    """Rule 11.17: if everything parks again, `start` raises it itself."""
    closed = []

    async def stubborn(name: str) -> None:
        try:
            await giambio.Event().wait()
        finally:
            closed.append(name)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            with giambio.CancelScope(shield=True):
                await manager.spawn(shielded_wait, closed)
                try:
                    await stubborn("main")
                except giambio.DeadlockError:
                    await stubborn("main again")

    with pytest.raises(giambio.DeadlockError):
        run(main)
    assert closed == ["main", "child", "main again"]


async def shielded_wait(closed: list[str]) -> None:
    try:
        with giambio.CancelScope(shield=True):
            await giambio.Event().wait()
    finally:
        closed.append("child")


def test_it_cancels_the_children_that_let_themselves_be_cancelled(run: Run) -> None:
    """Rule 11.16: it comes out of the main task's block like any failure."""
    told = []

    async def child() -> None:
        try:
            await giambio.Event().wait()
        except giambio.CancelledError:
            told.append("cancelled")
            raise

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)

    with pytest.raises(giambio.DeadlockError):
        run(main)
    assert told == ["cancelled"]


def test_async_generators_that_wait_for_ever_when_closed_are_a_deadlock(run: Run) -> None:
    """Rule 11.17: also when the main task has ended."""
    kept = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await giambio.Event().wait()

    async def main() -> None:
        kept.append(generator())
        await anext(kept[0])

    with pytest.raises(giambio.DeadlockError, match=r"Event\.wait\(\)"):
        run(main)


def test_it_can_be_turned_off() -> None:
    """Rule 11.18: `detect_deadlocks=False` turns it off."""
    program = (
        "import giambio\n"
        "print('begin', flush=True)\n"
        "giambio.run(giambio.Event().wait, detect_deadlocks=False)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begin\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * LONG)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors.rstrip().endswith(b"KeyboardInterrupt")


def test_a_virtual_clock_does_not_hide_it(run: Run) -> None:
    """Rule 11.19: what a clock does is no matter."""

    class Jumping(giambio.Clock):
        time = 0.0

        def now(self) -> float:
            return self.time

        def wait_time(self, deadline: float) -> float:
            return 0.0

        def jump_to(self, deadline: float) -> None:
            self.time = deadline

    async def main() -> None:
        await giambio.sleep(1000)
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main, clock=Jumping())


# -- what keeps it quiet ------------------------------------------------------------------


def test_a_sleeping_task_keeps_it_quiet(run: Run) -> None:
    """Rule 11.4: an armed timer."""

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            await giambio.sleep(LONG)
            event.set()

    run(main)


def test_a_timer_of_call_later_keeps_it_quiet(run: Run) -> None:
    """Rule 11.4: an armed timer."""

    async def main() -> None:
        event = giambio.Event()
        giambio.current_loop().call_later(LONG, event.set)
        await event.wait()

    run(main)


def test_the_deadline_of_a_scope_keeps_it_quiet(run: Run) -> None:
    """Rule 11.4: an armed timer."""

    async def main() -> bool:
        with giambio.move_on_after(LONG) as scope:
            await giambio.Event().wait()
        return scope.cancelled_caught

    assert run(main)


@pytest.mark.parametrize("how", ["receive", "wait_readable"])
def test_a_task_parked_on_a_descriptor_keeps_it_quiet(run: Run, how: str) -> None:
    """Rule 11.5: a task parked on a descriptor."""
    writer = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep({LONG}); print('x')"],
        stdout=subprocess.PIPE,
    )

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            assert writer.stdout is not None
            if how == "wait_readable":
                await giambio.wait_readable(writer.stdout)
            else:
                left, right = socket.socketpair()
                with right, giambio.wrap_socket(left) as sock:
                    with giambio.move_on_after(60):  # its timer is gone before it waits
                        pass
                    reader = subprocess.Popen(
                        [sys.executable, "-c", f"import time; time.sleep({LONG}); print('x')"],
                        stdout=right.fileno(),
                    )
                    assert (await sock.receive()).startswith(b"x")
                    reader.wait()
            event.set()

    with writer:
        run(main)


def test_a_job_in_a_thread_keeps_it_quiet(run: Run) -> None:
    """Rule 11.6: a job in a thread."""

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            await run_in_worker("a test", time.sleep, LONG)
            event.set()

    run(main)


def test_an_idle_worker_thread_does_not_keep_it_quiet(run: Run) -> None:
    """Rule 11.11: giambio's idle workers do not count."""

    async def main() -> None:
        await run_in_worker("a test", int)
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_a_future_of_asyncios_keeps_it_quiet(run: Run) -> None:
    """Rule 11.9: a foreign park."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        complete = partial(loop.call_soon_threadsafe, future.set_result, "done")
        threading.Timer(LONG, complete).start()
        result: str = await future
        return result

    assert run(main) == "done"


def test_a_future_of_asyncios_alone_keeps_it_quiet(loop: giambio.EventLoop) -> None:
    """Rule 11.9: nobody knows who may end it."""

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    interrupted_after(LONG, lambda: loop.start(main))


def interrupted_after(seconds: float, function: Callable[[], object]) -> None:
    """Call what would go on for ever, and end it with Ctrl-C: that must be what ends it."""
    killer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, signal, time; time.sleep({seconds}); "
            f"os.kill({os.getpid()}, signal.SIGINT)",
        ]
    )
    with killer, pytest.raises(KeyboardInterrupt):
        function()


def test_sleep_forever_keeps_it_quiet(run: Run) -> None:
    """Rule 11.10: it says that it is meant."""
    interrupted_after(LONG, lambda: run(giambio.sleep_forever))


@pytest.mark.parametrize("how", ["threading", "_thread"])
def test_a_live_python_thread_keeps_it_quiet(run: Run, how: str) -> None:
    """Rule 11.11: a live Python thread."""

    async def main() -> None:
        event = giambio.Event()
        loop = giambio.current_loop()

        def thread() -> None:
            time.sleep(LONG)
            loop.call_soon_threadsafe(event.set)

        if how == "threading":
            threading.Thread(target=thread).start()
        else:
            _thread.start_new_thread(thread, ())
        await event.wait()

    run(main)


def test_a_thread_that_ends_without_a_word_ends_the_quiet(run: Run) -> None:
    """Rule 11.11: a dead thread wakes nobody."""

    async def main() -> None:
        threading.Thread(target=time.sleep, args=(LONG,)).start()
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_a_loop_in_another_thread_is_quiet_as_long_as_the_main_thread_lives(run: Run) -> None:
    """Rule 11.11: the main thread is a live thread as well."""
    loops: list[giambio.EventLoop] = []
    event = giambio.Event()
    waiting = threading.Event()

    async def main() -> None:
        loops.append(giambio.current_loop())
        waiting.set()
        await event.wait()

    thread = threading.Thread(target=run, args=(main,))
    thread.start()
    assert waiting.wait(10)
    time.sleep(LONG)
    loops[0].call_soon_threadsafe(event.set)
    thread.join(10)
    assert not thread.is_alive()


def test_external_wakeups_keeps_it_quiet(run: Run) -> None:
    """Rule 11.13: `with giambio.external_wakeups():`."""

    async def main() -> None:
        with giambio.external_wakeups():
            await giambio.Event().wait()

    interrupted_after(LONG, lambda: run(main))


def test_external_wakeups_that_is_left_keeps_nothing_quiet(run: Run) -> None:
    """Rule 11.13: only inside of the block."""

    async def main() -> None:
        with giambio.external_wakeups():
            await giambio.sleep(0)
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_external_wakeups_nests_and_refuses_to_be_entered_twice(run: Run) -> None:
    """Rule 19.1: entering it a second time is an error."""

    async def main() -> None:
        block = giambio.external_wakeups()
        with pytest.raises(RuntimeError, match="was not entered"):
            block.__exit__(None, None, None)
        with block, giambio.external_wakeups():
            with pytest.raises(RuntimeError, match="entered already"):
                block.__enter__()
            assert giambio.current_loop()._external == 2
        assert giambio.current_loop()._external == 0

    run(main)


def test_external_wakeups_outside_of_a_loop_says_so() -> None:
    """Rule 19.1: the error says what is missing."""
    with pytest.raises(RuntimeError, match="no giambio loop runs"), giambio.external_wakeups():
        pass


def test_a_signal_handler_of_the_program_keeps_it_quiet(run: Run) -> None:
    """Rule 11.8: a signal handler of the program's own may wake a task."""
    event = giambio.Event()
    loops: list[giambio.EventLoop] = []

    def handler(number: int, frame: object) -> None:
        loops[0].call_soon_threadsafe(event.set)

    async def main() -> None:
        loops.append(giambio.current_loop())
        await event.wait()

    previous = signal.signal(signal.SIGUSR1, handler)
    killer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, signal, time; time.sleep({LONG}); os.kill({os.getpid()}, signal.SIGUSR1)",
        ]
    )
    try:
        with killer:
            run(main)
    finally:
        signal.signal(signal.SIGUSR1, previous)


@pytest.mark.parametrize("signals", [(), (signal.SIGTERM,)])
def test_ctrl_c_and_stop_signals_do_not_keep_it_quiet(run: Run, signals: Any) -> None:
    """Rule 11.8: Ctrl-C and `stop_signals` do not count."""
    with pytest.raises(giambio.DeadlockError):
        run(giambio.Event().wait, stop_signals=signals)


def test_a_loop_driven_by_turns_is_left_alone(loop: giambio.EventLoop) -> None:
    """Rule 11.14: whoever drives it by turns may know better."""
    event = giambio.Event()
    task = loop.begin(event.wait)
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        loop.turn(0.02)
    assert not task.done()
    event.set()
    while not task.done():
        loop.turn(0.02)
    loop.end()


def test_a_finalizer_gets_its_chance_first(run: Run) -> None:
    """Rule 11.15: `gc.collect()` runs once first."""
    event = giambio.Event()

    async def main() -> None:
        with garbage_that_calls(event.set):
            await event.wait()

    run(main)


def test_a_busy_loop_is_not_asked(run: Run) -> None:
    """Rule 11.3: a loop that has work is not asked."""

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            await manager.spawn(event.wait)
            end = time.monotonic() + LONG
            while time.monotonic() < end:
                await giambio.checkpoint()
            event.set()

    run(main)


FORKS = """
    import os, threading
    import giambio

    def child():
        def wake():
            while not found:
                pass
            slept.wait(1)
            found[0].call_soon_threadsafe(event.set)

        async def wait():
            found.append(giambio.current_loop())
            await event.wait()

        slept, event, found = threading.Event(), giambio.Event(), []
        threading.Thread(target=wake).start()
        giambio.run(wait)
        print("woken", flush=True)

    async def main():
        begun.set()
        await giambio.to_thread(forked.wait)

    begun, forked = threading.Event(), threading.Event()
    thread = threading.Thread(target=giambio.EventLoop(slow_step=10).start, args=(main,))
    thread.start()
    begun.wait()
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    forked.set()
    thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_watchdog_of_before_a_fork_hides_no_thread_of_the_child() -> None:
    """Rule 11.11: its thread is not in the child, so nothing is to be left out for it."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORKS)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "woken\n", done.stderr
