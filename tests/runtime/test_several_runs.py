"""`Runner`: several calls on one loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import socket
import traceback
from collections.abc import Iterator

import pytest

import giambio
from giambio.testing import VirtualClock

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


@pytest.fixture
def runner(driver: str) -> Iterator[giambio.Runner]:
    """A runner, on each driver in turn."""
    with giambio.Runner(driver=driver) as runner:
        yield runner


async def count_up() -> int:
    variable.set(variable.get() + 1)
    return variable.get()


def test_the_calls_have_one_loop_and_one_context(runner: giambio.Runner) -> None:
    """Rule 1.20: context variables last, as with `asyncio.Runner`, and are the runner's own."""

    async def loop() -> giambio.EventLoop:
        return giambio.current_loop()

    assert runner.run(loop) is runner.run(loop) is runner.get_loop()
    assert [runner.run(count_up) for _ in range(3)] == [1, 2, 3]
    assert variable.get() == 0
    with asyncio.Runner() as theirs:
        assert [theirs.run(count_up()) for _ in range(3)] == [1, 2, 3]


def test_it_starts_in_the_context_in_which_it_was_made() -> None:
    """Rule 1.20."""
    context = contextvars.copy_context()
    context.run(variable.set, 10)
    with context.run(giambio.Runner) as runner:
        assert [runner.run(count_up) for _ in range(2)] == [11, 12]
    with contextvars.Context().run(giambio.Runner) as runner:
        assert [runner.run(count_up) for _ in range(2)] == [1, 2]


def test_sockets_and_locks_last_from_call_to_call(runner: giambio.Runner) -> None:
    """Rule 1.20: also what was made before the first one."""
    left, right = (runner.get_loop().wrap_socket(end) for end in socket.socketpair())
    lock = giambio.Lock()

    async def ping() -> bytes:
        async with lock:
            await left.send_all(b"ping")
            return await right.receive()

    with left, right:
        assert runner.run(ping) == runner.run(ping) == b"ping"


def test_tasks_end_with_their_call(runner: giambio.Runner) -> None:
    """Rule 1.20: no task is left for the next one."""

    async def main() -> giambio.Task[None]:
        async with giambio.TaskManager() as manager:
            return manager.start_soon(giambio.sleep, 0.001)

    assert runner.run(main).done()
    assert runner.run(main).done()


def test_a_failure_is_raised_and_the_next_call_works(runner: giambio.Runner) -> None:
    """Rules 1.20, 8.17: with one frame of the runner's between those of the user."""

    async def fail() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError) as caught:
        runner.run(fail)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names == ["test_a_failure_is_raised_and_the_next_call_works", "run", "fail"]
    assert runner.run(count_up) == 1


def test_the_options_are_those_of_run() -> None:
    """Rule 1.20: a wrong one is an error at once."""
    clock = VirtualClock()
    with giambio.Runner(clock=clock, strict=True, seed=1, threads=False) as runner:
        runner.run(giambio.sleep, 1000)
        assert clock.now() >= 1000
    with pytest.raises(TypeError, match="stop_signals= needs an iterable of signals"):
        giambio.Runner(stop_signals=15)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grace"):
        giambio.Runner(grace=-1)
    with pytest.raises(ValueError, match="driver"):
        giambio.Runner(driver="none")


def test_stop_signals_hold_for_each_call() -> None:
    """Rule 1.20: and not between them; `grace=` does, too."""

    async def stopped() -> str:
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(giambio.CancelledError) as caught:
            await giambio.sleep_forever()
        return str(caught.value.reason)

    before = signal.getsignal(signal.SIGUSR1)
    with giambio.Runner(stop_signals=[signal.SIGUSR1], grace=0) as runner:
        for _ in range(2):
            assert runner.run(stopped) == "SIGUSR1"
            assert signal.getsignal(signal.SIGUSR1) is before


def test_mistakes(runner: giambio.Runner) -> None:
    """Rules 19.1, 19.2: each says what to do."""
    coro = count_up()
    with pytest.raises(TypeError, match=r"Runner.run\(\) needs the async function itself"):
        runner.run(coro)  # type: ignore[arg-type]
    assert coro.cr_frame is None

    async def nested() -> None:
        with pytest.raises(RuntimeError, match="this loop runs already"):
            runner.run(count_up)
        with pytest.raises(RuntimeError, match="this loop is running"):
            runner.close()

    runner.run(nested)
    with pytest.raises(TypeError, match="a Runner is entered with `with`, not `async with`"):
        runner.__aenter__()


def test_a_closed_runner_says_so() -> None:
    """Rule 19.1: closing twice is harmless."""
    runner = giambio.Runner()
    assert repr(runner) == "<giambio.Runner open>"
    runner.close()
    runner.close()
    assert repr(runner) == "<giambio.Runner closed>"
    coro = count_up()
    for use in (lambda: runner.run(coro), runner.get_loop, runner.__enter__):  # type: ignore[arg-type]
        with pytest.raises(giambio.RunFinishedError, match="this Runner is closed"):
            use()
    assert coro.cr_frame is None
