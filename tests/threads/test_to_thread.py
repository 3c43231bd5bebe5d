"""`to_thread`: a blocking function is called in a thread, and the loop goes on."""

from __future__ import annotations

import contextvars
import gc
import os
import random
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import giambio
from giambio.testing import assert_checkpoints, wait_all_tasks_blocked
from giambio.threads import workers
from support.threads import LONG, Gate, until, wait_until, worker_threads

Run = Callable[..., Any]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A blocking function, which is let go at the end whatever happens."""
    gate = Gate()
    yield gate
    gate.open.set()


# -- calling -------------------------------------------------------------------------------


def test_it_returns_what_the_function_returns(run: Run) -> None:
    assert run(giambio.to_thread, sum, [1, 2, 3]) == 6


@pytest.mark.parametrize(
    "result", [None, (), (1, 2), StopIteration(3), ValueError("a value"), KeyError, [], False]
)
def test_every_kind_of_result_arrives_as_it_is(run: Run, result: object) -> None:
    assert run(giambio.to_thread, lambda: result) is result


def test_the_function_runs_in_a_named_daemon_thread(run: Run) -> None:
    """Rule 13.4: named `giambio-…`, daemons."""
    thread = run(giambio.to_thread, threading.current_thread)
    assert thread is not threading.main_thread()
    assert thread.name.startswith("giambio-worker-")
    assert thread.daemon


def test_the_loop_goes_on(run: Run, gate: Gate) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.to_thread, gate, "result")
            await until(gate.entered.is_set)
            assert not task.done()
            gate.open.set()
        assert task.result() == "result"

    run(main)


def test_several_functions_run_at_once(run: Run) -> None:
    barrier = threading.Barrier(20)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            for _ in range(20):
                await manager.spawn(giambio.to_thread, barrier.wait, LONG)

    run(main)


def test_one_call_after_the_other_uses_one_thread(run: Run) -> None:
    """Rule 13.5: a thread cache."""

    async def main() -> None:
        first = await giambio.to_thread(threading.get_ident)
        for _ in range(100):
            assert await giambio.to_thread(threading.get_ident) == first

    run(main)


def test_threads_are_shared_by_loops(driver: str) -> None:
    async def main() -> int:
        return await giambio.to_thread(threading.get_ident)

    first = giambio.run(main, driver=driver)
    assert giambio.run(main, driver=driver) == first


def test_to_thread_is_asked_for_by_name(run: Run) -> None:
    """Rule 13.7: `threads=False` is about those that nobody asked for."""
    assert run(giambio.to_thread, int, threads=False) == 0


def test_many_calls_at_once_need_no_more_threads_than_the_limiter_allows(run: Run) -> None:
    seen: set[int] = set()

    def function(number: int) -> int:
        seen.add(threading.get_ident())
        return number

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            tasks = [await manager.spawn(giambio.to_thread, function, n) for n in range(2000)]
        assert [task.result() for task in tasks] == list(range(2000))
        assert giambio.current_default_thread_limiter().borrowed_tokens == 0

    run(main)
    assert 1 <= len(seen) <= 40


def test_two_loops_in_two_threads(driver: str) -> None:
    results: list[list[int]] = []

    async def main() -> list[int]:
        return [await giambio.to_thread(abs, -number) for number in range(300)]

    threads = [
        threading.Thread(target=lambda: results.append(giambio.run(main, driver=driver)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert results == [list(range(300))] * 3


# -- errors --------------------------------------------------------------------------------


def fail() -> None:
    raise ValueError("in the thread")


def test_an_exception_is_raised_at_the_await_without_a_frame_of_ours(run: Run) -> None:
    """Rule 8.17: no frame of ours between the user's."""

    async def main() -> list[str]:
        with pytest.raises(ValueError, match="in the thread") as caught:
            await giambio.to_thread(fail)
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    assert run(main) == ["main", "fail"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, giambio.GiambioError])
def test_any_exception_is_the_callers(run: Run, kind: type[BaseException]) -> None:
    def function() -> None:
        raise kind("x")

    async def main() -> None:
        with pytest.raises(kind, match="x"):
            await giambio.to_thread(function)

    run(main)


def test_a_stop_iteration_cannot_be_raised_at_an_await(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="means something else to an await"):
            await giambio.to_thread(next, iter(()))

    run(main)


def test_keywords_are_passed_on(run: Run) -> None:
    """Rule 13.13: all but its own, so a misspelt one is the function's to refuse."""

    def blocking(function: int, *, name: str) -> tuple[int, str]:
        return function, name

    async def main() -> None:
        assert await giambio.to_thread(sorted, [1, 2], reverse=True) == [2, 1]
        assert await giambio.to_thread(blocking, function=1, name="n") == (1, "n")
        with pytest.raises(TypeError, match="unexpected keyword argument 'limit'"):
            await giambio.to_thread(blocking, 1, name="n", limit=2)  # type: ignore[call-arg]

    run(main)


def test_a_function_with_keywords_is_named_in_messages(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"functions, and coroutine_function\(\) is async"):
            await giambio.to_thread(coroutine_function, number=1)

    run(main)


async def coroutine_function(number: int = 1) -> int:
    return number


def test_an_async_function_is_told_so(run: Run) -> None:
    async def main() -> None:
        message = r"calls ordinary functions, and coroutine_function\(\) is async: await it"
        with pytest.raises(TypeError, match=message):
            await giambio.to_thread(coroutine_function)
        with pytest.raises(TypeError, match=r"sleep\(\) is async"):
            await giambio.to_thread(giambio.sleep, 1)
        gc.collect()

    run(main)


@pytest.mark.parametrize("what", [None, 3, "time.sleep"])
def test_what_cannot_be_called_is_refused_at_the_call(run: Run, what: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="without the parentheses"):
            giambio.to_thread(what)

    run(main)


def test_a_coroutine_is_refused_and_closed(run: Run) -> None:
    async def main() -> None:
        coro: Any = coroutine_function()
        with pytest.raises(TypeError, match="without the parentheses"):
            giambio.to_thread(coro)
        assert coro.cr_frame is None
        with pytest.raises(TypeError, match="without the parentheses"):
            giambio.to_thread(giambio.sleep(1))  # type: ignore[arg-type]

    run(main)


def test_another_limiter_is_refused(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"needs a giambio.CapacityLimiter, not 3"):
            giambio.to_thread(int, limiter=3)  # type: ignore[call-arg]

    run(main)


def test_a_forgotten_await_warns_and_calls_nothing(run: Run, gate: Gate) -> None:
    async def main() -> None:
        with pytest.warns(RuntimeWarning, match=r"to_thread\(\) was never awaited"):
            giambio.to_thread(gate)
            gc.collect()
        assert giambio.current_default_thread_limiter().borrowed_tokens == 0

    run(main)
    assert gate.calls == 0


def test_awaiting_it_twice_is_an_error(run: Run) -> None:
    async def main() -> None:
        call = giambio.to_thread(int)
        await call
        with pytest.raises(RuntimeError, match="was awaited already"):
            await call

    run(main)


def test_when_no_thread_can_be_started_it_says_so_and_keeps_no_token(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real refusal: there is no room for a stack of that size."""
    monkeypatch.setattr(workers.Worker, "idle", {})
    limiter = giambio.CapacityLimiter(1)

    async def main() -> None:
        before = threading.stack_size(1 << 46)
        try:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="start new thread"):
                    await giambio.to_thread(int, limiter=limiter)
        finally:
            threading.stack_size(before)
        assert limiter.borrowed_tokens == 0
        assert await giambio.to_thread(int, limiter=limiter) == 0

    run(main)


# -- context -------------------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


def test_the_context_is_copied_at_the_call(run: Run) -> None:
    async def main() -> object:
        variable.set("at the call")
        call = giambio.to_thread(variable.get)
        variable.set("later")
        return await call

    assert run(main) == "at the call"


def test_changes_in_the_thread_are_not_seen_outside(run: Run) -> None:
    async def main() -> tuple[str, str]:
        variable.set("outside")
        await giambio.to_thread(variable.set, "inside")
        return variable.get(), await giambio.to_thread(variable.get)

    assert run(main) == ("outside", "outside")


# -- the limiter ---------------------------------------------------------------------------


def test_the_default_limiter_has_40_tokens_and_belongs_to_the_loop(run: Run) -> None:
    async def main() -> giambio.CapacityLimiter:
        limiter = giambio.current_default_thread_limiter()
        assert limiter.total_tokens == 40
        assert giambio.current_default_thread_limiter() is limiter
        return limiter

    assert run(main) is not run(main)


def test_a_call_waits_for_a_token_first_come_first_served(run: Run, gate: Gate) -> None:
    order: list[int] = []

    async def main() -> None:
        limiter = giambio.CapacityLimiter(1)
        async with giambio.TaskManager() as manager:
            await manager.spawn(partial(giambio.to_thread, gate, limiter=limiter))
            await until(gate.entered.is_set)
            call = partial(giambio.to_thread, order.append, limiter=limiter)
            for number in range(5):
                await manager.spawn(call, number)
                await until(lambda: limiter.statistics().tasks_waiting > number)  # noqa: B023
            assert order == []
            gate.open.set()
        assert order == [0, 1, 2, 3, 4]
        assert limiter.borrowed_tokens == 0

    run(main)


def test_cancelled_while_waiting_for_a_token_nothing_is_called(run: Run, gate: Gate) -> None:
    """Rule 5.5: a cancelled operation did not happen."""
    called: list[int] = []

    async def main() -> None:
        limiter = giambio.CapacityLimiter(1)
        async with giambio.TaskManager() as manager:
            await manager.spawn(partial(giambio.to_thread, gate, limiter=limiter))
            await until(gate.entered.is_set)
            waiting = await manager.spawn(
                partial(giambio.to_thread, called.append, 1, limiter=limiter)
            )
            await until(lambda: limiter.statistics().tasks_waiting)
            waiting.cancel()
            gate.open.set()
        assert waiting.cancelled()
        assert called == []
        assert limiter.borrowed_tokens == 0

    run(main)


def test_cancelled_in_the_turn_in_which_the_token_comes(run: Run) -> None:
    """Rule 4.11: release hands over; the token must not get lost."""
    called: list[int] = []

    async def main() -> None:
        limiter = giambio.CapacityLimiter(1)
        await limiter.acquire()
        async with giambio.TaskManager() as manager:
            waiting = await manager.spawn(
                partial(giambio.to_thread, called.append, 1, limiter=limiter)
            )
            await until(lambda: limiter.statistics().tasks_waiting)
            limiter.release()
            waiting.cancel()
        assert waiting.cancelled()
        assert limiter.borrowed_tokens == 0
        assert called == []

    run(main)


# -- cancellation --------------------------------------------------------------------------


def test_cancelled_before_it_began_nothing_is_called(run: Run, gate: Gate) -> None:
    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await giambio.to_thread(gate)
        assert scope.cancelled_caught
        assert giambio.current_default_thread_limiter().borrowed_tokens == 0

    run(main)
    assert gate.calls == 0


def test_cancelled_meanwhile_the_result_is_kept_and_the_next_checkpoint_raises(
    run: Run, gate: Gate
) -> None:
    """Rules 13.8, 5.3: it keeps its result, and the next checkpoint raises."""
    got: list[object] = []

    async def child() -> None:
        got.append(await giambio.to_thread(gate, "result"))
        await giambio.checkpoint()
        got.append("not reached")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await until(gate.entered.is_set)
            task.cancel()
            for _ in range(20):
                await giambio.checkpoint()
            assert not task.done()
            gate.open.set()
        assert task.cancelled()

    run(main)
    assert got == ["result"]


def test_a_deadline_waits_for_the_thread(run: Run, gate: Gate) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def let_go() -> None:
                await until(gate.entered.is_set)
                await giambio.sleep(0.05)
                gate.open.set()

            await manager.spawn(let_go)
            with giambio.move_on_after(0.01) as scope:
                assert await giambio.to_thread(gate, 1) == 1
        assert scope.cancel_called
        assert not scope.cancelled_caught

    run(main)


def test_abandoned_the_task_leaves_at_once_and_the_thread_goes_on(run: Run, gate: Gate) -> None:
    async def main() -> None:
        limiter = giambio.CapacityLimiter(1)
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:

                async def cancel() -> None:
                    await until(gate.entered.is_set)
                    scope.cancel()

                await manager.spawn(cancel)
                await giambio.to_thread(gate, limiter=limiter, abandon_on_cancel=True)
        assert scope.cancelled_caught
        assert not gate.left.is_set()
        # The thread still runs, so its token is not free.
        assert limiter.borrowed_tokens == 1
        gate.open.set()
        await until(lambda: limiter.borrowed_tokens == 0)
        assert gate.left.is_set()

    run(main)


async def abandon(
    gate: Gate, function: Callable[[], object], limiter: giambio.CapacityLimiter | None = None
) -> None:
    """Have a function called in a thread, and leave it to itself when it has come to the gate."""
    call = partial(giambio.to_thread, function, limiter=limiter, abandon_on_cancel=True)
    async with giambio.TaskManager() as manager:
        task = await manager.spawn(call)
        await until(gate.entered.is_set)
        task.cancel()


def test_the_error_of_an_abandoned_thread_is_dropped(run: Run, gate: Gate) -> None:
    def failing() -> None:
        gate()
        raise ValueError("nobody hears this")

    async def main() -> None:
        await abandon(gate, failing)
        gate.open.set()
        limiter = giambio.current_default_thread_limiter()
        await until(lambda: limiter.borrowed_tokens == 0)

    run(main)


def test_a_cancellation_taken_back_before_delivery_leaves_the_call_alone(
    run: Run, gate: Gate
) -> None:
    """Rule 3.8: it can be withdrawn before delivery."""

    async def main() -> None:
        outer, inner = giambio.CancelScope(), giambio.CancelScope()

        async def child() -> object:
            with outer, inner:
                return await giambio.to_thread(gate, "result", abandon_on_cancel=True)

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            await until(gate.entered.is_set)
            outer.cancel()
            inner.shield = True
            for _ in range(10):
                await giambio.checkpoint()
            assert not task.done()
            gate.open.set()
        assert task.result() == "result"

    run(main)


@pytest.mark.parametrize("abandon", [False, True])
def test_cancelled_at_any_moment_nothing_is_lost(run: Run, abandon: bool) -> None:
    """Rules 5.5, 13.8: either it did not happen, or there is a result."""
    chance = random.Random(7)
    rounds = 400

    async def main() -> None:
        limiter = giambio.CapacityLimiter(3)
        for number in range(rounds):
            called: list[int] = []
            got: list[object] = []

            def function(called: list[int] = called, number: int = number) -> int:
                called.append(number)
                return number

            async def child(
                got: list[object] = got, function: Callable[[], int] = function
            ) -> None:
                got.append(
                    await giambio.to_thread(function, limiter=limiter, abandon_on_cancel=abandon)
                )

            async with giambio.TaskManager() as manager:
                task = await manager.spawn(child)
                for _ in range(chance.randrange(4)):
                    await giambio.checkpoint()
                if chance.random() < 0.5:
                    await giambio.sleep(chance.random() * 0.0002)
                task.cancel()
            assert len(called) <= 1
            if got:
                assert got == called == [number]
            elif not abandon:
                assert called == []
        await until(lambda: limiter.borrowed_tokens == 0)

    run(main)


# -- the loop ends first -------------------------------------------------------------------


class Boom(BaseException):
    """Ends a loop from outside."""


@pytest.mark.parametrize("abandon", [False, True])
def test_a_loop_that_is_interrupted_does_not_wait_for_the_thread(
    loop: giambio.EventLoop, gate: Gate, abandon: bool
) -> None:
    limiter = giambio.CapacityLimiter(1)

    async def main() -> None:
        async with giambio.TaskManager() as manager:

            async def interrupt() -> None:
                await until(gate.entered.is_set)
                loop._stop_between_steps(Boom())

            await manager.spawn(interrupt)
            await giambio.to_thread(gate, limiter=limiter, abandon_on_cancel=abandon)

    with pytest.raises(Boom):
        loop.start(main)
    assert not gate.left.is_set()
    gate.open.set()
    wait_until(lambda: limiter.borrowed_tokens == 0)

    async def again() -> object:
        return await giambio.to_thread(int, limiter=limiter)

    assert loop.start(again) == 0


def test_an_abandoned_thread_may_outlive_its_loop(run: Run, gate: Gate) -> None:
    limiter = giambio.CapacityLimiter(1)

    async def main() -> None:
        await abandon(gate, gate, limiter)

    run(main)
    gate.open.set()
    wait_until(lambda: limiter.borrowed_tokens == 0)


def test_a_thread_may_return_into_a_later_run_of_its_loop(
    loop: giambio.EventLoop, gate: Gate
) -> None:
    async def first() -> None:
        await abandon(gate, gate)

    async def second() -> None:
        gate.open.set()
        await until(gate.left.is_set)
        assert await giambio.to_thread(abs, -1) == 1
        assert giambio.current_default_thread_limiter().borrowed_tokens == 0

    loop.start(first)
    loop.start(second)


def test_the_token_of_an_abandoned_thread_comes_back_when_the_loop_ends(
    driver: str, gate: Gate
) -> None:
    """The limiter may be another loop's by then, in another thread, with tasks waiting for it."""
    limiter = giambio.CapacityLimiter(1)

    async def leave() -> None:
        await abandon(gate, gate, limiter)
        assert limiter.borrowed_tokens == 1

    async def use() -> None:
        async with limiter, giambio.TaskManager() as manager:
            await manager.spawn(partial(giambio.to_thread, int, limiter=limiter))
            await until(lambda: limiter.statistics().tasks_waiting)
            gate.open.set()
            await until(gate.left.is_set)
            limiter.release()
            await until(lambda: not limiter.borrowed_tokens)
            await limiter.acquire()

    giambio.run(leave, driver=driver)
    assert limiter.borrowed_tokens == 0
    thread = threading.Thread(target=giambio.run, args=(use,), kwargs={"driver": driver})
    thread.start()
    thread.join(LONG)
    assert limiter.borrowed_tokens == 0


# -- threads -------------------------------------------------------------------------------


def test_idle_threads_go_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 13.5: gone when idle."""
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.02)
    monkeypatch.setattr(workers.Worker, "idle", {})
    thread = run(giambio.to_thread, threading.current_thread)
    thread.join(LONG)
    assert not thread.is_alive()
    assert run(giambio.to_thread, threading.current_thread) is not thread


def test_a_thread_that_goes_away_takes_no_job_with_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job may come just when the thread has waited long enough."""
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.0005)
    monkeypatch.setattr(workers.Worker, "idle", {})

    async def main() -> None:
        for number in range(300):
            assert await giambio.to_thread(abs, -number) == number
            await giambio.sleep(0.0003 + number % 5 * 0.0001)

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_an_idle_thread_keeps_nothing_alive(run: Run) -> None:
    class Thing:
        pass

    async def main() -> None:
        thing = Thing()
        ref = weakref.ref(thing)
        await giambio.to_thread(lambda thing: thing, thing)
        del thing
        await until(lambda: ref() is None)

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_a_failure_keeps_no_frame_alive(run: Run) -> None:
    """No reference cycle keeps a frame alive after an error."""

    class Thing:
        pass

    refs: list[weakref.ref[Thing]] = []

    def failing() -> None:
        thing = Thing()
        refs.append(weakref.ref(thing))
        raise ValueError(f"with {thing!r}")

    async def main() -> None:
        try:
            await giambio.to_thread(failing)
        except ValueError:
            pass
        await until(lambda: refs[0]() is None)

    run(main)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_workers_of_its_own(run: Run, gate: Gate) -> None:
    """Rule 13.5: a fork while workers exist, idle ones and busy ones."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.to_thread, gate)
            await until(gate.entered.is_set)
            await giambio.to_thread(int)  # an idle one
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(reader)
                    done = subprocess_free_check()
                    os.write(writer, b"ok" if done else b"no")
                finally:
                    os._exit(0)
            os.close(writer)
            await giambio.wait_readable(reader)
            assert os.read(reader, 10) == b"ok"
            os.close(reader)
            os.waitpid(pid, 0)
            gate.open.set()
            assert await giambio.to_thread(abs, -1) == 1

    run(main)


def subprocess_free_check() -> bool:
    """Use threads in a forked child, whose loop is a new one in a new thread."""
    results: list[object] = []

    def use() -> None:
        results.append(giambio.run(giambio.to_thread, abs, -3))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(LONG)
    return results == [3] and workers.idle_workers() <= 1


PROGRAM = """
import sys, time, threading
import giambio

entered = threading.Event()

def forever():
    entered.set()
    time.sleep(1000)

async def main():
    async with giambio.TaskManager() as manager:
        await giambio.to_thread(int)
        with giambio.move_on_after(1000) as scope:
            async with giambio.TaskManager() as inner:
                async def cancel():
                    while not entered.is_set():
                        await giambio.sleep(0.001)
                    scope.cancel()
                await inner.spawn(cancel)
                await giambio.to_thread(forever, abandon_on_cancel=True)
    print("done", flush=True)

giambio.run(main, driver=sys.argv[1])
"""


def test_a_thread_never_keeps_the_interpreter_from_exiting(driver: str) -> None:
    """Rule 13.6: it never delays the interpreter's exit."""
    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, driver],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert time.monotonic() - before < LONG


def test_waiting_for_a_thread_is_no_deadlock_and_an_idle_one_hides_none(
    run: Run, gate: Gate
) -> None:
    """Rules 11.6, 11.11: an idle thread hides none."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            waiting = await manager.spawn(giambio.to_thread, gate)
            timer = threading.Timer(0.2, gate.open.set)
            timer.start()
            await waiting
            timer.join()
        await giambio.Event().wait()

    with pytest.raises(giambio.DeadlockError):
        run(main)


def test_it_counts_as_idle_what_rests(run: Run, gate: Gate) -> None:
    async def main() -> None:
        await giambio.to_thread(int)
        assert workers.idle_workers() >= 1
        async with giambio.TaskManager() as manager:
            before = len(worker_threads()) - workers.idle_workers()
            await manager.spawn(giambio.to_thread, gate)
            await until(gate.entered.is_set)
            assert len(worker_threads()) - workers.idle_workers() == before + 1
            gate.open.set()

    run(main)


def test_it_is_a_checkpoint(run: Run) -> None:
    async def main() -> None:
        with assert_checkpoints():
            await giambio.to_thread(int)

    run(main)


# -- an executor of the program's own --------------------------------------------------------


def test_an_executor_of_ones_own(run: Run) -> None:
    """Rule 13.19: its threads run the function, in the caller's context, and can call back."""
    variable = contextvars.ContextVar("variable", default=0)

    def blocking(a: int, *, b: int) -> tuple[str, int, int]:
        got = giambio.from_thread.run_sync(variable.get)
        return threading.current_thread().name.rpartition("_")[0], a + b, got

    async def main() -> None:
        variable.set(5)
        to_pool = partial(giambio.to_thread, executor=pool)
        assert await to_pool(partial(blocking, 1, b=2)) == ("mine", 3, 5)
        with pytest.raises(ZeroDivisionError):
            await to_pool(divmod, 1, 0)
        assert giambio.current_default_thread_limiter().borrowed_tokens == 0

    with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        run(main)


def test_a_call_that_is_cancelled_in_an_executors_queue(run: Run) -> None:
    """Rule 13.19: with `abandon_on_cancel` it is not called any more, if it was not yet."""
    called: list[int] = []
    let_go = threading.Event()

    async def main() -> None:
        to_pool = partial(giambio.to_thread, executor=pool)
        async with giambio.TaskManager() as manager:
            first = await manager.spawn(to_pool, let_go.wait, LONG)
            await wait_all_tasks_blocked()
            with giambio.move_on_after(0.01) as scope:
                await to_pool(called.append, 1, abandon_on_cancel=True)
            assert scope.cancelled_caught
            assert not first.done()
            let_go.set()
        await to_pool(called.append, 2)
        assert called == [2]

    with ThreadPoolExecutor(1) as pool:
        run(main)


def test_an_executor_that_is_shut_down(run: Run) -> None:
    """Rule 13.19: before the call, and while it waits for a thread: nobody waits for ever."""
    let_go = threading.Event()

    async def main() -> None:
        pool = ThreadPoolExecutor(1)
        to_pool = partial(giambio.to_thread, executor=pool)
        async with giambio.TaskManager() as manager:
            first = await manager.spawn(to_pool, let_go.wait, LONG)
            waiting = partial(to_pool, int)
            second = await manager.spawn(giambio.gather, waiting, return_exceptions=True)
            await wait_all_tasks_blocked()
            pool.shutdown(wait=False, cancel_futures=True)
            (problem,) = await second
            assert "the executor of to_thread() was shut down before" in str(problem)
            let_go.set()
        assert first.result() is True
        with pytest.raises(RuntimeError, match="after shutdown"):
            await to_pool(int)

    run(main)


def test_what_is_no_executor_of_threads(run: Run) -> None:
    """Rules 13.19, 19.1: one that cannot run the call, as one of processes, gives its error."""

    class Processes(Executor):
        def submit(self, function: Any, /, *args: Any, **keywords: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(TypeError("cannot pickle"))
            return future

    async def main() -> None:
        with pytest.raises(TypeError, match=r"to_thread\(executor=\) needs a concurrent.futures"):
            giambio.to_thread(int, executor=5)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="cannot pickle") as caught:
            await giambio.to_thread(int, executor=Processes())
        assert caught.value.__notes__ == [
            "to_thread() needs a pool of threads; for processes there is to_process()"
        ]

    run(main)
