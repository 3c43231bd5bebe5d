"""`WorkerThread`: functions run one after another, and always in the same thread."""

from __future__ import annotations

import contextvars
import gc
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked

Run = Callable[..., Any]


def test_it_is_always_the_same_thread_and_ends_with_the_block(run: Run) -> None:
    """Rule 13.20: what belongs to a thread can be used in it."""
    threads: list[threading.Thread] = []

    async def main() -> list[Any]:
        async with giambio.WorkerThread() as thread:
            assert repr(thread) == "<giambio.WorkerThread idle>"
            threads.append(await thread.run(threading.current_thread))
            db = await thread.run(sqlite3.connect, ":memory:")
            rows = await thread.run(db.execute, "select 6 * 7")
            result: list[Any] = await thread.run(rows.fetchall)
            await thread.run(db.close)
            threads.append(await thread.run(threading.current_thread))
        assert repr(thread) == "<giambio.WorkerThread closed>"
        return result

    assert run(main) == [(42,)]
    assert threads[0] is threads[1] is not threading.current_thread()
    assert not threads[0].is_alive()


def test_functions_run_one_after_another_in_the_order_of_the_calls(run: Run) -> None:
    """Rule 13.20: however many tasks call."""
    order: list[int] = []

    def note(number: int, *, busy: set[int]) -> int:
        busy.add(number)
        assert len(busy) == 1
        order.append(number)
        busy.remove(number)
        return number

    async def main() -> list[int]:
        async with giambio.WorkerThread() as thread:
            busy: set[int] = set()
            return await giambio.gather(*(thread.run(note, n, busy=busy) for n in range(20)))

    assert run(main) == list(range(20))
    assert sorted(order) == list(range(20))


def test_errors_and_the_context_pass_through(run: Run) -> None:
    """Rules 13.17, 13.20: as those of `to_thread`."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def fails() -> None:
        raise KeyError(variable.get())

    async def main() -> None:
        variable.set("mine")
        async with giambio.WorkerThread() as thread:
            with pytest.raises(KeyError, match="mine"):
                await thread.run(fails)
            with pytest.raises(TypeError, match=r"WorkerThread\.run\(\) .*async"):
                await thread.run(main)

    run(main)


def test_an_abandoned_function_keeps_the_thread(run: Run) -> None:
    """Rule 13.20: other calls wait until the thread is done with it."""
    release = threading.Event()
    ended: list[str] = []

    def long() -> None:
        release.wait()
        ended.append("abandoned")

    async def main() -> None:
        async with giambio.WorkerThread() as thread:
            with giambio.move_on_after(0.01) as scope:
                await thread.run(long, abandon_on_cancel=True)
            assert scope.cancelled_caught
            assert repr(thread) == "<giambio.WorkerThread running>"
            async with giambio.TaskManager() as manager:
                waiting = manager.start_soon(thread.run, ended.append, "next")
                await wait_all_tasks_blocked()
                assert not waiting.done()
                release.set()

    run(main)
    assert ended == ["abandoned", "next"]


def test_a_cancelled_call_waits_for_its_function(run: Run) -> None:
    """Rule 13.20: nobody can stop a thread."""
    began, release = threading.Event(), threading.Event()
    ended: list[str] = []

    def long() -> None:
        began.set()
        release.wait()
        ended.append("function")

    async def main() -> None:
        async with giambio.WorkerThread() as thread, giambio.TaskManager() as manager:
            task = manager.start_soon(thread.run, long)
            await giambio.to_thread(began.wait)
            task.cancel()
            await giambio.checkpoint()
            release.set()
        ended.append("block")

    run(main)
    assert ended == ["function", "block"]


def test_closed_it_says_so(run: Run) -> None:
    """Rule 13.20: also one that never ran anything; and a block is entered once."""

    async def main() -> None:
        thread = giambio.WorkerThread()
        async with thread:
            pass
        with pytest.raises(giambio.ClosedResourceError, match="nothing can be run in it"):
            await thread.run(int)
        with pytest.raises(RuntimeError, match="make a new one for each block"):
            async with thread:
                pass
        with pytest.raises(TypeError, match="async with"), thread:
            pass
        thread.close()

    run(main)


def test_a_dropped_one_warns_and_ends_its_thread(run: Run) -> None:
    """Rule 13.20: with a `ResourceWarning`."""

    async def main() -> threading.Thread:
        thread = giambio.WorkerThread()
        return await thread.run(threading.current_thread)

    with pytest.warns(ResourceWarning, match="a WorkerThread was never closed"):
        worker = run(main)
        gc.collect()
    worker.join(10)
    assert not worker.is_alive()
