"""The loop: its beginning and its end, turns from outside, callbacks, timers, threads, forks."""

from __future__ import annotations

import contextvars
import gc
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from conftest import open_descriptors
from giambio import drivers
from giambio.drivers.selectors import SelectorsDriver
from giambio.drivers.source import Source
from giambio.kernel import constants
from giambio.kernel.callbacks import Handle
from giambio.kernel.operation import Wait
from giambio.threads.workers import run_in_worker
from support.kernel import ManualClock, finish, turns
from support.threads import threads_since

Run = Callable[..., Any]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


# -- start ------------------------------------------------------------------------------


def test_start_returns_what_main_returned(loop: giambio.EventLoop) -> None:
    """Rule 1.1: it returns what `main` returned."""

    async def main(a: int, b: int) -> int:
        await giambio.checkpoint()
        return a + b

    assert loop.start(main, 1, 2) == 3


def test_start_raises_what_main_raised(loop: giambio.EventLoop) -> None:
    """Rule 1.1: it raises what `main` raised."""
    error = KeyError("main")

    async def main() -> None:
        await giambio.checkpoint()
        raise error

    with pytest.raises(KeyError) as caught:
        loop.start(main)
    assert caught.value is error


class FailingService:
    """A service of a loop that fails as the loop ends."""

    def loop_ended(self, forked: bool) -> None:
        raise OSError("the service failed")


class CountingService:
    """A service that counts the ends of the loop."""

    ends = 0

    def loop_ended(self, forked: bool) -> None:
        self.ends += 1


class FailingDriver(SelectorsDriver):
    """A driver of which one method fails as the loop ends, after it has done its work."""

    failing = ""

    def forget(self, source: Source) -> None:
        super().forget(source)
        if self.failing == "forget":
            raise OSError("forget failed")

    def close(self, forked: bool = False) -> None:
        super().close(forked)
        if self.failing == "close":
            raise OSError("close failed")


@pytest.mark.parametrize("fails", ["service", "forget", "close"])
def test_a_loop_whose_end_failed_has_let_go_of_everything_and_may_be_started_again(
    fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> str:
        await giambio.sleep(0)
        return "ran"

    monkeypatch.setattr(drivers, "create", lambda name: FailingDriver())
    monkeypatch.setattr(FailingDriver, "failing", fails)
    loop = giambio.EventLoop()
    if fails == "service":
        loop._services["failing"] = FailingService()
    counting = loop._services["counting"] = CountingService()
    before = open_descriptors()
    for ends in 1, 2:
        with pytest.raises(OSError, match=f"{fails} failed"):
            loop.start(main)
        assert open_descriptors() == before
        assert counting.ends == ends
        assert repr(loop) == "<giambio.EventLoop idle>"
    monkeypatch.setattr(FailingDriver, "failing", "")
    loop._services.pop("failing", None)
    assert loop.start(main) == "ran"
    loop.close()


def test_a_loop_may_be_started_again_after_it_has_finished(loop: giambio.EventLoop) -> None:
    """Rule 1.9: a loop may be started again after it has finished."""

    async def succeeds(number: int) -> int:
        await giambio.sleep(0)
        return number

    async def fails() -> None:
        raise KeyError("first run")

    assert [loop.start(succeeds, number) for number in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        loop.start(fails)
    assert loop.start(succeeds, 4) == 4


def test_a_run_begins_with_nothing_of_the_one_before(loop: giambio.EventLoop) -> None:
    called: list[str] = []

    async def first() -> None:
        loop.call_later(0, called.append, "timer of the first run")
        loop.call_soon(called.append, "callback of the first run")

    async def second() -> None:
        await giambio.sleep(0.01)
        await turns(5)

    loop.start(first)
    loop.start(second)
    assert called == []


def test_descriptors_are_opened_when_needed_and_released_after(driver: str) -> None:
    """Rule 1.8: none is opened before it is first needed, and `start` releases all."""
    before = open_descriptors()
    loop = giambio.EventLoop(driver=driver)
    assert open_descriptors() == before
    inside: set[int] = set()

    async def main() -> None:
        inside.update(open_descriptors())

    loop.start(main)
    assert inside - before
    assert open_descriptors() == before
    loop.close()


def test_waiting_leaves_no_descriptor_open(run: Run) -> None:
    """Rule 1.8: so a program that counts its own finds none that the loop opened meanwhile."""

    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            before = open_descriptors()
            await giambio.wait_writable(left)
            assert open_descriptors() == before
            process = await giambio.open_process([sys.executable, "-c", ""])
            await process.wait()
            assert open_descriptors() == before

    run(main)


def test_descriptors_are_released_when_main_or_the_loop_fails(loop: giambio.EventLoop) -> None:
    """Rule 1.8: also when the run fails."""
    before = open_descriptors()

    async def main() -> None:
        loop._stop_between_steps(KeyboardInterrupt())
        await giambio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    with pytest.raises(TypeError):
        loop.start(lambda: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError):
        loop.start(main, stop_signals=5)  # type: ignore[arg-type]
    assert open_descriptors() == before
    assert loop.start(giambio.sleep, 0) is None


def test_wrong_stop_signals_leave_nothing_behind(loop: giambio.EventLoop) -> None:
    async def main() -> None:
        raise AssertionError("must not run")

    for wrong in (5, ["SIGTERM"], [123456]):
        with pytest.raises((TypeError, ValueError, OSError)):
            loop.start(main, stop_signals=wrong)  # type: ignore[arg-type]
    errors: list[BaseException] = []

    def in_thread() -> None:
        try:
            loop.start(main, stop_signals=[signal.SIGTERM])
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])
    assert loop.start(giambio.sleep, 0) is None


def test_close_is_idempotent_and_final(loop: giambio.EventLoop) -> None:
    loop.close()
    loop.close()
    with pytest.raises(giambio.RunFinishedError, match="loop is closed"):
        loop.start(giambio.sleep, 0)


def test_an_exception_between_two_steps_closes_the_tasks_children_first(
    loop: giambio.EventLoop,
) -> None:
    """Rule 12.6: children first."""
    closed: list[str] = []

    async def closes(name: str) -> None:
        try:
            await giambio.sleep_forever()
        finally:
            closed.append(name)

    async def main() -> None:
        try:
            async with giambio.TaskManager() as manager:
                await manager.spawn(closes, "child")
                await turns(2)
                loop._stop_between_steps(KeyboardInterrupt())
                await giambio.sleep_forever()
        finally:
            closed.append("main")

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    assert closed == ["child", "main"]


async def waits() -> None:
    await giambio.checkpoint()


async def waits_in_a_shield() -> None:
    with giambio.CancelScope(shield=True):
        await giambio.checkpoint()


async def waits_with_a_timeout() -> None:
    with giambio.fail_after(1):
        await giambio.checkpoint()


async def waits_for_tasks() -> None:
    async with giambio.TaskManager() as manager:
        await manager.spawn(giambio.checkpoint)


async def waits_for_a_thread() -> None:
    await giambio.to_thread(int)


CLEAN_UPS = [waits, waits_in_a_shield, waits_with_a_timeout, waits_for_tasks, waits_for_a_thread]


@pytest.mark.parametrize("clean_up", CLEAN_UPS)
def test_a_clean_up_that_wants_to_wait_is_told_that_its_task_is_closed(
    loop: giambio.EventLoop, monkeypatch: pytest.MonkeyPatch, clean_up: Callable[..., Any]
) -> None:
    """Rule 12.6: that is the only error, whatever blocks the clean-up is in."""
    unraisable: list[BaseException] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda seen: unraisable.append(seen.exc_value))
    limiter = giambio.CapacityLimiter(1)

    async def main() -> None:
        async with giambio.Lock(), limiter, giambio.TaskManager():
            with giambio.CancelScope():
                try:
                    loop._stop_between_steps(KeyboardInterrupt())
                    await giambio.sleep_forever()
                finally:
                    await clean_up()

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    (problem,) = unraisable
    assert isinstance(problem, RuntimeError)
    assert "the run was cut short and its tasks are being closed" in str(problem)
    assert isinstance(problem.__context__, GeneratorExit)
    assert limiter.borrowed_tokens == 0


def test_a_task_that_a_clean_up_spawns_is_closed_as_well(loop: giambio.EventLoop) -> None:
    """Rule 12.6: nothing warns."""
    spawned: list[giambio.Task[None]] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            try:
                loop._stop_between_steps(KeyboardInterrupt())
                await giambio.sleep_forever()
            finally:
                spawned.append(manager.start_soon(waits))

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    assert spawned[0].cancelled()


def test_a_clean_up_of_a_closed_task_may_run_another_loop(loop: giambio.EventLoop) -> None:
    """Rule 12.6: in there tasks wait as usual, and mistakes are called what they are."""
    seen: list[str] = []

    async def main() -> None:
        try:
            loop._stop_between_steps(KeyboardInterrupt())
            await giambio.sleep_forever()
        finally:
            giambio.run(clean_up)

    async def clean_up() -> None:
        await giambio.sleep(0.001)
        giambio.current_loop().call_soon(ask)
        await turns(2)

    def ask() -> None:
        with pytest.raises(RuntimeError, match="no giambio task runs in this thread"):
            giambio.current_task()
        seen.append("asked")

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    assert seen == ["asked"]


def test_an_error_while_closing_an_interrupted_task_goes_to_the_unraisablehook(
    loop: giambio.EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 1.17: the interruption leaves `start`, the error is not dropped, all are closed."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    error = ValueError("in the clean-up")
    closed: list[str] = []

    async def breaks_down() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            raise error

    async def main() -> None:
        try:
            async with giambio.TaskManager() as manager:
                await manager.spawn(breaks_down)
                await turns(2)
                loop._stop_between_steps(KeyboardInterrupt())
                await giambio.sleep_forever()
        finally:
            closed.append("main")

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    assert [problem.exc_value for problem in seen] == [error]
    assert "breaks_down" in seen[0].object.name
    assert closed == ["main"]


# -- begin, turn, end --------------------------------------------------------------------


@pytest.mark.usefixtures("in_turn")
def test_a_loop_driven_turn_by_turn_is_paused_with_tasks_parked_and_finished(
    loop: giambio.EventLoop,
) -> None:
    """Rule 1.2: a test drives a loop turn by turn, pauses it with tasks parked, and finishes it."""
    waits = {name: Wait() for name in ("main", "child")}
    log: list[str] = []

    async def waiter(name: str) -> str:
        log.append(f"{name} waits")
        await waits[name]
        log.append(f"{name} goes on")
        return name

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            await manager.spawn(waiter, "child")
            return await waiter("main")

    task = loop.begin(main)
    assert log == []
    for _ in range(3):
        loop.turn(0)
    assert log == ["main waits", "child waits"]
    for _ in range(10):  # paused: as long as one likes
        loop.turn(0)
    assert not task.done()
    waits["child"].wake()
    loop.turn(0)
    assert log[2:] == ["child goes on"]
    waits["main"].wake()
    assert finish(loop, task) == "main"


@pytest.mark.usefixtures("in_turn")
def test_a_turn_runs_at_most_the_tasks_that_were_ready_at_its_start(
    loop: giambio.EventLoop,
) -> None:
    """Rule 1.4: the tasks that were ready, then due timers, then the driver."""
    steps: list[int] = []

    async def main() -> None:
        for step in range(5):
            steps.append(step)
            await giambio.checkpoint()

    task = loop.begin(main)
    for expected in range(1, 6):
        loop.turn(0)
        assert len(steps) == expected
    finish(loop, task)


def test_callbacks_that_schedule_callbacks_do_not_hold_a_turn_up(loop: giambio.EventLoop) -> None:
    """Rule 1.4: a turn runs at most the tasks that were ready at its start."""
    calls: list[int] = []

    def again() -> None:
        calls.append(len(calls))
        loop.call_soon(again)
        loop.call_soon_threadsafe(again)

    task = loop.begin(giambio.sleep_forever)
    loop.call_soon(again)
    loop.turn(0)
    assert len(calls) == 1
    loop.turn(0)
    assert len(calls) == 3
    task.cancel()
    with pytest.raises(giambio.TaskCancelled):
        finish(loop, task)


def test_due_timers_are_told_after_the_ready_tasks(loop: giambio.EventLoop) -> None:
    """Rule 1.4: timers come after the tasks that were ready."""
    log: list[str] = []

    async def main() -> None:
        loop.call_later(0, log.append, "timer")
        loop.call_soon(log.append, "callback")
        await giambio.checkpoint()
        log.append("task")
        await giambio.checkpoint()

    finish(loop, loop.begin(main))
    assert log == ["callback", "task", "timer"]


@pytest.mark.parametrize(
    ("seconds", "most"),
    [(0, constants.MOST_UNASKED + 2), (1, 4)],
    ids=["steps in no time", "steps that compute"],
)
def test_events_wait_for_a_few_steps_only_whoever_is_ready(
    run: Run, seconds: float, most: int
) -> None:
    """Rule 1.6: the driver is not asked after every step, but before too many, or too long ones."""
    clock = ManualClock()
    counted = 0

    async def main() -> None:
        nonlocal counted
        left, right = socket.socketpair()
        with giambio.wrap_socket(left) as near, giambio.wrap_socket(right) as far:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(near.receive, 10)
                await turns(3)
                await far.send_all(b"event")
                while not task.done():
                    counted += 1
                    clock.time += seconds
                    await giambio.checkpoint()
            assert task.result() == b"event"

    run(main, clock=clock)
    assert 0 < counted <= most


def test_turning_on_after_the_main_task_has_ended_does_not_wait(loop: giambio.EventLoop) -> None:
    """`while not task.done(): loop.turn()` must not wait for events that nobody wants."""
    task = loop.begin(giambio.sleep, 0.001)
    while not task.done():
        loop.turn()
    loop.turn()
    loop.end()


def test_waiting_may_be_done_in_another_thread(driver: str) -> None:
    """Rule 1.3: another thread may wait."""
    loop = giambio.EventLoop(driver=driver)
    reader, writer = os.pipe()
    waiters: list[int] = []

    async def main() -> bytes:
        await giambio.sleep(0.001)
        await giambio.wait_readable(reader)
        return os.read(reader, 10)

    task = loop.begin(main)
    while not task.done():
        timeout = loop.run_ready()
        if timeout > 1:
            os.write(writer, b"event")

        def wait(timeout: float) -> None:
            waiters.append(threading.get_ident())
            loop.driver_wait(timeout)

        thread = threading.Thread(target=wait, args=(timeout,))
        thread.start()
        thread.join()
        loop.deliver()
    assert loop.end() == b"event"
    assert threading.get_ident() not in waiters
    os.close(reader)
    os.close(writer)
    loop.close()


@pytest.mark.usefixtures("in_turn")
def test_a_thread_that_waits_for_the_host_is_woken_by_a_threadsafe_call(
    loop: giambio.EventLoop,
) -> None:
    """Rules 1.3, 1.16: the host goes on while a thread waits, and a call wakes that."""
    task = loop.begin(giambio.sleep_forever)
    assert loop.run_ready() == float("inf")
    thread = threading.Thread(target=loop.driver_wait, args=(float("inf"),))
    thread.start()
    loop.call_soon_threadsafe(task.cancel)
    thread.join(20)
    assert not thread.is_alive()
    loop.deliver()
    with pytest.raises(giambio.TaskCancelled):
        finish(loop, task)


def test_end_wants_the_main_task_to_have_ended(loop: giambio.EventLoop) -> None:
    task = loop.begin(giambio.sleep_forever)
    with pytest.raises(RuntimeError, match=r"main task .*sleep_forever.* has not ended"):
        loop.end()
    loop.turn(0)
    task.cancel()
    with pytest.raises(giambio.TaskCancelled, match=r"^the main task was cancelled$"):
        finish(loop, task)
    with pytest.raises(RuntimeError, match="has not begun; call begin"):
        loop.end()


def test_end_inside_a_turn_is_refused(loop: giambio.EventLoop) -> None:
    problems: list[BaseException] = []

    def end() -> None:
        try:
            loop.end()
        except BaseException as exc:
            problems.append(exc)

    async def main() -> str:
        loop.call_soon(end)
        return "result"

    task = loop.begin(main)
    while not problems:
        loop.turn(0)
    assert "running a loop already" in str(problems[0])
    assert finish(loop, task) == "result"


def test_closing_a_loop_that_runs_is_refused(loop: giambio.EventLoop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"close\(\): this loop is running"):
            loop.close()

    loop.start(main)


# -- current loop and task ----------------------------------------------------------------


def test_current_loop_and_task_are_set_and_restored_around_each_turn(
    loop: giambio.EventLoop,
) -> None:
    """Rule 1.7: set and restored around each turn."""

    def no_loop_here() -> None:
        with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
            giambio.current_loop()
        with pytest.raises(RuntimeError, match="no giambio task runs in this thread"):
            giambio.current_task()

    async def main() -> None:
        for _ in range(3):
            assert giambio.current_loop() is loop
            assert giambio.current_task() is task
            await giambio.checkpoint()

    no_loop_here()
    task = loop.begin(main)
    no_loop_here()
    while not task.done():
        loop.turn(0)
        no_loop_here()
    loop.end()
    no_loop_here()


def test_a_callback_has_a_current_loop_and_no_current_task(loop: giambio.EventLoop) -> None:
    seen: list[Any] = []

    def callback() -> None:
        seen.append(giambio.current_loop())
        try:
            giambio.current_task()
        except RuntimeError as exc:
            seen.append(str(exc))

    async def main() -> None:
        loop.call_soon(callback)
        await giambio.checkpoint()

    loop.start(main)
    assert seen[0] is loop
    assert "no current task" in seen[1]


def test_two_threads_run_two_loops(driver: str) -> None:
    """Rule 1.7: one current loop in each thread."""
    together = threading.Barrier(2, timeout=20)
    seen: dict[str, list[bool]] = {"one": [], "two": []}

    def thread(name: str) -> None:
        loop = giambio.EventLoop(driver=driver)

        async def main() -> None:
            task = giambio.current_task()
            for _ in range(5):
                together.wait()
                await giambio.checkpoint()
                seen[name].append(giambio.current_loop() is loop and giambio.current_task() is task)

        loop.start(main)
        loop.close()

    threads = [threading.Thread(target=thread, args=(name,)) for name in seen]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == {"one": [True] * 5, "two": [True] * 5}


def test_a_thread_beside_the_loop_has_no_current_loop(run: Run) -> None:
    async def main() -> list[str]:
        messages: list[str] = []

        def thread() -> None:
            try:
                giambio.current_loop()
            except RuntimeError as exc:
                messages.append(str(exc))

        one = threading.Thread(target=thread)
        one.start()
        one.join()
        return messages

    assert "no giambio loop runs in this thread" in run(main)[0]


# -- callbacks ------------------------------------------------------------------------------


def test_callbacks_are_called_in_the_order_they_were_scheduled(loop: giambio.EventLoop) -> None:
    """Rule 2.2: no decision depends on set order, `id()` or hash."""
    order: list[int] = []

    async def main() -> None:
        for number in range(100):
            loop.call_soon(order.append, number)
        await giambio.checkpoint()

    loop.start(main)
    assert order == list(range(100))


def test_timers_fire_in_the_order_of_their_times_and_then_of_their_making() -> None:
    """Rule 2.2: timers keep the order in which they were made."""
    order: list[str] = []
    loop = giambio.EventLoop(clock=ManualClock())

    async def main() -> None:
        for name, delay in [("c", 2), ("a", 1), ("d", 2), ("b", 1), ("never", float("inf"))]:
            loop.call_later(delay, order.append, name)
        loop.call_later(-5, order.append, "past")
        loop.call_at(float("-inf"), order.append, "long past")
        await giambio.sleep(3)

    loop.start(main)
    assert order == ["long past", "past", "a", "b", "c", "d"]


def test_a_callback_scheduled_before_start_is_called(loop: giambio.EventLoop) -> None:
    called: list[str] = []
    loop.call_soon(called.append, "soon")
    loop.call_soon_threadsafe(called.append, "threadsafe")
    loop.call_later(0, called.append, "later")
    loop.start(giambio.sleep, 0.01)
    assert sorted(called) == ["later", "soon", "threadsafe"]


def test_a_handle_cancels_its_callback(loop: giambio.EventLoop) -> None:
    """Rule 1.15: callbacks and timers have a handle that cancels them."""
    called: list[str] = []

    async def main() -> None:
        handles = [
            loop.call_soon(called.append, "soon"),
            loop.call_later(0, called.append, "later"),
            loop.call_at(0, called.append, "at"),
            loop.call_soon_threadsafe(called.append, "threadsafe"),
        ]
        assert not any(handle.cancelled() for handle in handles)
        for handle in handles:
            handle.cancel()
            handle.cancel()
        assert all(handle.cancelled() for handle in handles)
        await giambio.sleep(0.01)
        late = loop.call_soon(called.append, "called")
        await giambio.checkpoint()
        late.cancel()

    loop.start(main)
    assert called == ["called"]


def test_a_handle_can_be_cancelled_from_another_thread(loop: giambio.EventLoop) -> None:
    called: list[str] = []

    async def main() -> None:
        handle = loop.call_later(0.01, called.append, "later")
        thread = threading.Thread(target=handle.cancel)
        thread.start()
        thread.join()
        await giambio.sleep(0.02)

    loop.start(main)
    assert called == []


def test_a_cancelled_timer_is_forgotten_at_once(loop: giambio.EventLoop) -> None:
    """A timeout that is cancelled each time must not pile up until its hour comes."""

    async def main() -> int:
        handles = [loop.call_later(3600, print) for _ in range(1000)]
        references = [weakref.ref(handle) for handle in handles]
        while handles:
            handles.pop().cancel()
        gc.collect()
        return sum(reference() is not None for reference in references)

    assert loop.start(main) == 0


def test_an_exception_from_a_plain_callback_is_raised_into_the_main_task(
    loop: giambio.EventLoop,
) -> None:
    """Rule 1.12: an exception from a plain callback is raised into the main task."""

    async def main() -> str:
        loop.call_soon(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await giambio.sleep_forever()
        loop.call_later(0, lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await giambio.sleep_forever()
        loop.call_soon_threadsafe(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await giambio.sleep_forever()
        await giambio.checkpoint()
        return "goes on"

    assert loop.start(main) == "goes on"


def test_each_of_several_exceptions_from_callbacks_is_raised(loop: giambio.EventLoop) -> None:
    async def main() -> list[str]:
        def fail(name: str) -> None:
            raise KeyError(name)

        seen = []
        for name in "abc":
            loop.call_soon(fail, name)
        for _ in range(3):
            try:
                await giambio.sleep_forever()
            except KeyError as exc:
                seen.append(exc.args[0])
        await giambio.checkpoint()
        return seen

    assert loop.start(main) == ["a", "b", "c"]


def test_an_exception_from_a_callback_fails_the_managers_block_of_the_main_task(
    loop: giambio.EventLoop,
) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever)
            loop.call_soon(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        loop.start(main)


def test_an_exception_from_a_callback_that_comes_too_late_for_main_is_raised_by_start(
    loop: giambio.EventLoop,
) -> None:
    """Rules 1.13, 8.10: nothing is ever lost or printed and forgotten."""

    async def main(result: str) -> str:
        loop.call_soon(lambda: 1 / 0)
        await giambio.cancel_shielded_checkpoint()  # it is raised now, and not noticed
        return result

    async def in_the_same_turn() -> None:
        await giambio.checkpoint()
        loop.call_soon_threadsafe(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        loop.start(main, "lost")
    with pytest.raises(ZeroDivisionError):
        loop.start(in_the_same_turn)
    assert loop.start(giambio.sleep, 0) is None


def test_an_exception_from_a_callback_and_one_of_main_are_raised_together(
    loop: giambio.EventLoop,
) -> None:
    """Rule 1.13: as an `ExceptionGroup`."""

    async def main() -> None:
        loop.call_soon(lambda: 1 / 0)
        await giambio.cancel_shielded_checkpoint()
        raise KeyError("main")

    with pytest.raises(ExceptionGroup) as caught:
        loop.start(main)
    assert [type(exc) for exc in caught.value.exceptions] == [KeyError, ZeroDivisionError]


# -- from other threads -----------------------------------------------------------------------


def test_a_threadsafe_call_wakes_a_loop_that_waits(run: Run) -> None:
    """Rule 1.16: it sleeps in its driver without a deadline; only a real wake-up ends that."""

    async def main() -> list[object]:
        loop = giambio.current_loop()
        results = []
        for number in range(20):
            wait = Wait()
            thread = threading.Thread(target=loop.call_soon_threadsafe, args=(wait.wake, number))
            giambio.current_loop().call_soon(thread.start)
            results.append(await wait)
            thread.join()
        return results

    assert run(main) == list(range(20))


def test_threadsafe_calls_from_many_threads_all_arrive_each_threads_in_order(run: Run) -> None:
    async def main() -> dict[int, list[int]]:
        loop = giambio.current_loop()
        arrived: dict[int, list[int]] = {name: [] for name in range(4)}
        done = Wait()

        def arrive(name: int, number: int) -> None:
            arrived[name].append(number)
            if sum(map(len, arrived.values())) == 4 * 500:
                done.wake()

        def thread(name: int) -> None:
            for number in range(500):
                loop.call_soon_threadsafe(arrive, name, number)

        threads = [threading.Thread(target=thread, args=(name,)) for name in arrived]
        for one in threads:
            one.start()
        await done
        for one in threads:
            one.join()
        return arrived

    assert run(main) == {name: list(range(500)) for name in range(4)}


def test_a_threadsafe_call_that_comes_while_the_loop_ends_is_called_or_refused(
    driver: str,
) -> None:
    """It never fails in the calling thread because the loop is just closing its descriptors."""
    errors: list[BaseException] = []
    for _ in range(50):
        loop = giambio.EventLoop(driver=driver)
        started, stop = threading.Event(), threading.Event()

        def thread(
            loop: giambio.EventLoop = loop,
            started: threading.Event = started,
            stop: threading.Event = stop,
        ) -> None:
            try:
                while not stop.is_set():
                    loop.call_soon_threadsafe(int)
                    started.set()
            except giambio.RunFinishedError:
                pass
            except BaseException as exc:
                errors.append(exc)

        async def main(started: threading.Event = started) -> None:
            while not started.is_set():
                await giambio.checkpoint()

        one = threading.Thread(target=thread)
        one.start()
        loop.start(main)
        loop.close()
        stop.set()
        one.join()
    assert errors == []


def test_what_other_threads_have_handed_in_is_called_before_the_loop_ends(
    loop: giambio.EventLoop,
) -> None:
    seen: list[object] = []

    async def main() -> None:
        loop.call_soon_threadsafe(lambda: seen.append(giambio.current_loop()))

    loop.start(main)
    assert seen == [loop]


def test_a_callback_that_hands_itself_in_again_does_not_keep_the_loop_from_ending(
    loop: giambio.EventLoop,
) -> None:
    def again() -> None:
        loop.call_soon_threadsafe(again)

    async def main() -> None:
        again()

    loop.start(main)


def test_a_cancel_from_another_thread_is_refused_and_told_how(run: Run) -> None:
    async def main() -> list[str]:
        messages: list[str] = []
        with giambio.CancelScope() as scope:

            def thread() -> None:
                try:
                    scope.cancel()
                except RuntimeError as exc:
                    messages.append(str(exc))

            one = threading.Thread(target=thread)
            one.start()
            one.join()
            await giambio.checkpoint()
        return messages

    (message,) = run(main)
    assert "call_soon_threadsafe" in message


def test_a_loop_alone_runs_in_one_thread(run: Run) -> None:
    """Rule 13.2: one thread."""
    before = threading.enumerate()

    async def main() -> list[threading.Thread]:
        await giambio.sleep(0.001)
        return threads_since(before)

    assert run(main) == []


# -- the clock ------------------------------------------------------------------------------------


def test_the_clock_can_be_replaced(run: Run) -> None:
    """Rule 2.1: the kernel takes time only from its clock."""
    clock = ManualClock(time=1000.0)

    async def main() -> tuple[float, float]:
        before = giambio.current_time()
        await giambio.sleep(86_400)
        with giambio.move_on_after(3_600):
            await giambio.sleep_forever()
        return before, giambio.current_time()

    began = time.monotonic()
    assert run(main, clock=clock) == (1000.0, 1000.0 + 86_400 + 3_600)
    assert time.monotonic() - began < 3_600


@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_a_clock_that_only_tells_another_time_ends_sleeps_and_time_outs_in_time(
    run: Run, offset: float
) -> None:
    """Rule 2.1: to wait for a deadline, too, goes by the clock's own time."""

    class Elsewhere(giambio.Clock):
        def now(self) -> float:
            return super().now() + offset

    async def main() -> float:
        before = giambio.current_time()
        await giambio.sleep(0.02)
        with giambio.move_on_after(0.02) as scope:
            await giambio.sleep_forever()
        assert scope.cancelled_caught
        return giambio.current_time() - before

    assert 0.04 <= run(main, clock=Elsewhere()) < 30


def test_a_sleep_ends_when_its_time_came_though_the_clock_was_set_back(run: Run) -> None:
    """Rules 1.5, 2.1: deadlines are compared with the clock once per turn."""
    clock = ManualClock()

    async def main() -> None:
        def set_back() -> None:
            clock.time = 0.0

        # Due with the sleep, and called before the task that is woken then.
        giambio.current_loop().call_later(1, set_back)
        await giambio.sleep(1)

    run(main, clock=clock)
    assert clock.time == 0.0


def test_the_same_program_makes_the_same_run(run: Run) -> None:
    """Rule 2.2: the same program makes the same run."""

    async def main() -> list[str]:
        log: list[str] = []

        async def worker(name: int) -> None:
            for step in range(5):
                await giambio.sleep((name * 7 + step * 3) % 5)
                log.append(f"{name}.{step}")

        async with giambio.TaskManager() as manager:
            for name in range(10):
                await manager.spawn(worker, name)
            with giambio.move_on_after(6):
                await giambio.sleep_forever()
            log.append("time")
        return log

    assert run(main, clock=ManualClock()) == run(main, clock=ManualClock())


# -- fork ------------------------------------------------------------------------------------


def in_child(what: Callable[[], object]) -> str:
    """Do something in a forked child; returns what it returned, or its exception, as text."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            text = repr(what())
        except BaseException as exc:
            text = f"{type(exc).__name__}: {exc}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    return text


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_before_start_runs_the_loop_as_does_its_parent(
    loop: giambio.EventLoop,
) -> None:
    """Rule 1.10: a child made by `fork` gets a fresh driver."""

    async def main() -> str:
        await giambio.sleep(0.001)
        return "ran"

    assert in_child(lambda: loop.start(main)) == "'ran'"
    assert loop.start(main) == "ran"
    assert in_child(lambda: loop.start(main)) == "'ran'"


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    "call",
    [
        giambio.current_task,
        giambio.current_loop,
        giambio.task_tree,
        lambda: next(giambio.sleep(0).__await__()),
        lambda: giambio.CancelScope().__enter__(),
    ],
)
def test_what_needs_the_loop_says_in_a_child_that_it_was_forked(
    run: Run, call: Callable[[], object]
) -> None:
    """Rule 27.12."""

    async def main() -> str:
        return in_child(call)

    assert run(main).startswith("RuntimeError: this process was forked in a giambio task, and the")


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_the_loop_runs_may_run_a_new_one(run: Run) -> None:
    """Rule 1.10: it never touches its parent's registrations."""

    async def inner() -> str:
        reader, writer = os.pipe()
        os.write(writer, b"x")
        await giambio.wait_readable(reader)
        return "ran"

    async def main() -> tuple[str, bytes]:
        reader, writer = os.pipe()
        received = []

        async def receive() -> None:
            await giambio.wait_readable(reader)
            received.append(os.read(reader, 100))

        async with giambio.TaskManager() as manager:
            await manager.spawn(receive)
            await turns(2)
            answer = in_child(lambda: giambio.run(inner))
            os.write(writer, b"after the fork")
        os.close(reader)
        os.close(writer)
        return answer, received[0]

    assert run(main) == ("'ran'", b"after the fork")


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_loop_that_ran_when_its_process_forked_is_a_clear_error_in_the_child(
    driver: str,
) -> None:
    """Rule 1.11: if the loop was running, it gets a clear error."""
    reader, writer = os.pipe()
    parent = os.getpid()
    answer = ""

    async def neighbour() -> None:
        await turns(1)
        if os.getpid() != parent:
            os.write(writer, b"a task of the parent ran in the child; ")
        await turns(3)

    async def main() -> str:
        async with giambio.TaskManager() as manager:
            await manager.spawn(neighbour)
            await turns(1)
            if os.fork() == 0:
                await giambio.sleep(0)
                return "must not come here in the child"
            await turns(3)
        os.wait()
        return "parent"

    loop = giambio.EventLoop(driver=driver)
    try:
        result = loop.start(main)
    except RuntimeError as exc:
        answer = str(exc)
    finally:
        if os.getpid() != parent:
            os.write(writer, answer.encode())
            os._exit(0)
    assert result == "parent"
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        message = pipe.read().decode()
    assert message.startswith("this loop was running when the process forked")
    assert "start a new EventLoop() in the child" in message
    loop.close()


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_paused_loop_is_a_clear_error_in_a_forked_child(loop: giambio.EventLoop) -> None:
    """Rule 1.11: if the loop was running, it gets a clear error."""
    task = loop.begin(giambio.sleep, 0.001)
    loop.turn(0)
    for use in (loop.turn, loop.run_ready, lambda: loop.start(giambio.sleep, 0)):
        assert in_child(use).startswith(
            "RuntimeError: this loop was running when the process forked"
        )
    finish(loop, task)


def test_no_wake_up_is_lost_when_many_threads_report_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 1.16: signals wake the loop through a socketpair; so do threads."""
    monkeypatch.setattr("giambio.threads.workers.IDLE_SECONDS", 0.05)

    async def main() -> int:
        done = 0
        for _ in range(300):
            async with giambio.TaskManager() as manager:
                tasks = [await manager.spawn(run_in_worker, "a test", int, 1) for _ in range(8)]
            done += sum(task.result() for task in tasks)
        return done

    assert run(main) == 2400
    for thread in threading.enumerate():
        if thread.name.startswith("giambio-"):
            thread.join(20)


def test_a_million_callbacks_left_over_are_dropped_one_by_one(driver: str) -> None:
    """Freed as a chain they would overflow the C stack of the compiled build."""
    context = contextvars.copy_context()

    def overload(loop: giambio.EventLoop) -> None:
        for _ in range(1_000_000):
            loop._queue.append(Handle(int, (), context))

    async def main() -> None:
        overload(giambio.current_loop())

    giambio.run(main, driver=driver)
    overload(giambio.EventLoop(driver=driver))  # and the same for a loop that is thrown away
