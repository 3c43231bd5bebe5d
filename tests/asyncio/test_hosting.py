"""asyncio's libraries in giambio's tasks: what is made for asyncio can be awaited in each."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sniffio

import giambio
from giambio.testing import VirtualClock
from support.kernel import without_collector
from support.programs import printed

Run = Callable[..., Any]

#: Tasks that nobody awaits; the loop holds them anyway.
kept: list[asyncio.Task[Any]] = []


# -- which loop runs -------------------------------------------------------------------


def test_each_task_and_callback_has_a_running_asyncio_loop(run: Run) -> None:
    """Rule 24.1: the same one in all of a run."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def note() -> None:
        loops.append(asyncio.get_running_loop())

    async def main() -> None:
        await note()
        async with giambio.TaskManager() as manager:
            await manager.spawn(note)
        giambio.current_loop().call_soon(lambda: loops.append(asyncio.get_running_loop()))
        await giambio.sleep(0)
        assert loops[0].is_running()

    run(main)
    assert len(loops) == 3
    assert len(set(loops)) == 1
    assert loops[0].is_closed()
    assert not loops[0].is_running()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.mark.parametrize(
    "imports",
    ["import asyncio, giambio", "import giambio, asyncio", "import giambio"],
    ids=["asyncio first", "giambio first", "asyncio in a running task"],
)
def test_it_does_not_matter_when_asyncio_is_imported(imports: str) -> None:
    """Rule 24.1: before giambio, after it, or in a running task."""
    assert printed(
        f"""
        {imports}
        async def main():
            import asyncio
            assert asyncio.current_task().get_coro().__name__ == "main"
            print(await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.sleep(0, 2)))
            try:
                async with asyncio.timeout(0.01):
                    await giambio.sleep_forever()
            except TimeoutError:
                print("timeout")
        giambio.run(main)
        """
    ) == ["[1, 2]", "timeout"]


@pytest.mark.parametrize("start", ["giambio.run(main)", "giambio.asyncio.run(main())"])
def test_libraries_that_took_current_task_by_name_before_know_all_tasks(start: str) -> None:
    """Rule 24.5: AnyIO's backend does, and pytest imports it first."""
    assert printed(
        f"""
        from asyncio import current_task as mine
        import giambio.asyncio
        async def child():
            print(mine().get_coro().__name__)
        async def main():
            async with giambio.TaskManager() as manager:
                await manager.spawn(child)
        {start}
        """
    ) == ["child"]


def test_a_thread_that_imports_asyncio_serves_the_loop_of_another(tmp_path: Any) -> None:
    """Rule 24.1: every loop that runs then gets one."""
    assert printed(
        """
        import giambio, importlib
        async def main():
            await giambio.to_thread(importlib.import_module, "asyncio")
            import asyncio
            print(await asyncio.sleep(0.01, "slept"))
        giambio.run(main)
        """
    ) == ["slept"]


def test_a_program_without_asyncio_never_imports_it() -> None:
    """Rule 24.2: nor giambio's room for it."""
    assert printed(
        """
        import giambio, sys
        async def main():
            async with giambio.TaskManager() as manager:
                await manager.spawn(giambio.sleep, 0.01)
            await giambio.to_thread(int)
        giambio.run(main)
        print([name for name in sys.modules if "asyncio" in name])
        """
    ) == ["[]"]


def test_without_asyncio_a_bare_yield_is_refused() -> None:
    """Rules 3.1, 3.2: `None` means something to asyncio only."""
    assert printed(
        """
        import giambio, types
        @types.coroutine
        def bare():
            yield
        try:
            giambio.run(bare)
        except TypeError as exc:
            print(exc)
        """
    ) == [
        "a giambio task awaited something that is not giambio's: None; an awaitable of another "
        "library needs that library's loop"
    ]


# -- what can be awaited ---------------------------------------------------------------


def test_a_task_in_something_that_is_no_context_is_refused_at_the_call(run: Run) -> None:
    """Rule 24.4: it would end the run otherwise."""

    async def main() -> None:
        coro = asyncio.sleep(0)
        wrong: Any = "context"
        with pytest.raises(TypeError, match="context= needs a context"):
            asyncio.get_running_loop().create_task(coro, context=wrong)
        coro.close()
        assert not asyncio.all_tasks()

    run(main)


def test_the_loop_of_a_run_is_freed_with_it() -> None:
    """Rule 24.1: without the garbage collector."""

    async def main() -> Any:
        await asyncio.create_task(asyncio.sleep(0))
        return weakref.ref(asyncio.get_running_loop())

    gc.disable()
    try:
        assert giambio.run(main)() is None
    finally:
        gc.enable()


def test_everything_of_asyncio_can_be_awaited_in_a_native_task(run: Run) -> None:
    """Rules 3.3, 24.3: futures, coroutines, tasks, and what is built of them."""

    async def produce(queue: asyncio.Queue[int]) -> None:
        for number in range(3):
            await queue.put(number)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(0.01, future.set_result, "done")
        assert await future == "done"
        assert await asyncio.sleep(0, "slept") == "slept"
        assert await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.sleep(0, 2)) == [1, 2]
        assert await asyncio.wait_for(asyncio.sleep(0, 3), 1) == 3
        assert await asyncio.to_thread(threading.current_thread) is not threading.current_thread()
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(queue))
            assert [await queue.get() for _ in range(3)] == [0, 1, 2]
        assert await giambio.map_concurrent(asyncio.sleep, [0.01, 0.0], limit=2) == [None, None]

    run(main)


def test_asyncios_streams_and_subprocesses_work_beside_giambios(run: Run) -> None:
    """Rule 24.3: transports, too."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"asyncio\n")
            assert await reader.read() == b"asyncio\n"
            writer.close()
            await writer.wait_closed()
            async with await giambio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send_all(b"giambio\n")
                assert await stream.receive() == b"giambio\n"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(input()[::-1])", stdin=-1, stdout=-1
        )
        assert (await process.communicate(b"olleh\n"))[0].strip() == b"hello"

    run(main)


def test_an_error_of_a_future_is_raised_at_its_await(run: Run) -> None:
    """Rule 24.3: with the user's own frames."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, KeyError("theirs"))
        with pytest.raises(KeyError, match="theirs"):
            await future

    run(main)


def test_a_future_of_another_loop_is_refused(run: Run) -> None:
    """Rule 24.3: by asyncio's own message."""
    other = asyncio.new_event_loop()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="attached to a different loop"):
            await other.create_future()

    try:
        run(main)
    finally:
        other.close()


def test_an_object_that_means_nothing_to_asyncio_either_is_refused(run: Run) -> None:
    """Rule 3.2: in a native task by a `TypeError`, in asyncio's by its own error."""

    class Yields:
        def __await__(self) -> Any:
            yield "their thing"

    async def awaits() -> None:
        await Yields()

    async def main() -> None:
        with pytest.raises(TypeError, match="not giambio's: 'their thing';"):
            await awaits()
        with pytest.raises(RuntimeError, match="Task got bad yield: 'their thing'"):
            await asyncio.create_task(awaits())

    run(main)


def test_a_bare_yield_is_one_trip_through_the_run_queue(run: Run) -> None:
    """Rule 24.6: as long as a checkpoint of giambio's."""
    order: list[str] = []

    async def yields(name: str, wait: Callable[[], Any]) -> None:
        for _ in range(3):
            order.append(name)
            await wait()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(yields, "a", lambda: asyncio.sleep(0))
            await manager.spawn(yields, "g", giambio.checkpoint)

    run(main, seed=None)
    if not os.environ.get("GIAMBIO_SEED"):
        assert "".join(order) == "agagag"


def test_a_future_that_is_done_already_is_no_wait(run: Run) -> None:
    """Rule 24.3: as on asyncio's loop, awaiting it goes on at once."""

    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        future.set_result("done")
        return await future

    assert run(main) == "done"


def test_a_callback_of_a_thread_comes_before_what_was_scheduled_later(run: Run) -> None:
    """Rule 24.5: in the order in which they were scheduled, whoever did it."""
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(order.append, "thread"))
        thread.start()
        thread.join()
        loop.call_soon(order.append, "loop")
        await asyncio.sleep(0.01)

    run(main)
    assert order == ["thread", "loop"]


# -- tasks -----------------------------------------------------------------------------


def test_a_task_of_create_task_is_giambios_too(run: Run) -> None:
    """Rule 24.4: giambio's own functions work in there."""

    async def both() -> str:
        task = asyncio.current_task()
        assert task is not None
        assert isinstance(task, asyncio.Task)
        assert giambio.current_task().name == task.get_name() == "both"
        async with giambio.TaskManager() as manager:
            child = await manager.spawn(giambio.sleep, 0.01)
            await manager.spawn(asyncio.sleep, 0.01)
        with giambio.move_on_after(0.01) as scope:
            await asyncio.sleep(60)
        assert child.done()
        assert scope.cancelled_caught
        return "value"

    async def main() -> None:
        task = asyncio.create_task(both(), name="both")
        assert not task.done()
        assert task in asyncio.all_tasks()
        assert await task == "value" == task.result()

    run(main)


def test_a_task_of_create_task_belongs_to_no_scope(run: Run) -> None:
    """Rule 24.4: pools start their maintenance in the task that calls first."""
    ended: list[str] = []

    async def maintain() -> None:
        await asyncio.sleep(0.02)
        ended.append("maintenance")

    async def main() -> None:
        with giambio.CancelScope() as scope:
            async with giambio.TaskManager() as manager:
                await manager.spawn(giambio.sleep, 0)
                task = asyncio.create_task(maintain())
            scope.cancel()
        assert not task.done()
        await task

    run(main)
    assert ended == ["maintenance"]


def test_what_is_left_is_cancelled_and_awaited_when_main_ends(run: Run) -> None:
    """Rule 24.4: what a clean-up starts, too."""
    ended: list[str] = []

    async def cleans_up(depth: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append(f"task {depth}")
            if depth:
                kept.append(asyncio.create_task(cleans_up(depth - 1)))
                await asyncio.sleep(0)

    async def main() -> str:
        kept.append(asyncio.create_task(cleans_up(1)))
        await asyncio.sleep(0)
        return "value"

    assert run(main) == "value"
    assert ended == ["task 1", "task 0"]


def test_a_failure_of_a_task_that_is_left_goes_to_the_exception_handler(run: Run) -> None:
    """Rule 24.4: as `asyncio.run` does."""
    contexts: list[dict[str, Any]] = []

    async def fails() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError("clean-up")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, about: contexts.append(about))
        kept.append(asyncio.create_task(fails()))
        await asyncio.sleep(0)

    run(main)
    assert [repr(about["exception"]) for about in contexts] == ["KeyError('clean-up')"]


def test_no_thread_of_the_executor_is_left(run: Run) -> None:
    """Rule 24.4: it is shut down with the loop."""
    before = threading.active_count()

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(int) for _ in range(4)))

    run(main)
    assert threading.active_count() == before


def test_a_native_task_has_an_asyncio_task_that_all_tasks_does_not_list(run: Run) -> None:
    """Rule 24.5: "cancel all tasks but me" must not reach into managers."""
    seen: list[Any] = []

    async def native() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0.01)
        assert asyncio.current_task() is seen[-1]

    async def main() -> None:
        me = asyncio.current_task()
        async with giambio.TaskManager() as manager:
            await manager.spawn(native, name="child")
        assert me is asyncio.current_task()
        assert me not in asyncio.all_tasks()
        child = seen[0]
        assert child is not me
        assert child.get_name() == "child"
        assert child.done()
        assert child.result() is None
        assert asyncio.all_tasks() == set()

    run(main)


def test_a_task_that_is_nothing_but_an_operation_has_one_too(run: Run) -> None:
    """Rule 24.5: although asyncio takes coroutines only."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(giambio.sleep, 0.01)
            waiting = await manager.spawn(asyncio.wait_for, future, 1)
            future.set_result("done")
        assert task.done()
        assert waiting.result() == "done"

    run(main)


def test_a_callback_has_no_current_task(run: Run) -> None:
    """Rule 24.5: as on asyncio's loop."""
    seen: list[Any] = []

    async def main() -> None:
        assert asyncio.current_task() is not None
        asyncio.get_running_loop().call_soon(lambda: seen.append(asyncio.current_task()))
        await asyncio.sleep(0.01)

    run(main)
    assert seen == [None]


def test_every_method_of_a_task_can_be_called_unbound(run: Run) -> None:
    """Rule 24.5: C code reads what is in there."""

    async def main() -> None:
        for task in (asyncio.current_task(), asyncio.create_task(asyncio.sleep(0.01, "slept"))):
            assert task is not None
            base = type(task).__mro__[1]
            if sys.version_info >= (3, 12):
                assert isinstance(base.get_context(task), contextvars.Context)
            assert base.get_name(task) == task.get_name()
            assert base.get_coro(task) is task.get_coro()
            assert base.get_loop(task) is asyncio.get_running_loop()
            assert base.cancelling(task) == 0 == base.uncancel(task)
            assert base.done(task) is base.cancelled(task) is False
            assert isinstance(base.get_stack(task), list)
            assert base.__repr__(task).startswith("<Task pending name=")
            for method in (base.result, base.exception):
                with pytest.raises(asyncio.InvalidStateError):
                    method(task)
            with pytest.raises(RuntimeError, match="does not support set_result"):
                base.set_result(task, None)
            base.add_done_callback(task, print)
            assert base.remove_done_callback(task, print) == 1
        assert await task == "slept"

    run(main)


def test_the_name_of_the_library_is_told_by_the_kind_of_the_task(run: Run) -> None:
    """Rule 24.16: one client works from both."""
    names: list[str] = []

    async def note() -> None:
        names.append(sniffio.current_async_library())
        await asyncio.sleep(0)
        names.append(sniffio.current_async_library())

    async def main() -> None:
        await note()
        await asyncio.create_task(note())
        asyncio.get_running_loop().call_soon(lambda: names.append(sniffio.current_async_library()))
        await asyncio.sleep(0.01)
        await note()

    run(main)
    assert names == ["giambio"] * 2 + ["asyncio"] * 3 + ["giambio"] * 2


def test_create_task_takes_an_operation_of_giambios(run: Run) -> None:
    """Rule 24.4: although asyncio's own loops take coroutines only."""

    async def main() -> None:
        task = asyncio.create_task(giambio.sleep(0.01))
        async with asyncio.TaskGroup() as group:
            group.create_task(giambio.sleep(0.01))
        assert await task is None
        with pytest.raises(TypeError, match="a coroutine was expected, got 1"):
            kept.append(asyncio.create_task(1))  # type: ignore[arg-type]

    run(main)


# -- eager tasks, and tasks by their class ----------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_an_eager_task_runs_at_once_and_giambio_works_in_it(run: Run) -> None:
    """Rule 24.20: by the factory, and by the class."""
    order: list[str] = []

    async def eager() -> str:
        order.append("first step")
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep, 0.01)
        order.append("end")
        return "value"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        me = giambio.current_task(), asyncio.current_task()
        task: Any = asyncio.Task(eager(), loop=loop, eager_start=True)
        order.append("made")
        assert (giambio.current_task(), asyncio.current_task()) == me
        assert await task == "value"
        loop.set_task_factory(asyncio.eager_task_factory)
        assert await asyncio.create_task(eager()) == "value"

    run(main)
    assert order == ["first step", "made", "end", "first step", "end"]


def test_a_task_made_by_its_class_is_giambios_too(run: Run) -> None:
    """Rule 24.20: `isinstance` and subclasses go on to work."""

    async def both() -> str:
        await giambio.sleep(0)
        return "value"

    async def main() -> None:
        task = asyncio.Task(both(), name="by class")
        assert isinstance(task, asyncio.Task)
        assert issubclass(type(task), asyncio.Task)
        assert await task == "value"
        assert task.get_name() == "by class"

    class Mine(asyncio.Task[Any]):
        pass

    run(main)
    assert issubclass(Mine, asyncio.Task)
    assert not isinstance(1, asyncio.Task)


def test_a_task_that_asyncio_steps_by_itself_says_so(run: Run) -> None:
    """Rule 24.21: an operation of giambio's there never binds to another task."""

    class Mine(asyncio.Task[Any]):
        pass

    async def strange() -> str:
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"sleep\(\) was awaited in <.*create_task"):
            await giambio.sleep(0)
        return "told"

    async def main() -> None:
        await asyncio.sleep(0)
        assert await Mine(strange(), loop=asyncio.get_running_loop()) == "told"

    run(main)


# -- around it ---------------------------------------------------------------------------


def test_time_is_the_kernels(run: Run) -> None:
    """Rule 24.17: a virtual clock drives asyncio's timers, too."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        assert begin == giambio.current_time()
        await asyncio.gather(asyncio.sleep(3600), giambio.sleep(1800))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(3600)
        return loop.time() - begin

    assert run(main, clock=VirtualClock()) == 3660


def test_a_random_schedule_is_repeatable(run: Run) -> None:
    """Rule 24.17: with the same seed."""

    async def main() -> list[int]:
        order: list[int] = []

        async def note(number: int) -> None:
            for _ in range(3):
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*map(note, range(5)))
        return order

    orders = [run(main, seed=seed) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len(set(map(tuple, orders))) > 1


def test_a_future_that_nobody_completes_is_no_deadlock() -> None:
    """Rule 24.18: nobody knows who may."""
    code = """
        import asyncio, giambio
        async def main():
            print("waits", flush=True)
            await asyncio.get_running_loop().create_future()
        giambio.run(main)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]


def test_signal_handlers_of_asyncio_leave_those_of_giambio_alone(run: Run) -> None:
    """Rule 24.19: Ctrl-C still cancels main when the last of asyncio's is removed."""
    seen: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, came.set)
        with giambio.open_signal_receiver(signal.SIGUSR2) as received:
            os.kill(os.getpid(), signal.SIGUSR1)
            await came.wait()
            os.kill(os.getpid(), signal.SIGUSR2)
            async for number in received:
                seen.append(number.name)
                break
        assert loop.remove_signal_handler(signal.SIGUSR1)
        assert not loop.remove_signal_handler(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert seen == ["SIGUSR2", "cancelled"]


@pytest.mark.parametrize("wrong", ["run", "run_until_complete", "run_forever", "stop", "close"])
def test_what_would_end_or_turn_the_loop_is_refused(run: Run, wrong: str) -> None:
    """Rule 24.22: with a hint at what to do."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        coro = asyncio.sleep(0)
        messages = {
            "run": r"asyncio.run\(\) cannot be called from a running event loop",
            "run_until_complete": r"runs in giambio.run\(main\)",
            "run_forever": r"runs in giambio.run\(main\)",
            "stop": "cancel main's task instead",
            "close": "Cannot close a running event loop",
        }
        with pytest.raises(RuntimeError, match=messages[wrong]):
            if wrong == "run":
                asyncio.run(coro)
            elif wrong == "run_until_complete":
                loop.run_until_complete(coro)
            else:
                getattr(loop, wrong)()
        coro.close()

    run(main)


def test_giambio_run_inside_says_what_to_do(run: Run) -> None:
    """Rule 24.22: also in a task of asyncio's."""

    async def inner() -> None:
        with pytest.raises(RuntimeError, match="running a loop already"):
            giambio.run(giambio.sleep, 0)

    async def main() -> None:
        await asyncio.create_task(inner())

    run(main)


def test_loops_in_many_threads_have_an_asyncio_loop_each(driver: str) -> None:
    """Rule 24.1: they do not know of each other."""
    results: list[Any] = []

    async def main() -> list[int]:
        return await asyncio.gather(*(asyncio.sleep(0.01, number) for number in range(5)))

    def thread() -> None:
        results.append(giambio.run(main, driver=driver))

    threads = [threading.Thread(target=thread) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results == [[0, 1, 2, 3, 4]] * 10


def test_a_run_that_is_cut_short_leaves_nothing_behind(run: Run) -> None:
    """Rule 24.4: a second Ctrl-C closes what asyncio holds, too."""
    ended: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("stubborn")

    async def main() -> None:
        kept.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(0)
        giambio.current_loop()._stop_between_steps(KeyboardInterrupt())
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert ended == ["stubborn"]


def test_a_loop_that_runs_again_has_a_new_one(loop: giambio.EventLoop) -> None:
    """Rule 24.1: the asyncio loop ends with the run."""

    async def main() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    first, second = loop.start(main), loop.start(main)
    assert first is not second
    assert first.is_closed()
    assert second.is_closed()


def test_nothing_of_a_run_waits_for_the_collector(run: Run) -> None:
    """Rule 24.1: neither the loops, nor what they had."""

    async def main() -> tuple[weakref.ref[Any], weakref.ref[Any]]:
        await asyncio.gather(asyncio.sleep(0), asyncio.create_task(asyncio.sleep(0)))
        return weakref.ref(asyncio.get_running_loop()), weakref.ref(giambio.current_loop())

    with without_collector():
        theirs, ours = run(main)
        assert theirs() is None
        assert ours() is None


# -- async generators --------------------------------------------------------------------


async def numbers(log: list[str]) -> AsyncIterator[int]:
    """Cleans up by waiting."""
    try:
        for number in itertools.count():
            yield number
    finally:
        try:
            await asyncio.sleep(0.001)
            log.append("finished")
        except asyncio.CancelledError:
            log.append("cancelled")


async def leave(log: list[str]) -> None:
    """Drop a generator in the middle, as libraries do."""
    async for _ in numbers(log):
        break


def test_a_generator_of_an_asyncio_task_is_finished_as_asyncio_does(run: Run) -> None:
    """Rule 24.27: it may wait."""
    log: list[str] = []

    async def main() -> None:
        await asyncio.create_task(leave(log))
        while not log:
            await asyncio.sleep(0)
        assert log == ["finished"]

    run(main)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_generator_of_a_task_of_a_manager_is_finished_as_giambio_does(run: Run) -> None:
    """Rules 14.1, 24.27: it may not wait."""
    log: list[str] = []

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(leave, log)
        while not log:
            await asyncio.sleep(0)
        assert log == ["cancelled"]

    run(main)


def test_generators_that_are_alive_at_the_end_are_finished(run: Run) -> None:
    """Rules 14.4, 24.27: those of both kinds of tasks, in this order."""
    log: list[str] = []
    kept: list[Any] = []

    async def begin(name: str) -> None:
        kept.append(named := numbers_named(log, name))
        await anext(named)

    async def main() -> None:
        await asyncio.create_task(begin("asyncio"))
        await begin("giambio")

    run(main)
    assert log == ["asyncio", "giambio"]


async def numbers_named(log: list[str], name: str) -> AsyncIterator[int]:
    try:
        yield 1
    finally:
        await asyncio.sleep(0)
        log.append(name)
