"""Free lists: operations are used again, and nobody may notice."""

from __future__ import annotations

import gc
import sys
import warnings
import weakref
from typing import Any

import pytest

import giambio
from giambio import BusyResourceError
from giambio.kernel.operation import Wait


async def use_again(left: giambio.AsyncSocket, right: giambio.AsyncSocket) -> None:
    """Have both kinds of operations done, so that there are some to be used again."""
    for _ in range(3):
        await left.send_all(b"x")
        await right.receive()


def test_a_forgotten_operation_warns_although_it_was_used_before(run: Any) -> None:
    """Rule 3.13: an operation that was never awaited warns."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await use_again(left, right)
            with pytest.warns(RuntimeWarning, match=r"receive\(\) was never awaited"):
                right.receive()
            with pytest.warns(RuntimeWarning, match=r"send_all\(\) was never awaited"):
                left.send_all(b"forgotten")
            await use_again(left, right)

    run(main)


def test_an_operation_that_was_in_a_cycle_is_not_used_again(run: Any) -> None:
    """The garbage collector finalizes an object once in its life, and here it did."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            for _ in range(3):
                done = left.send_all(b"x")
                await done
                assert await right.receive() == b"x"
                cycle: list[Any] = [done]
                cycle.append(cycle)
                del done, cycle
                gc.collect()
                with pytest.warns(RuntimeWarning, match=r"send_all\(\) was never awaited"):
                    left.send_all(b"forgotten")

    run(main)


def test_an_operation_that_somebody_keeps_is_not_used_again(run: Any) -> None:
    """Rule 3.12: awaiting an operation twice is an error."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await use_again(left, right)
            kept = left.send_all(b"kept")
            await kept
            assert await right.receive() == b"kept"
            await use_again(left, right)
            with pytest.raises(RuntimeError, match="awaited already"):
                await kept

    run(main)


def test_a_weak_reference_ends_with_its_operation(run: Any) -> None:
    """A weak reference never leads to an operation of somebody else."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await use_again(left, right)
            operation = left.send_all(b"x")
            reference = weakref.ref(operation)
            await operation
            del operation
            gc.collect()
            assert reference() is None
            await use_again(left, right)
            assert reference() is None

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_what_was_cancelled_failed_or_closed_leaves_nothing_behind(run: Any) -> None:
    """However an operation ended, the next one is as good as new."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            for _ in range(3):
                with giambio.CancelScope() as scope:
                    scope.cancel()
                    await right.receive()
                with giambio.move_on_after(0):
                    await right.receive()
                async with giambio.TaskManager() as manager:
                    manager.start_soon(right.receive)
                    await giambio.checkpoint()
                    with pytest.raises(BusyResourceError):
                        await right.receive(1)
                    manager.cancel()
                with pytest.raises(TypeError):
                    left.send_all("text")  # type: ignore[arg-type]
                await left.send_all(b"12")
                assert await right.receive(1) == b"1"
                assert await right.receive(1) == b"2"

    run(main)


def test_what_an_operation_held_is_free_when_it_is_done(run: Any) -> None:
    """An operation that waits to be used again keeps nothing of its old life."""

    class Data(bytearray):
        """What can be weakly referenced."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await use_again(left, right)
            data = Data(b"data")
            reference = weakref.ref(data)
            await left.send_all(data)
            del data
            gc.collect()
            assert reference() is None
            assert await right.receive() == b"data"

    run(main)


def test_more_operations_at_once_than_are_kept(run: Any) -> None:
    """There may be any number of them."""

    async def main() -> None:
        pairs = [giambio.socketpair() for _ in range(100)]

        async def echo(left: giambio.AsyncSocket, right: giambio.AsyncSocket) -> None:
            assert await right.receive() == b"x"

        for _ in range(3):
            async with giambio.TaskManager() as manager:
                for left, right in pairs:
                    manager.start_soon(echo, left, right)
                await giambio.checkpoint()
                for left, _ in pairs:
                    await left.send_all(b"x")
        for left, right in pairs:
            left.close()
            right.close()

    run(main)


def test_a_loop_that_is_thrown_away_with_parked_operations(run: Any) -> None:
    """Operations that never end are freed with their coroutines."""

    async def receive(sock: giambio.AsyncSocket) -> None:
        await sock.receive()

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            await use_again(left, right)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                coro = receive(right)
                async with giambio.TaskManager() as manager:
                    manager.start_soon(coro)
                    await giambio.checkpoint()
                    manager.cancel()
            await use_again(left, right)

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_a_coroutine_that_is_driven_by_hand_gets_no_answer_to_what_it_sends(run: Any) -> None:
    """An operation takes nothing from whoever drives it, in both builds."""

    async def main() -> None:
        left, right = giambio.socketpair()

        async def send() -> None:
            await left.send_all(b"x")

        with left, right:
            steps = right.receive().__await__()
            assert not hasattr(steps, "send")
            await send()
            with pytest.raises(StopIteration) as stopped:
                next(steps)
            assert stopped.value.value == b"x"

    run(main)


@pytest.mark.usefixtures("in_turn")
def test_a_result_is_kept_by_nobody_but_its_receiver(run: Any) -> None:
    """What carries results is used again; what somebody has caught is not."""

    class Large:
        """A result."""

    def woken() -> Wait:
        wait = Wait()
        wait.wake(Large())
        return wait

    def await_by_hand() -> StopIteration:
        with pytest.raises(StopIteration) as stopped:
            next(woken().__await__())
        return stopped.value

    async def main() -> None:
        for _ in range(3):
            received = weakref.ref(await woken())
            assert received() is None
        caught = [await_by_hand() for _ in range(3)]
        assert len({id(stop) for stop in caught} | {id(stop.value) for stop in caught}) == 6
        assert all(type(stop.value) is Large for stop in caught)

    run(main)


def test_an_operation_is_made_by_its_method_only(run: Any) -> None:
    """Made by its class it would have nothing to work with."""

    async def nothing() -> None:
        """Do nothing."""

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(nothing)
                operations = [
                    left.send_all(b"x"),
                    right.receive(),
                    manager.spawn(nothing),
                    task.join(),
                ]
                for operation in operations:
                    kind = type(operation)
                    with pytest.raises(TypeError, match=f"make a {kind.__name__} by hand"):
                        kind()
                    await operation

    run(main)


def test_what_looks_at_all_objects_may_keep_an_operation_that_finds_no_place(run: Any) -> None:
    """While an operation lets go of what it held, others come to be kept before it."""
    found: list[Any] = []

    class Data(bytearray):
        """Looks at everything, when it ends."""

        def __del__(self) -> None:
            kept.pop()
            found.extend(one for one in gc.get_objects() if type(one) is kind)

    async def main() -> None:
        left, right = giambio.socketpair()
        with left, right:
            for data in [b"x"] * 100 + [Data(b"x")]:
                kept.append(left.send_all(data))
                await kept[-1]
                assert await right.receive() == b"x"
            del data
            last = kept.pop()
            while len(kept) > 100 - 63:
                kept.pop()
            del last
            assert len(found) >= len(kept)
            # As often as an object that only a list holds: from 3.14 on a call does not count.
            (least,) = [sys.getrefcount(one) for one in [object()]]
            assert min([sys.getrefcount(one) for one in found]) >= least
            found.clear()
            for _ in range(3):
                await use_again(left, right)

    kept: list[Any] = []
    kind = kind_of_send_all(run)
    run(main)


def kind_of_send_all(run: Any) -> type[Any]:
    """The class of what `send_all` returns."""

    async def main() -> type[Any]:
        left, right = giambio.socketpair()
        with left, right:
            operation = left.send_all(b"x")
            await operation
            return type(operation)

    kind: type[Any] = run(main)
    return kind
