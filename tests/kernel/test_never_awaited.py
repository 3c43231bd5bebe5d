"""A forgotten `await` warns, a second one is an error, and `close()` needs none."""

from __future__ import annotations

import gc
import os
import socket
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.kernel.operation import Wait
from support.sync import settled

Run = Callable[..., Any]

#: How to make each operation, and how its warning calls it.
OPERATIONS: list[tuple[str, Callable[[], Any]]] = [
    (r"checkpoint\(\)", giambio.checkpoint),
    (r"checkpoint_if_cancelled\(\)", giambio.checkpoint_if_cancelled),
    (r"cancel_shielded_checkpoint\(\)", giambio.cancel_shielded_checkpoint),
    (r"sleep\(\)", lambda: giambio.sleep(1)),
    (r"sleep\(\)", lambda: giambio.sleep(0)),
    (r"sleep_until\(\)", lambda: giambio.sleep_until(0)),
    (r"wait_readable\(\)", lambda: giambio.wait_readable(0)),
    (r"wait_writable\(\)", lambda: giambio.wait_writable(0)),
    (r"Task\.join\(\)", lambda: giambio.current_task().join()),
    ("a bare wait", lambda: Wait(name="a bare wait")),
]


def forget(make: Callable[..., Any], *args: Any) -> None:
    """Make an operation and drop it."""
    make(*args)
    gc.collect()


@pytest.mark.parametrize(("name", "make"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_an_operation_that_was_never_awaited_warns_naming_it(
    run: Run, name: str, make: Callable[[], Any]
) -> None:
    """Rule 3.13: it warns like a coroutine does, naming the missing `await`."""

    async def main() -> None:
        with pytest.warns(RuntimeWarning, match=f"^{name} was never awaited$"):
            forget(make)

    run(main)


def test_a_forgotten_spawn_warns_and_closes_its_coroutine(run: Run) -> None:
    """Rule 7.5: it warns like a coroutine does, and closes the one it was given."""

    async def child() -> None:
        raise AssertionError("must not run")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            coro = child()
            with pytest.warns(RuntimeWarning) as caught:
                forget(manager.spawn, coro)
            assert [str(one.message) for one in caught] == ["TaskManager.spawn() was never awaited"]
            assert coro.cr_frame is None

    run(main)


def test_forgotten_socket_operations_warn_and_do_nothing(run: Run) -> None:
    """Rule 3.13: an operation object that was never awaited warns."""

    async def main() -> None:
        left, right = map(giambio.wrap_socket, socket.socketpair())
        with left, right:
            for operation, name in [
                (lambda: right.receive(1), "receive"),
                (lambda: left.send(b"x"), "send"),
                (lambda: left.send_all(b"x"), "send_all"),
            ]:
                with pytest.warns(RuntimeWarning, match=rf"AsyncSocket\.{name}\(\) was never"):
                    forget(operation)
            await left.send_all(b"only this")
            assert await right.receive(100) == b"only this"

    run(main)


@pytest.mark.parametrize(("name", "make"), OPERATIONS[:3], ids=["1", "2", "3"])
def test_awaiting_an_operation_twice_is_an_error_that_says_so(
    run: Run, name: str, make: Callable[[], Any]
) -> None:
    """Rule 3.12: awaiting it twice is an error."""

    async def main() -> None:
        operation = make()
        await operation
        for _ in range(2):
            with pytest.raises(RuntimeError, match=f"this {name} was awaited already; .*again"):
                await operation

    run(main)


def test_two_tasks_cannot_await_one_operation(run: Run) -> None:
    """Rule 3.12: awaiting it twice is an error."""

    async def main() -> None:
        operation = giambio.sleep(0.001)

        async def waiter() -> None:
            await operation

        async with giambio.TaskManager() as manager:
            await manager.spawn(waiter)
            await settled()
            with pytest.raises(RuntimeError, match=r"this sleep\(\) was awaited already"):
                await operation

    run(main)


def test_a_cancelled_operation_was_awaited_too(run: Run) -> None:
    async def main() -> None:
        operation = giambio.sleep(1)
        with giambio.CancelScope() as scope:
            scope.cancel()
            await operation
        with pytest.raises(RuntimeError, match="was awaited already"):
            await operation

    run(main)


def test_a_task_can_be_awaited_as_often_as_one_likes(run: Run) -> None:
    async def main() -> list[int]:
        async def answer() -> int:
            return 42

        async with giambio.TaskManager() as manager:
            task = await manager.spawn(answer)
            return [await task, await task, await task.join()]

    assert run(main) == [42, 42, 42]


def test_an_operation_awaited_outside_of_a_task_says_so() -> None:
    """Also in another library's loop, which knows no giambio task."""

    async def elsewhere() -> None:
        await giambio.checkpoint()

    with pytest.raises(RuntimeError, match=r"checkpoint\(\) must be awaited in a giambio task"):
        elsewhere().send(None)


def test_an_operation_awaited_in_a_callback_says_so(loop: giambio.EventLoop) -> None:
    async def elsewhere() -> None:
        await giambio.checkpoint()

    async def main() -> None:
        loop.call_soon(lambda: elsewhere().send(None))
        await giambio.sleep_forever()

    with pytest.raises(RuntimeError, match="must be awaited in a giambio task"):
        loop.start(main)


def test_closing_a_socket_needs_no_await(run: Run) -> None:
    """Rule 5.12: a forgotten `await` on it leaks nothing."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        sock = giambio.wrap_socket(ours)
        number = ours.fileno()
        with theirs, warnings.catch_warnings():
            warnings.simplefilter("error")
            sock.close()
            gc.collect()
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)
            assert theirs.recv(1) == b""
            await sock.close()
            await sock.aclose()
            sock.aclose()
            gc.collect()

    run(main)
