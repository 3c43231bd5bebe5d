"""`manager.spawn_threadsafe`: tasks from other threads."""

from __future__ import annotations

import concurrent.futures
import contextvars
import errno
import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]
Future = concurrent.futures.Future

LONG = 30  # seconds that a thread waits for what comes at once, or the test fails


async def add(a: int, b: int) -> int:
    await giambio.checkpoint()
    return a + b


@contextmanager
def in_thread(function: Callable[[], object]) -> Iterator[list[Any]]:
    """Run a function in a thread; the list gets what it returned or raised."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(function())
        except BaseException as exc:
            outcome.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(LONG)
        assert not thread.is_alive()


async def in_thread_meanwhile(function: Callable[[], object]) -> Any:
    """Run a function in a thread while the loop goes on; what it returned or raised."""
    with in_thread(function) as outcome:
        while not outcome:
            await giambio.sleep(0.001)
    return outcome[0]


def test_the_future_gets_the_result(run: Run) -> None:
    """Rule 7.22: `spawn_threadsafe` returns a `concurrent.futures.Future`."""

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            return await in_thread_meanwhile(
                lambda: manager.spawn_threadsafe(add, 40, 2).result(LONG)
            )

    assert run(main) == 42


def test_keywords_name_and_context(run: Run) -> None:
    """Rules 7.22, 7.29, 7.30: as for `spawn`; what is wrong with them is the future's."""
    variable = contextvars.ContextVar("variable", default=0)
    context = contextvars.copy_context()
    context.run(variable.set, 1)

    async def child(a: int, *, b: int) -> tuple[object, ...]:
        return a, b, giambio.current_task().name, variable.get()

    async def named(name: str) -> str:
        return name

    def thread(manager: giambio.TaskManager) -> None:
        options: dict[str, Any] = {"b": 2, "name": "n", "context": context}
        future: Future[Any] = manager.spawn_threadsafe(child, 1, **options)
        assert future.result(LONG) == (1, 2, "n", 1)
        future = manager.spawn_threadsafe(named, name="n")
        with pytest.raises(TypeError, match=r"name= is the task's, but .* could take it too"):
            future.result(LONG)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            assert await in_thread_meanwhile(lambda: thread(manager)) is None

    run(main)


def test_it_wakes_a_loop_that_waits_for_nothing(run: Run) -> None:
    """Rule 7.22: it wakes a loop that waits."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            stop = await manager.spawn(giambio.sleep_forever)

            async def last() -> None:
                stop.cancel()

            with in_thread(lambda: manager.spawn_threadsafe(last).result(LONG)) as outcome:
                with pytest.raises(giambio.TaskCancelled):
                    await stop
                await giambio.checkpoint()
        assert outcome == [None]

    run(main)


def test_it_works_from_the_loops_own_thread(run: Run) -> None:
    """Rule 7.22: from any thread."""

    async def main() -> object:
        async with giambio.TaskManager() as manager:
            future = manager.spawn_threadsafe(add, 1, 2)
        return future.result(0)

    assert run(main) == 3


def test_the_block_joins_what_was_spawned_from_a_thread(run: Run) -> None:
    async def main() -> None:
        ended = []

        async def slow() -> None:
            await giambio.sleep(0.01)
            ended.append(True)

        async with giambio.TaskManager() as manager:
            await in_thread_meanwhile(lambda: manager.spawn_threadsafe(slow))
            while not manager._children:
                await giambio.checkpoint()
        assert ended == [True]

    run(main)


def test_a_failure_is_the_futures_and_the_blocks(run: Run) -> None:
    """Rule 8.15: observing a failure does not handle it."""
    error = ValueError("x")
    futures: list[Future[None]] = []

    async def fail() -> None:
        await giambio.checkpoint()
        raise error

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            futures.append(manager.spawn_threadsafe(fail))
            await giambio.sleep_forever()

    with pytest.raises(ValueError, match="x") as caught:
        run(main)
    assert caught.value is error
    assert futures[0].exception(0) is error


def test_a_cancelled_task_is_an_ordinary_exception(run: Run) -> None:
    """Rule 8.13: `TaskCancelled` (an ordinary exception) when it was cancelled."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            future = manager.spawn_threadsafe(giambio.sleep_forever)
            await giambio.sleep(0.001)
            manager.cancel()
        with pytest.raises(giambio.TaskCancelled):
            future.result(0)
        assert not future.cancelled()

    run(main)


def test_cancelling_the_future_cancels_the_task(run: Run) -> None:
    """The docstring: cancelling it cancels the task."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            future = manager.spawn_threadsafe(giambio.sleep_forever)
            while not manager._children:
                await giambio.checkpoint()
            (task,) = manager._children
            assert await in_thread_meanwhile(future.cancel) is True
        assert task.cancelled()
        assert future.cancelled()

    run(main)


def test_cancelling_the_future_before_the_task_was_made(run: Run) -> None:
    async def main() -> None:
        coro = add(1, 2)
        async with giambio.TaskManager() as manager:
            future = manager.spawn_threadsafe(coro)
            assert future.cancel()
            await giambio.checkpoint()
            await giambio.checkpoint()
            assert len(manager._children) == 0
        assert coro.cr_frame is None
        assert future.cancelled()

    run(main)


def test_cancelling_the_future_in_the_turn_in_which_the_task_ends(run: Run) -> None:
    async def main() -> None:
        futures: list[Future[str]] = []

        async def child() -> str:
            await giambio.checkpoint()
            futures[0].cancel()
            return "ended"

        async with giambio.TaskManager() as manager:
            futures.append(manager.spawn_threadsafe(child))
            while not manager._children:
                await giambio.checkpoint()
            (task,) = manager._children
        assert task.result() == "ended"
        assert futures[0].cancelled()

    run(main)


def test_cancelling_the_future_after_the_end(run: Run) -> None:
    async def main() -> Future[int]:
        async with giambio.TaskManager() as manager:
            return manager.spawn_threadsafe(add, 1, 2)

    future = run(main)
    assert future.cancel() is False
    assert future.result(0) == 3


def test_what_cannot_be_awaited_is_the_futures_exception(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            future = manager.spawn_threadsafe(5)
        with pytest.raises(TypeError, match="needs an async function or an awaitable, not 5"):
            future.result(0)

    run(main)


def test_a_full_manager_is_the_futures_exception(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager(limit=1) as manager:
            await manager.spawn(add, 1, 2)
            future = manager.spawn_threadsafe(add, 1, 2)
            await giambio.checkpoint()
        assert future.exception(LONG) is None or isinstance(future.exception(), giambio.WouldBlock)

    run(main)


def test_before_the_block_was_entered_it_raises_in_the_calling_thread() -> None:
    coro = add(1, 2)
    with pytest.raises(RuntimeError, match="was not entered yet"):
        giambio.TaskManager().spawn_threadsafe(coro)
    assert coro.cr_frame is None


def test_a_closed_manager_raises_in_the_calling_thread(run: Run) -> None:
    """Rule 7.23: on a closed manager it raises in the calling thread."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            pass
        coro = add(1, 2)
        outcome = await in_thread_meanwhile(lambda: manager.spawn_threadsafe(coro))
        assert isinstance(outcome, giambio.RunFinishedError)
        assert coro.cr_frame is None

    run(main)


@pytest.mark.parametrize("closed", [True, False])
def test_an_ended_loop_raises_in_the_calling_thread(driver: str, closed: bool) -> None:
    """Rule 7.23: on a closed loop it raises in the calling thread."""
    managers: list[giambio.TaskManager] = []

    class Boom(BaseException):
        pass

    def interrupt(loop: giambio.EventLoop) -> None:
        loop._stop_between_steps(Boom())

    async def main(loop: giambio.EventLoop) -> None:
        async with giambio.TaskManager() as manager:
            managers.append(manager)
            loop.call_soon(interrupt, loop)
            await giambio.sleep_forever()

    loop = giambio.EventLoop(driver=driver)
    with pytest.raises(Boom):
        loop.start(main, loop)
    if closed:
        loop.close()
    coro = add(1, 2)
    with pytest.raises(giambio.RunFinishedError):
        managers[0].spawn_threadsafe(coro)
    assert coro.cr_frame is None
    loop.close()


def test_a_loop_that_is_interrupted_settles_the_futures(driver: str) -> None:
    """A thread that waits for a future must not wait for ever."""
    futures: list[Future[Any]] = []

    class Boom(BaseException):
        pass

    async def main(loop: giambio.EventLoop) -> None:
        async with giambio.TaskManager() as manager:
            futures.append(manager.spawn_threadsafe(giambio.sleep_forever))
            while not manager._children:
                await giambio.checkpoint()
            loop._stop_between_steps(Boom())
            await giambio.sleep_forever()

    loop = giambio.EventLoop(driver=driver)
    with pytest.raises(Boom):
        loop.start(main, loop)
    loop.close()
    with pytest.raises(giambio.TaskCancelled):
        futures[0].result(0)


def test_what_was_handed_in_while_the_block_was_open_is_joined(run: Run) -> None:
    """Rules 7.22, 7.3: a task handed in while the block was open is joined."""

    async def main() -> Future[int]:
        async with giambio.TaskManager() as manager:
            return manager.spawn_threadsafe(add, 1, 2)

    assert run(main).result(0) == 3


def test_many_threads_at_once(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            results: list[int] = []

            def thread(start: int) -> None:
                futures = [manager.spawn_threadsafe(add, start, n) for n in range(100)]
                results.extend(future.result(LONG) for future in futures)

            threads = [threading.Thread(target=thread, args=(n * 100,)) for n in range(4)]
            for worker in threads:
                worker.start()
            while any(worker.is_alive() for worker in threads):
                await giambio.sleep(0.001)
        assert sorted(results) == list(range(400))

    run(main)


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


def test_the_context_is_the_calling_threads(run: Run) -> None:
    """Rule 7.11: `spawn` copies the spawner's context at the call."""

    async def read() -> str:
        return variable.get()

    async def main() -> object:
        variable.set("loop")
        async with giambio.TaskManager() as manager:

            def thread() -> str:
                variable.set("thread")
                future = manager.spawn_threadsafe(read)
                variable.set("later")
                return future.result(LONG)

            return await in_thread_meanwhile(thread)

    assert run(main) == "thread"


def test_no_refused_coroutine_warns(run: Run) -> None:
    """Rules 7.9, 19.2: the refused coroutine is closed."""

    async def main() -> None:
        async with giambio.TaskManager(limit=1) as manager:
            await manager.spawn(giambio.sleep, 0.01)
            coro = add(1, 2)
            future = manager.spawn_threadsafe(coro)
        assert isinstance(future.exception(0), giambio.WouldBlock)
        assert coro.cr_frame is None
        gc.collect()

    run(main)


def test_the_future_is_settled_when_the_loop_is_interrupted_first(run: Run) -> None:
    futures: list[concurrent.futures.Future[Any]] = []

    async def main() -> None:
        loop = giambio.current_loop()
        async with giambio.TaskManager() as manager:
            futures.append(manager.spawn_threadsafe(giambio.sleep, 0))
            loop._stop_between_steps(KeyboardInterrupt())
            await giambio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    with pytest.raises(giambio.RunFinishedError, match="has ended"):
        futures[0].result(timeout=0)


def test_a_future_settled_by_somebody_else_does_no_harm(run: Run) -> None:
    async def main() -> str:
        async with giambio.TaskManager() as manager:
            future = manager.spawn_threadsafe(giambio.sleep, 0)
            future.set_result("mine")
        return str(future.result())

    assert run(main) == "mine"


def test_a_wake_up_that_the_system_refused_does_not_keep_the_next_from_coming(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread wakes the loop through a socket, and even that needs memory."""
    refused: list[bytes] = []
    send = socket.socket.send

    def refusing(sock: socket.socket, data: bytes) -> int:
        if not refused:
            refused.append(data)
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return send(sock, data)

    monkeypatch.setattr(socket.socket, "send", refusing)

    async def main() -> None:
        event = giambio.Event()
        loop = giambio.current_loop()

        def call() -> None:
            loop.call_soon_threadsafe(int)
            assert refused == [b"\0"]
            loop.call_soon_threadsafe(event.set)

        with giambio.fail_after(LONG):
            waiting = threading.Timer(0.05, call)  # the loop waits for the system by then
            waiting.start()
            await event.wait()
        waiting.join()

    run(main)
