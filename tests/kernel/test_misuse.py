"""Misuse of operations: an error at the place of the mistake, and never a loop that hangs."""

from __future__ import annotations

import os
import socket
import time
import types
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.programs import run_beside
from support.threads import all_workers_rest, wait_until

Run = Callable[..., Any]

#: Random programs in one run of the suite; each takes up to 20 ms.
PROGRAMS = 150


@types.coroutine
def delegate(operation: Any) -> Generator[Any, Any, Any]:
    return (yield from operation)


@pytest.mark.parametrize(
    "make",
    [
        lambda: giambio.Event().wait(),
        lambda: giambio.Semaphore(0).acquire(),
        lambda: giambio.Queue[int]().get(),
        lambda: giambio.Barrier(2).wait(),
        lambda: giambio.sleep_forever(),
    ],
    ids=["event", "semaphore", "queue", "barrier", "sleep"],
)
def test_stepping_an_operation_that_waits_is_an_error(run: Run, make: Callable[[], Any]) -> None:
    """Rule 3.19: it has its place in the queue already, and must not get a second one."""

    async def main() -> None:
        operation = make()
        next(operation)
        with pytest.raises(RuntimeError, match=r"waits already; an operation is awaited once, by"):
            next(operation)

    run(main)


def test_stepping_a_receive_that_waits_is_an_error(run: Run) -> None:
    """Rule 3.19: channels have wait queues, too."""

    async def main() -> None:
        _sender, receiver = giambio.open_channel[int](0)
        operation = receiver.receive()
        next(operation)  # type: ignore[call-overload]
        with pytest.raises(RuntimeError, match=r"receive\(\) waits already"):
            next(operation)  # type: ignore[call-overload]
        _sender.close()
        receiver.close()

    run(main)


def test_a_waiter_that_was_stepped_twice_is_woken_once(run: Run) -> None:
    """Rule 3.19: the queue is no circle, so waking all of it ends."""

    async def main() -> None:
        event, other = giambio.Event(), giambio.Event()
        waiting = event.wait()
        next(waiting)
        next(other.wait())  # leaves the first
        with pytest.raises(RuntimeError, match="has ended already"):
            next(waiting)
        event.set()
        assert event.statistics().tasks_waiting == 0

    run(main)


def test_an_operation_that_two_tasks_step_is_an_error_in_the_second(run: Run) -> None:
    """Rule 3.19: also by `yield from`, which does not ask for `__await__`."""

    async def main() -> None:
        event = giambio.Event()
        operation = event.wait()
        async with giambio.TaskManager() as manager:
            first = manager.start_soon(delegate, operation)
            await giambio.checkpoint()
            with pytest.raises(RuntimeError, match=r"waits already; an operation is awaited once"):
                await delegate(operation)
            event.set()
        assert first.result() is None

    run(main)


def test_a_task_that_passes_a_foreign_yield_on_is_told(run: Run) -> None:
    """Rule 3.19: without an operation that waits, nobody would ever wake it."""

    @types.coroutine
    def passes_on() -> Generator[Any, Any, None]:
        operation = giambio.checkpoint()
        parked = next(operation.__await__())
        yield parked
        yield parked  # nothing is left that waits

    async def main() -> None:
        await passes_on()

    with pytest.raises(RuntimeError, match="passed on by hand what one has yielded"):
        run(main)


def test_an_operation_that_is_closed_by_hand_raises_where_it_is_awaited(run: Run) -> None:
    """Rule 3.19: the task that waits is not left behind."""

    async def main() -> None:
        operation = giambio.Event().wait()
        async with giambio.TaskManager() as manager:
            manager.start_soon(delegate, operation)
            await giambio.checkpoint()
            operation.close()

    with pytest.raises(RuntimeError, match=r"Event.wait\(\) has ended already"):
        run(main)


@pytest.mark.parametrize("kind", ["timer", "socket", "thread", "pipe"])
def test_an_operation_of_any_kind_tells_its_task_when_it_is_closed_by_hand(
    run: Run, tmp_path: Path, kind: str
) -> None:
    """Rule 3.19: also one that a driver, a thread or io_uring will report to."""
    one, other = socket.socketpair()
    os.mkfifo(tmp_path / "pipe")

    async def wait() -> None:
        if kind == "timer":
            await giambio.sleep(1000)
        elif kind == "socket":
            async with giambio.wrap_socket(one) as sock:
                await sock.receive()
        elif kind == "thread":
            await giambio.to_thread(time.sleep, 0.05)
        else:
            await giambio.open_file(tmp_path / "pipe", "rb")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(wait)
            await wait_all_tasks_blocked()
            task._parked.close()

    with (
        one,
        other,
        pytest.raises(RuntimeError, match="has ended already; an operation is awaited"),
    ):
        run(main, detect_deadlocks=False)
    # A thread may still wait for the other end of the pipe, or be about to.
    other = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    wait_until(all_workers_rest)
    os.close(other)


def test_random_misuse_neither_hangs_nor_crashes() -> None:
    """Rule 3.19: whatever is done by hand, each program ends by its deadline."""
    ended = run_beside(__file__, "misuse.py", "0", str(PROGRAMS))
    assert ended.returncode == 0, f"seed {ended.stdout.splitlines()[-1]}: {ended.stderr}"
