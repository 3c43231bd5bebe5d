"""Portals: calls into a loop from synchronous code in other threads, and a loop in a thread."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import giambio
from support.threads import LONG, until, wait_until

Run = Callable[..., Any]


@pytest.fixture
def portal(driver: str) -> Iterator[giambio.BlockingPortal]:
    """A portal into a loop in another thread, on each driver in turn."""
    with start(driver) as portal:
        yield portal


@contextmanager
def start(driver: str) -> Iterator[giambio.BlockingPortal]:
    """`start_blocking_portal` on a driver."""
    loop = giambio.EventLoop(driver=driver)
    try:
        with giambio.start_blocking_portal(loop) as portal:
            yield portal
    finally:
        loop.close()


async def add(a: int, b: int) -> int:
    await giambio.checkpoint()
    return a + b


async def fail(error: BaseException) -> None:
    await giambio.checkpoint()
    raise error


# -- call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [None, 3, threading.Lock()], ids=repr)
def test_what_is_no_async_context_manager_is_refused(
    portal: giambio.BlockingPortal, wrong: Any
) -> None:
    """Rule 19.1: at the call, and not when it is entered in the loop."""
    with pytest.raises(TypeError, match=r"needs an object for `async with`, not "):
        portal.wrap_async_context_manager(wrong)


@pytest.mark.parametrize("method", ["call", "start_task_soon", "start_task"])
def test_what_is_no_function_is_refused_and_closed(
    portal: giambio.BlockingPortal, method: str
) -> None:
    """Rules 19.2, 19.4: such as `portal.call(giambio.sleep(0))`."""
    coro = add(1, 2)
    for wrong in (None, 3, coro, giambio.sleep(0)):
        message = rf"BlockingPortal\.{method}\(\) needs a function, .*write portal\.{method}\(func"
        with pytest.raises(TypeError, match=message):
            getattr(portal, method)(wrong)
    assert coro.cr_frame is None


def test_it_returns_what_the_function_returns(portal: giambio.BlockingPortal) -> None:
    assert portal.call(add, 1, 2) == 3


def test_an_ordinary_function_is_called_in_the_loop(portal: giambio.BlockingPortal) -> None:
    thread = portal.call(threading.current_thread)
    assert thread is not threading.current_thread()
    assert thread.name == "giambio-portal"
    assert thread.daemon


def test_keywords_are_passed_on(portal: giambio.BlockingPortal) -> None:
    """Rule 13.13: in all calls; and `task_status` is the portal's."""

    async def server(port: int, *, task_status: giambio.TaskStatus[int]) -> None:
        task_status.started(port)

    assert portal.call(add, 1, b=2) == 3
    assert portal.start_task_soon(add, 1, b=2).result() == 3
    assert portal.start_task(server, port=80)[1] == 80
    with pytest.raises(TypeError, match=r"start_task\(\) passes a task_status of its own"):
        portal.start_task(server, 80, task_status=None)


def test_any_awaitable_is_awaited(portal: giambio.BlockingPortal) -> None:
    assert portal.call(lambda: add(1, 2)) == 3
    assert portal.call(giambio.sleep, 0) is None


def test_an_error_is_the_callers_and_the_portal_goes_on(portal: giambio.BlockingPortal) -> None:
    error = ValueError("x")
    with pytest.raises(ValueError) as caught:
        portal.call(fail, error)
    assert caught.value is error
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[0] == "test_an_error_is_the_callers_and_the_portal_goes_on"
    assert names[-1] == "fail"
    assert portal.call(add, 1, 2) == 3


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_also_one_that_would_end_a_program(
    portal: giambio.BlockingPortal, kind: type[BaseException]
) -> None:
    with pytest.raises(kind):
        portal.call(fail, kind())
    assert portal.call(add, 1, 2) == 3


def test_a_cancellation_made_by_hand_ends_nothing_else(portal: giambio.BlockingPortal) -> None:
    with pytest.raises(giambio.CancelledError):
        portal.call(fail, giambio.CancelledError())
    assert portal.call(add, 1, 2) == 3


def test_a_task_that_cancels_itself_is_an_ordinary_exception(
    portal: giambio.BlockingPortal,
) -> None:
    async def cancel_itself() -> None:
        giambio.current_task().cancel()
        await giambio.checkpoint()

    with pytest.raises(giambio.TaskCancelled):
        portal.call(cancel_itself)


def test_calls_from_many_threads(portal: giambio.BlockingPortal) -> None:
    results: list[int] = []

    def thread(number: int) -> None:
        results.extend(portal.call(add, number, n) for n in range(50))

    threads = [threading.Thread(target=thread, args=(number * 50,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(LONG)
    assert sorted(results) == sorted(n + m for n in range(0, 400, 50) for m in range(50))


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


def test_the_context_is_the_calling_threads(portal: giambio.BlockingPortal) -> None:
    async def read() -> str:
        return variable.get()

    token = variable.set("calling thread")
    try:
        assert portal.call(read) == "calling thread"
    finally:
        variable.reset(token)


# -- start_task_soon -------------------------------------------------------------------------


def test_a_future_of_what_comes_of_it(portal: giambio.BlockingPortal) -> None:
    future = portal.start_task_soon(add, 1, 2)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(LONG) == 3
    error = ValueError("x")
    assert portal.start_task_soon(fail, error).exception(LONG) is error


def test_cancelling_the_future_cancels_the_task(portal: giambio.BlockingPortal) -> None:
    began, ended = threading.Event(), threading.Event()

    async def forever() -> None:
        began.set()
        try:
            await giambio.sleep_forever()
        finally:
            ended.set()

    future = portal.start_task_soon(forever)
    assert began.wait(LONG)
    assert future.cancel()
    assert ended.wait(LONG)
    assert future.cancelled()
    assert portal.call(add, 1, 2) == 3


def test_cancelling_the_future_at_once(portal: giambio.BlockingPortal) -> None:
    for _ in range(100):
        future = portal.start_task_soon(add, 1, 2)
        assert future.cancel() or future.result(LONG) == 3
    assert portal.call(add, 1, 2) == 3


def test_it_works_in_the_loops_own_thread(portal: giambio.BlockingPortal) -> None:
    async def start_another() -> int:
        future = portal.start_task_soon(add, 1, 2)
        await until(future.done)
        return int(future.result())

    assert portal.call(start_another) == 3


# -- start_task ------------------------------------------------------------------------------


async def server(port: int, *, task_status: giambio.TaskStatus[int]) -> str:
    await giambio.checkpoint()
    task_status.started(port)
    await giambio.sleep(0.01)
    return "ended"


def test_it_waits_until_the_task_is_ready(portal: giambio.BlockingPortal) -> None:
    future, value = portal.start_task(server, 8080)
    assert value == 8080
    assert future.result(LONG) == "ended"


def test_what_it_raises_before_it_is_ready_comes_out(portal: giambio.BlockingPortal) -> None:
    async def broken(*, task_status: Any) -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        portal.start_task(broken)


def test_what_it_raises_afterwards_is_the_futures(portal: giambio.BlockingPortal) -> None:
    async def broken(*, task_status: Any) -> None:
        task_status.started()
        raise ValueError("x")

    future, value = portal.start_task(broken)
    assert value is None
    assert isinstance(future.exception(LONG), ValueError)


def test_never_getting_ready_and_getting_ready_twice(portal: giambio.BlockingPortal) -> None:
    async def never(*, task_status: Any) -> None:
        pass

    async def twice(*, task_status: Any) -> None:
        task_status.started()
        task_status.started()

    with pytest.raises(RuntimeError, match=r"without calling task_status.started\(\)"):
        portal.start_task(never)
    future, _ = portal.start_task(twice)
    with pytest.raises(RuntimeError, match="called a second time"):
        future.result(LONG)


def test_an_object_may_be_called_though_it_can_be_awaited(portal: giambio.BlockingPortal) -> None:
    class Both:
        def __call__(self) -> str:
            return "called"

        def __await__(self) -> Iterator[None]:
            raise NotImplementedError

    assert portal.call(Both()) == "called"


# -- wrap_async_context_manager ----------------------------------------------------------------


@pytest.mark.parametrize("make", [giambio.CancelScope, giambio.start_blocking_portal])
def test_a_block_of_the_other_kind_is_refused_at_the_call(
    portal: giambio.BlockingPortal, make: Callable[[], Any]
) -> None:
    with pytest.raises(TypeError, match="needs an object for `async with`, not "):
        portal.wrap_async_context_manager(make())


def test_a_coroutine_in_place_of_a_block_is_closed(portal: giambio.BlockingPortal) -> None:
    """Rule 19.2."""

    async def connect() -> None:
        pass

    coro = connect()
    with pytest.raises(TypeError, match="needs an object for `async with`, not <coroutine"):
        portal.wrap_async_context_manager(coro)  # type: ignore[type-var]
    assert coro.cr_frame is None


class Block:
    """An async context manager that says what happens to it."""

    def __init__(self, swallow: bool = False) -> None:
        self.events: list[object] = []
        self.tasks: list[giambio.Task[Any]] = []
        self.swallow = swallow

    async def __aenter__(self) -> str:
        await giambio.checkpoint()
        self.events.append("entered")
        self.tasks.append(giambio.current_task())
        return "value"

    async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool:
        with giambio.CancelScope(shield=True):
            await giambio.checkpoint()
        self.tasks.append(giambio.current_task())
        self.events.append(kind)
        return self.swallow


def test_an_async_with_becomes_a_with(portal: giambio.BlockingPortal) -> None:
    block = Block()
    with portal.wrap_async_context_manager(block) as value:
        assert value == "value"
        assert block.events == ["entered"]
    assert block.events == ["entered", None]
    assert block.tasks[0] is block.tasks[1]


def test_a_scope_may_be_entered_through_it(portal: giambio.BlockingPortal) -> None:
    """One task enters and leaves, as scopes demand."""

    @contextlib.asynccontextmanager
    async def limited() -> AsyncIterator[giambio.CancelScope]:
        with giambio.move_on_after(1000) as scope:
            yield scope

    with portal.wrap_async_context_manager(limited()) as scope:
        assert not scope.cancel_called


def test_an_exception_in_the_block_reaches_it(portal: giambio.BlockingPortal) -> None:
    block = Block()
    error = ValueError("x")
    with pytest.raises(ValueError) as caught, portal.wrap_async_context_manager(block):
        raise error
    assert caught.value is error
    assert block.events == ["entered", ValueError]


def test_it_may_swallow_an_exception(portal: giambio.BlockingPortal) -> None:
    with portal.wrap_async_context_manager(Block(swallow=True)):
        raise ValueError


def test_it_may_fail_to_enter_and_to_leave(portal: giambio.BlockingPortal) -> None:
    @contextlib.asynccontextmanager
    async def broken(early: bool) -> AsyncIterator[None]:
        if early:
            raise ValueError("early")
        yield
        raise ValueError("late")

    with (
        pytest.raises(ValueError, match="early"),
        portal.wrap_async_context_manager(broken(True)),
    ):
        pytest.fail("not reached")
    with pytest.raises(ValueError, match="late"), portal.wrap_async_context_manager(broken(False)):
        pass


def test_the_portal_may_stop_while_the_block_is_open(driver: str) -> None:
    block = Block()
    stack = contextlib.ExitStack()
    with pytest.raises(KeyError), start(driver) as portal:
        stack.enter_context(portal.wrap_async_context_manager(block))
        raise KeyError
    entered, kind = block.events
    assert entered == "entered"
    assert issubclass(kind, giambio.CancelledError)
    with pytest.raises(giambio.TaskCancelled):
        stack.close()


# -- the end ---------------------------------------------------------------------------------


def test_leaving_waits_for_the_calls_under_way(driver: str) -> None:
    async def slow() -> str:
        await giambio.sleep(0.02)
        return "done"

    with start(driver) as portal:
        future = portal.start_task_soon(slow)
    assert future.result(0) == "done"


def test_an_exception_cancels_them(driver: str) -> None:
    with pytest.raises(KeyError), start(driver) as portal:
        future = portal.start_task_soon(giambio.sleep_forever)
        raise KeyError
    with pytest.raises(giambio.TaskCancelled):
        future.result(0)


@pytest.mark.parametrize("name", ["call", "start_task_soon", "start_task"])
def test_afterwards_calls_are_refused(driver: str, name: str) -> None:
    with start(driver) as portal:
        pass
    with pytest.raises(giambio.RunFinishedError, match="takes no calls any more"):
        getattr(portal, name)(add, 1, 2)


def test_stop_refuses_calls_and_may_cancel_the_rest(driver: str) -> None:
    with start(driver) as portal:
        future = portal.start_task_soon(giambio.sleep_forever)
        portal.call(portal.stop, True)
        with pytest.raises(giambio.RunFinishedError):
            portal.call(add, 1, 2)
        with pytest.raises(giambio.TaskCancelled):
            future.result(LONG)


def test_a_loop_that_fails_comes_out_of_the_block(driver: str) -> None:
    """Rule 19.1: no hang when the loop fails."""

    def broken() -> None:
        raise KeyError("a callback")

    async def crash() -> None:
        giambio.current_loop().call_soon(broken)
        await giambio.sleep_forever()

    with pytest.raises(KeyError, match="a callback"), start(driver) as portal:
        with pytest.raises((giambio.TaskCancelled, giambio.RunFinishedError)):
            portal.call(crash)
        wait_until(lambda: not portal_accepts(portal))


def portal_accepts(portal: giambio.BlockingPortal) -> bool:
    """Tell whether it takes calls."""
    try:
        portal.start_task_soon(add, 1, 2)
    except giambio.RunFinishedError:
        return False
    return True


def test_a_loop_that_fails_comes_before_what_followed_from_it(driver: str) -> None:
    def broken() -> None:
        raise KeyError("a callback")

    async def crash() -> None:
        giambio.current_loop().call_soon(broken)
        await giambio.sleep_forever()

    with pytest.raises(KeyError) as caught, start(driver) as portal:
        portal.call(crash)
    followed = (giambio.TaskCancelled, giambio.RunFinishedError)
    assert isinstance(caught.value.__context__, followed)


class Boom(BaseException):
    """Ends a loop from outside."""


def test_a_loop_that_is_interrupted_leaves_nobody_waiting(driver: str) -> None:
    loop = giambio.EventLoop(driver=driver)

    async def interrupt() -> None:
        loop._stop_between_steps(Boom())
        await giambio.sleep_forever()

    with pytest.raises(Boom), giambio.start_blocking_portal(loop) as portal:
        waiting = portal.start_task_soon(giambio.sleep_forever)
        with pytest.raises((giambio.TaskCancelled, giambio.RunFinishedError)):
            portal.call(interrupt)
        with pytest.raises((giambio.TaskCancelled, giambio.RunFinishedError)):
            waiting.result(LONG)
    loop.close()


def test_a_loop_that_cannot_start_says_so() -> None:
    loop = giambio.EventLoop()
    loop.close()
    with pytest.raises(giambio.RunFinishedError), giambio.start_blocking_portal(loop):
        pytest.fail("not reached")


def test_what_is_no_loop_says_so() -> None:
    """Rule 19.1: the error names the mistake."""
    with pytest.raises(TypeError, match=r"needs a giambio\.EventLoop, not 5"):
        giambio.start_blocking_portal(5)  # type: ignore[arg-type]


def test_a_given_loop_can_be_used_again(driver: str) -> None:
    loop = giambio.EventLoop(driver=driver)
    for _ in range(3):
        with giambio.start_blocking_portal(loop) as portal:
            assert portal.call(giambio.current_loop) is loop
    assert loop.start(add, 1, 2) == 3
    loop.close()


def test_without_a_loop_it_makes_one() -> None:
    with giambio.start_blocking_portal() as portal:
        assert isinstance(portal.call(giambio.current_loop), giambio.EventLoop)


# -- a portal in a loop that runs anyway -------------------------------------------------------


def test_other_threads_call_into_a_running_loop(run: Run) -> None:
    results: list[int] = []

    async def main() -> None:
        async with giambio.BlockingPortal() as portal:
            thread = threading.Thread(target=lambda: results.append(portal.call(add, 1, 2)))
            thread.start()
            await until(lambda: results)
            thread.join(LONG)

    run(main)
    assert results == [3]


def test_leaving_the_block_waits_for_a_thread_that_is_being_served(run: Run) -> None:
    results: list[str] = []
    began = threading.Event()

    async def slow() -> str:
        began.set()
        await giambio.sleep(0.02)
        return "served"

    async def main() -> None:
        async with giambio.BlockingPortal() as portal:
            thread = threading.Thread(target=lambda: results.append(portal.call(slow)))
            thread.start()
            await until(began.is_set)
        thread.join(LONG)
        assert results == ["served"]

    run(main)


def test_sleep_until_stopped(run: Run) -> None:
    async def main() -> None:
        async with giambio.BlockingPortal() as portal:
            thread = threading.Thread(target=lambda: portal.call(portal.stop))
            thread.start()
            await portal.sleep_until_stopped()
            thread.join(LONG)

    run(main)


@pytest.mark.parametrize("name", ["call", "start_task"])
def test_in_the_loops_own_thread_it_would_wait_for_itself(run: Run, name: str) -> None:
    async def main() -> None:
        async with giambio.BlockingPortal() as portal:
            with pytest.raises(RuntimeError, match="would wait for itself"):
                getattr(portal, name)(add, 1, 2)

    run(main)


def test_before_it_is_entered_it_says_so() -> None:
    portal = giambio.BlockingPortal()
    with pytest.raises(RuntimeError, match="was not entered yet"):
        portal.call(add, 1, 2)
    assert repr(portal) == "<giambio.BlockingPortal not entered>"


def test_its_repr_tells_whether_it_is_open(run: Run) -> None:
    async def main() -> None:
        async with giambio.BlockingPortal() as portal:
            assert repr(portal) == "<giambio.BlockingPortal open>"
        assert repr(portal) == "<giambio.BlockingPortal stopped>"

    run(main)


def test_an_open_portal_is_no_deadlock_and_a_closed_one_hides_none(run: Run) -> None:
    """Rule 11.12: an open portal."""

    async def main() -> str:
        async with giambio.BlockingPortal() as portal:
            with giambio.move_on_after(0.4) as scope:
                await giambio.Event().wait()
            assert scope.cancelled_caught
            await portal.stop()
        with pytest.raises(giambio.DeadlockError):
            await giambio.Event().wait()
        return "done"

    assert run(main) == "done"


def test_an_open_portal_without_a_timer_is_no_deadlock(run: Run) -> None:
    async def main() -> None:
        event = giambio.Event()
        async with giambio.BlockingPortal() as portal:
            # A thread that Python cannot see cannot be made here: one that begins only
            # after a deadlock would have been found has to do.
            timer = threading.Timer(0.5, portal.call, (event.set,))
            timer.start()
            await event.wait()
            timer.join()

    run(main)


# -- Ctrl-C ----------------------------------------------------------------------------------

PROGRAM = """
import sys
import giambio

def say(*words):
    print(*words, flush=True)

async def forever():
    try:
        say("waiting")
        await giambio.sleep_forever()
    finally:
        with giambio.CancelScope(shield=True):
            await giambio.sleep(0.01)
        say("cleaned up")

loop = giambio.EventLoop(driver=sys.argv[1])
try:
    with giambio.start_blocking_portal(loop) as portal:
        {use}
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to other processes there")
@pytest.mark.parametrize(
    "use", ["portal.call(forever)", "portal.start_task_soon(forever)"], ids=["calling", "leaving"]
)
def test_ctrl_c_in_the_calling_thread_cancels_and_waits(driver: str, use: str) -> None:
    """Rule 19.1: no hang after `KeyboardInterrupt` in the calling thread."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(use=use), driver],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=LONG)
    assert (output, errors) == ("cleaned up\ninterrupted\n", "")


def test_ctrl_c_that_leaves_a_lock_taken_does_not_hold_the_loop_up(
    driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 19.1: it may come just after a method of `threading`'s, in Python, has taken a lock.

    The caller may be so quick that the loop has not told all others yet that the call has ended.
    """
    caller = threading.current_thread()
    under_way: list[bool] = []
    interruptions: list[bool] = []

    def enter(condition: Any) -> object:
        entered: object = condition._lock.__enter__()
        if under_way and threading.current_thread() is caller:
            interruptions.append(True)
            raise KeyboardInterrupt
        return entered

    def was_cancelled(future: Any, ask: Any = concurrent.futures.Future.cancelled) -> object:
        if under_way and threading.current_thread() is not caller:
            wait_until(lambda: interruptions)
        return ask(future)

    async def work() -> None:
        under_way.append(True)
        await giambio.sleep(0.01)

    def call(portal: giambio.BlockingPortal) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Condition, "__enter__", enter)
            patch.setattr(concurrent.futures.Future, "cancelled", was_cancelled)
            portal.call(work)

    with (
        pytest.raises(KeyboardInterrupt),
        giambio.start_blocking_portal(giambio.EventLoop(driver=driver)) as portal,
    ):
        call(portal)


def test_an_open_portal_never_keeps_the_interpreter_from_exiting(driver: str) -> None:
    program = """
import sys
import giambio
manager = giambio.start_blocking_portal(giambio.EventLoop(driver=sys.argv[1]))
portal = manager.__enter__()
portal.start_task_soon(giambio.sleep_forever)
print(portal.call(giambio.sleep, 0))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, driver],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "None\n")


@pytest.mark.usefixtures("no_collector")
def test_a_call_keeps_nothing_alive(portal: giambio.BlockingPortal) -> None:
    """No reference cycle keeps a frame alive after an error."""

    class Thing:
        pass

    refs: list[weakref.ref[Thing]] = []

    async def failing() -> None:
        thing = Thing()
        refs.append(weakref.ref(thing))
        raise ValueError(f"with {thing!r}")

    def is_gone() -> bool:
        portal.call(giambio.checkpoint)  # without a GIL, an object's own thread frees it
        return refs[0]() is None

    with contextlib.suppress(ValueError):
        portal.call(failing)
    wait_until(is_gone)
