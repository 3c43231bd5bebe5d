"""The drop-in loop: asyncio's programs on giambio's kernel, with all of giambio in their tasks."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import giambio
import giambio.asyncio
from giambio.testing import VirtualClock
from support.net import open_descriptors
from support.programs import printed

pytestmark = pytest.mark.filterwarnings("ignore:.*polic:DeprecationWarning")


@pytest.fixture
def make_loop(driver: str) -> Iterator[Callable[..., giambio.asyncio.EventLoop]]:
    """Makes drop-in loops on a driver, which are closed after the test."""
    loops: list[giambio.asyncio.EventLoop] = []

    def make(**options: Any) -> giambio.asyncio.EventLoop:
        loops.append(giambio.asyncio.EventLoop(driver=driver, **options))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()


MakeLoop = Callable[..., giambio.asyncio.EventLoop]


async def everything() -> str:
    """A bit of each, in a task of asyncio's."""
    async with giambio.TaskManager() as manager:
        native = await manager.spawn(giambio.sleep, 0.01)
        theirs = await manager.spawn(asyncio.sleep, 0.01, "slept")
    assert native.done()
    assert theirs.result() == "slept"
    with giambio.move_on_after(0.01) as scope:
        await asyncio.sleep(60)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await giambio.sleep_forever()
    assert await giambio.to_thread(threading.current_thread) is not threading.current_thread()
    (listener,) = await giambio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, await giambio.connect_tcp(*listener.address) as stream:
        accepted, _ = await listener.accept()
        async with accepted:
            await stream.send_all(b"hello")
            assert await accepted.receive() == b"hello"
    return "done"


def test_all_of_giambio_works_in_a_task_of_the_drop_in_loop(make_loop: MakeLoop) -> None:
    """Rule 24.23: as in a run of giambio's own."""
    assert make_loop().run_until_complete(everything()) == "done"


@pytest.mark.parametrize("way", ["run", "runner", "factory", "install"])
def test_the_ways_to_choose_the_loop(way: str) -> None:
    """Rule 24.23: those that people know."""
    seen: list[type] = []

    async def main() -> str:
        seen.append(type(asyncio.get_running_loop()))
        return await everything()

    if way == "run":
        assert giambio.asyncio.run(main()) == "done"
    elif way == "runner":
        with asyncio.Runner(loop_factory=giambio.asyncio.new_event_loop) as runner:
            assert runner.run(main()) == "done"
    elif way == "factory":
        if sys.version_info < (3, 12):
            pytest.skip("asyncio.run(loop_factory=) came with Python 3.12")
        assert asyncio.run(main(), loop_factory=giambio.asyncio.EventLoop) == "done"
    else:
        before = asyncio.get_event_loop_policy()
        giambio.asyncio.install()
        try:
            assert asyncio.run(main()) == "done"
        finally:
            asyncio.set_event_loop_policy(before)
    assert seen == [giambio.asyncio.EventLoop]


def test_a_loop_can_run_again_and_again(make_loop: MakeLoop) -> None:
    """Rule 24.23: it keeps its descriptors from its construction to `close()`."""
    before = open_descriptors()
    loop = make_loop()
    for number in range(3):
        assert loop.run_until_complete(asyncio.sleep(0, number)) == number
    loop.close()
    loop.close()
    assert loop.is_closed()
    assert open_descriptors() == before
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon(print)


def test_a_task_goes_on_in_the_next_run(make_loop: MakeLoop) -> None:
    """Rule 24.23: what was begun in one run of the loop ends in another."""
    loop = make_loop()

    async def long() -> str:
        await giambio.sleep(0.02)
        return "ended"

    task = loop.create_task(long())
    loop.run_until_complete(asyncio.sleep(0))
    assert not task.done()
    assert loop.run_until_complete(task) == "ended"


def test_an_error_in_a_callback_goes_to_the_exception_handler(make_loop: MakeLoop) -> None:
    """Rule 24.23: there is no main task to raise it in."""
    loop = make_loop()
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    def fails() -> None:
        raise KeyError("callback")

    loop.call_soon(fails)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert [repr(context["exception"]) for context in contexts] == ["KeyError('callback')"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_in_a_callback_or_a_task_ends_the_run(
    make_loop: MakeLoop, error: type[BaseException]
) -> None:
    """Rule 24.23: at once, and the loop can run again."""
    loop = make_loop()

    def fails() -> None:
        raise error("now")

    async def task() -> None:
        fails()

    loop.call_soon(fails)
    with pytest.raises(error, match="now"):
        loop.run_until_complete(asyncio.sleep(60))
    with pytest.raises(error, match="now"):
        loop.run_until_complete(task())
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"
    for left in asyncio.all_tasks(loop):
        left.cancel()
    loop.run_until_complete(asyncio.sleep(0.01))


def test_nobody_waits_for_a_deadlock_there(make_loop: MakeLoop) -> None:
    """Rule 24.23: a loop without a main task may wait for what comes."""
    loop = make_loop()
    event = giambio.Event()
    task = loop.create_task(event.wait())
    threading.Timer(0.3, loop.call_soon_threadsafe, [event.set]).start()
    loop.run_until_complete(task)


def test_ctrl_c_cancels_the_main_task_of_a_runner() -> None:
    """Rule 24.19: as on asyncio's loop, also while the loop sleeps."""
    seen: list[str] = []

    async def main() -> None:
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
        try:
            await giambio.sleep_forever()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        giambio.asyncio.run(main())
    assert seen == ["cancelled"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    descriptor = signal.set_wakeup_fd(-1)
    assert descriptor == -1


def test_constructing_a_loop_touches_no_signal(make_loop: MakeLoop) -> None:
    """Rule 24.19: a runner does, not the loop."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    make_loop().run_until_complete(asyncio.sleep(0))
    assert handlers == {number: signal.getsignal(number) for number in handlers}


def test_a_signal_handler_of_the_loop(make_loop: MakeLoop) -> None:
    """Rule 24.19: it is called in the loop, and the process is as before when it is closed."""
    loop = make_loop()
    seen: list[str] = []

    async def main() -> None:
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, lambda: (seen.append("USR1"), came.set()))
        os.kill(os.getpid(), signal.SIGUSR1)
        await came.wait()

    loop.run_until_complete(main())
    loop.close()
    assert seen == ["USR1"]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_a_loop_in_each_of_ten_threads(driver: str) -> None:
    """Rule 24.23: they share nothing."""
    results: list[str] = []

    def thread() -> None:
        with asyncio.Runner(
            loop_factory=lambda: giambio.asyncio.EventLoop(driver=driver)
        ) as runner:
            results.append(runner.run(everything()))

    threads = [threading.Thread(target=thread) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results == ["done"] * 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_can_make_a_loop_of_its_own(driver: str) -> None:
    """Rule 24.24: and leaves its parent's alone."""
    assert printed(
        f"""
        import asyncio, os, warnings
        import giambio.asyncio
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads
        async def main():
            child = os.fork()
            if child == 0:
                asyncio._set_running_loop(None)
                giambio.asyncio.run(asyncio.sleep(0.01))
                os._exit(7)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            print(os.waitstatus_to_exitcode(status))
            await asyncio.sleep(0.01)
            print("parent goes on")
        with asyncio.Runner(
            loop_factory=lambda: giambio.asyncio.EventLoop(driver={driver!r})
        ) as runner:
            runner.run(main())
        """
    ) == ["7", "parent goes on"]


def test_a_virtual_clock_and_a_seed(make_loop: MakeLoop) -> None:
    """Rule 24.17: for programs that know asyncio only."""

    async def main() -> float:
        begin = asyncio.get_running_loop().time()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(60))
        return asyncio.get_running_loop().time() - begin

    loop = make_loop(clock=VirtualClock(), seed=7)
    assert loop.run_until_complete(main()) == 3600


def test_a_loop_inside_a_loop_is_refused(make_loop: MakeLoop) -> None:
    """Rule 24.22: whichever is the outer one."""
    loop = make_loop()

    async def inner() -> None:
        with pytest.raises(RuntimeError, match="running a loop already"):
            giambio.run(giambio.sleep, 0)
        other = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            asyncio.run(other)
        other.close()
        another = asyncio.sleep(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as a coroutine of the loop that nobody awaits
            with pytest.raises(RuntimeError, match="running a loop already"):
                giambio.asyncio.run(another)
        another.close()

    loop.run_until_complete(inner())


def test_stop_before_the_run_lets_one_turn_pass(make_loop: MakeLoop) -> None:
    """Rule 24.23: with what is ready and due, and no more."""
    loop = make_loop()
    seen: list[str] = []
    loop.call_soon(seen.append, "ready")
    loop.call_later(-1, seen.append, "due")
    loop.call_soon(lambda: loop.call_soon(seen.append, "next turn"))
    loop.stop()
    loop.run_forever()
    assert seen == ["ready", "due"]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == ["ready", "due", "next turn"]


def test_closing_the_loop_inside_a_callback_is_refused(make_loop: MakeLoop) -> None:
    """Rule 24.22: as on asyncio's loop."""
    loop = make_loop()
    errors: list[str] = []
    loop.set_exception_handler(lambda loop, context: errors.append(str(context["exception"])))
    loop.call_soon(loop.close)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert errors == ["Cannot close a running event loop"]


def test_readers_and_writers_stay_until_they_are_removed(make_loop: MakeLoop) -> None:
    """Rule 24.25: level-triggered, and an event belongs to one registration."""
    loop = make_loop()
    left, right = socket.socketpair()
    seen: list[bytes] = []

    def read() -> None:
        seen.append(right.recv(1))
        if seen[-1] == b"c":
            loop.remove_reader(right)

    async def main() -> None:
        loop.add_reader(right, read)
        loop.add_writer(left, seen.append, b"w")
        await asyncio.sleep(0)
        while b"w" not in seen:
            await asyncio.sleep(0)
        assert loop.remove_writer(left)
        assert not loop.remove_writer(left)
        left.send(b"abcd")
        while b"c" not in seen:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

    with left, right:
        loop.run_until_complete(main())
    assert [one for one in seen if one != b"w"] == [b"a", b"b", b"c"]


def test_a_registration_that_was_replaced_is_not_called(make_loop: MakeLoop) -> None:
    """Rule 24.25: also if its event was reported already."""
    loop = make_loop()
    left, right = socket.socketpair()
    seen: list[str] = []

    async def main() -> None:
        def first() -> None:
            seen.append("first")
            loop.remove_reader(other_right)
            loop.add_reader(other_right, second)

        def second() -> None:
            seen.append("second")
            other_right.recv(1)
            loop.remove_reader(right)
            loop.remove_reader(other_right)

        loop.add_reader(right, first)
        loop.add_reader(other_right, seen.append, "stale")
        left.send(b"x")
        await asyncio.sleep(0)
        other_left.send(b"x")
        while "second" not in seen:
            await asyncio.sleep(0)

    other_left, other_right = socket.socketpair()
    with left, right, other_left, other_right:
        loop.run_until_complete(main())
    assert "second" in seen


def test_a_descriptor_that_cannot_be_watched_is_refused(make_loop: MakeLoop, tmp_path: Any) -> None:
    """Rule 24.25: a file is always ready."""
    loop = make_loop()
    with (tmp_path / "file").open("w") as file:
        if type(loop._kernel._driver).__name__.startswith("Epoll"):
            with pytest.raises(PermissionError, match="always ready"):
                loop.add_reader(file, print)
    with pytest.raises(ValueError, match="Invalid file object: 'file'"):
        loop.add_reader("file", print)  # type: ignore[arg-type]


def test_slow_steps_are_logged_in_debug_mode(
    make_loop: MakeLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 24.23: of tasks, which are no callbacks here, too."""
    loop = make_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0

    async def named() -> None:
        await asyncio.sleep(0)

    loop.run_until_complete(named())
    assert "Executing <Task" in caplog.text
    assert "named()" in caplog.text


def test_an_async_generator_is_closed_by_the_loop(make_loop: MakeLoop) -> None:
    """Rule 24.23: as asyncio's loop does, with a task of its own that may wait."""
    ended: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            await giambio.sleep(0)
            ended.append("closed")

    async def main() -> None:
        async for _ in numbers():
            break
        for _ in range(10):
            await asyncio.sleep(0)

    make_loop().run_until_complete(main())
    assert ended == ["closed"]


def test_an_unclosed_loop_warns() -> None:
    """Rule 24.23: as asyncio's does."""
    loop = giambio.asyncio.EventLoop()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.__del__()
    assert any("unclosed event loop" in str(one.message) for one in caught)
    assert loop.is_closed()
