"""`as_safe_channel`: a generator with blocks in it, and every way to leave it."""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

import giambio
from giambio.testing import wait_all_tasks_blocked
from support.kernel import ManualClock

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait."""
    return functools.partial(run, clock=ManualClock())


class Source:
    """A generator that holds a manager with a running task, and notes what happens to it."""

    def __init__(self) -> None:
        self.log: list[object] = []

    @giambio.as_safe_channel
    async def numbers(self, count: int) -> AsyncGenerator[int, None]:
        try:
            async with giambio.TaskManager() as manager:
                manager.start_soon(giambio.sleep_forever)
                for number in range(count):
                    self.log.append(f"made {number}")
                    yield number
                manager.cancel()
        finally:
            self.log.append("cleaned up")


def test_all_items_come_in_order_and_then_the_end(run: Run) -> None:
    async def main() -> None:
        source = Source()
        async with source.numbers(3) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]
            assert source.log[-1] == "cleaned up"
            with pytest.raises(giambio.EndOfStream):
                await numbers.receive()

    run(main)


def test_it_can_be_left_in_the_middle(run: Run) -> None:
    """Rule 9.14: it has cleaned up before its block is left; nothing warns."""

    async def main() -> None:
        source = Source()
        async with source.numbers(100) as numbers:
            async for number in numbers:
                if number == 1:
                    break
        assert source.log == ["made 0", "made 1", "cleaned up"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
        gc.collect()


def test_it_makes_nothing_that_nobody_waits_for(run: Run) -> None:
    """Rule 9.13."""

    async def main() -> None:
        source = Source()
        async with source.numbers(100) as numbers:
            await wait_all_tasks_blocked()
            assert source.log == []
            assert await numbers.receive() == 0
            await wait_all_tasks_blocked()
            assert source.log == ["made 0"]

    run(main)


def test_a_cancelled_wait_loses_no_item(run: Run) -> None:
    """Rule 9.13."""

    @giambio.as_safe_channel
    async def slow() -> AsyncGenerator[int, None]:
        for number in range(3):
            await giambio.sleep(10)
            yield number

    async def main() -> list[int]:
        async with slow() as numbers:
            for seconds in (0, 1, 5):
                with giambio.move_on_after(seconds) as scope:
                    await numbers.receive()
                assert scope.cancelled_caught
            return [number async for number in numbers]

    assert run(main) == [0, 1, 2]


def test_several_tasks_share_the_items(run: Run) -> None:
    async def main() -> None:
        seen: list[int] = []

        async def take(numbers: Any) -> None:
            async for number in numbers:
                seen.append(number)
                await giambio.sleep(1)

        async with Source().numbers(30) as numbers, giambio.TaskManager() as manager:
            for _ in range(4):
                manager.start_soon(take, numbers)
        assert sorted(seen) == list(range(30))

    run(main)


def test_an_exception_of_the_generator_ends_the_block(run: Run) -> None:
    """Rule 9.14: and the body is cancelled, wherever it waits."""

    @giambio.as_safe_channel
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise OSError("broken")

    async def main() -> None:
        with pytest.raises(OSError, match="broken"):
            async with failing() as numbers:
                async for _ in numbers:
                    pass
        with pytest.raises(OSError, match="broken"):
            async with failing() as numbers, giambio.TaskManager() as manager:
                manager.start_soon(anext, aiter(numbers))
                await giambio.sleep(1)
                manager.start_soon(anext, aiter(numbers))
                await giambio.sleep_forever()

    run(main)


def test_an_exception_of_the_body_passes(run: Run) -> None:
    async def main() -> None:
        source = Source()
        with pytest.raises(KeyError):
            async with source.numbers(3) as numbers:
                async for number in numbers:
                    raise KeyError(number)
        assert source.log[-1] == "cleaned up"

    run(main)


def test_cancelling_the_block_from_outside(run: Run) -> None:
    async def main() -> None:
        source = Source()
        with giambio.move_on_after(1) as scope:
            async with source.numbers(3) as numbers:
                await numbers.receive()
                await giambio.sleep_forever()
        assert scope.cancelled_caught
        assert source.log[-1] == "cleaned up"
        with giambio.CancelScope() as scope:
            scope.cancel()
            async with source.numbers(3) as numbers:
                await numbers.receive()
        assert scope.cancelled_caught

    run(main)


def test_after_the_block_nothing_can_be_received(run: Run) -> None:
    async def main() -> None:
        async with Source().numbers(3) as numbers:
            pass
        with pytest.raises(giambio.ClosedResourceError):
            await numbers.receive()

    run(main)


def test_it_is_a_block(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"numbers\(\) is a block; write `async with numbers"):
            async for _ in Source().numbers(3):
                pass
        with pytest.raises(TypeError, match="is a block"):
            await Source().numbers(3).receive()
        with pytest.raises(TypeError, match="`async with`, not `with`"), Source().numbers(3):
            pass

    run(main)


async def returns() -> int:
    return 1


@pytest.mark.parametrize("function", [returns, 3, iter([])], ids=repr)
def test_only_async_generator_functions_are_decorated(function: Any) -> None:
    with pytest.raises(TypeError, match="decorates an async generator function, not "):
        giambio.as_safe_channel(function)


def test_it_looks_like_the_function() -> None:
    assert Source.numbers.__name__ == "numbers"
