"""Blocks in async generators that were left unfinished, and are closed by another task."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

import pytest

import giambio
from giambio.testing import swallowed_cancellations
from support.kernel import ManualClock, turns

Run = Callable[..., Any]
Generator = Callable[[], AsyncIterator[int]]
CleanUp = Callable[[], Any]

# Where a generator has tasks, its clean-up would have to wait: rule 14.3.
pytestmark = pytest.mark.filterwarnings("ignore:async generator:ResourceWarning")

DAY = 24 * 3600


@pytest.fixture
def run(run: Run) -> Run:
    """With a clock that jumps when all tasks wait: no test depends on how fast it is."""
    return functools.partial(run, clock=ManualClock())


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What was given to `sys.unraisablehook`."""
    seen: list[BaseException] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: seen.append(report.exc_value))
    return seen


async def leave(generator: Generator) -> None:
    """Break out of a loop over a generator, and let it get closed."""
    async for _ in generator():
        break
    gc.collect()
    await turns(5)


async def fails_when_cancelled() -> None:
    try:
        await giambio.sleep_forever()
    finally:
        raise ValueError("in a clean-up")


async def with_a_task_that_fails_late() -> AsyncIterator[int]:
    async with giambio.TaskManager() as manager:
        manager.start_soon(fails_when_cancelled)
        await turns(1)
        yield 1


# -- how the clean-up ends ----------------------------------------------------------------


async def fails() -> None:
    raise ValueError("in the clean-up")


async def wants_to_wait_and_fails() -> None:
    try:
        await giambio.checkpoint()
    except giambio.CancelledError:
        raise ValueError("in the clean-up") from None


@pytest.mark.parametrize("clean_up", [fails, wants_to_wait_and_fails])
@pytest.mark.parametrize("block", ["scope", "manager"])
def test_a_clean_up_that_fails_is_reported_as_itself(
    run: Run, unraisable: list[BaseException], block: str, clean_up: CleanUp
) -> None:
    """Rules 7.27, 14.5: the blocks around it do not stand in its way."""
    tasks: list[giambio.Task[None]] = []

    async def in_a_scope() -> AsyncIterator[int]:
        with giambio.CancelScope():
            try:
                yield 1
            finally:
                await clean_up()

    async def in_a_manager() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            tasks.append(manager.start_soon(giambio.sleep_forever))
            await turns(1)
            try:
                yield 1
            finally:
                await clean_up()

    async def main() -> str:
        await leave(in_a_scope if block == "scope" else in_a_manager)
        assert all(task.cancelled() for task in tasks)
        return "unharmed"

    assert run(main) == "unharmed"
    (problem,) = unraisable
    assert isinstance(problem, ValueError)


@pytest.mark.parametrize("ended", [False, True])
def test_a_generator_may_end_in_its_blocks_when_it_is_closed(
    run: Run, unraisable: list[BaseException], ended: bool
) -> None:
    """Rules 7.27, 14.4: the task that has entered them goes on, or has ended."""
    tasks: list[giambio.Task[None]] = []
    generators: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        with giambio.CancelScope():
            async with giambio.TaskManager() as manager:
                tasks.append(manager.start_soon(giambio.sleep_forever))
                with suppress(GeneratorExit):
                    yield 1

    async def keep() -> None:
        generators.append(numbers())
        await anext(generators[0])

    async def main() -> str:
        if not ended:
            await leave(numbers)
            assert tasks[0].cancelled()
            return "unharmed"
        await keep()
        return "never"

    if ended:
        with pytest.raises(RuntimeError, match="ended inside of"):
            run(main)
    else:
        assert run(main) == "unharmed"
    assert unraisable == []


@pytest.mark.parametrize("block", ["scope", "manager"])
def test_leaving_the_block_of_another_task_while_cancelled_is_an_error(
    run: Run, block: str
) -> None:
    """Rules 6.11, 7.2: an exit stack that tasks share may do that when it is closed."""
    stack = AsyncExitStack()
    ended: list[str] = []

    async def child() -> None:
        await turns(10)
        ended.append("by itself")

    async def enters() -> None:
        if block == "scope":
            stack.enter_context(giambio.CancelScope())
        else:
            manager = await stack.enter_async_context(giambio.TaskManager())
            manager.start_soon(child)
        await giambio.sleep(1)

    async def leaves() -> None:
        problem = r"entered in task .*enters' and is left in another"
        with pytest.raises(RuntimeError, match=problem), giambio.CancelScope() as scope:
            async with stack:
                scope.cancel()
                await giambio.checkpoint()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(enters)
            await turns(2)
            await manager.spawn(leaves)

    with pytest.raises(RuntimeError, match="ended inside of"):
        run(main)
    assert ended == ["by itself"] * (block == "manager")


# -- the cancellation of a scope in a generator ---------------------------------------------


async def with_a_deadline() -> AsyncIterator[int]:
    with giambio.move_on_after(1):
        yield 1


async def is_collected_at_once() -> None:
    async for _ in with_a_deadline():
        await giambio.sleep(2)


async def is_collected_while_the_task_cleans_up() -> None:
    try:
        async for _ in with_a_deadline():
            await giambio.sleep(2)
    except giambio.CancelledError as exc:
        exc.__traceback__ = None  # which holds the frame, and that the generator
        with giambio.CancelScope(shield=True):
            await giambio.sleep(1)
        raise


async def is_collected_later() -> None:
    generator = with_a_deadline()
    async for _ in generator:
        await giambio.sleep(2)


async def is_closed_by_aclosing() -> None:
    async with aclosing(with_a_deadline()) as generator:
        async for _ in generator:
            await giambio.sleep(2)


CUT_SHORT = [
    is_collected_at_once,
    is_collected_while_the_task_cleans_up,
    is_collected_later,
    is_closed_by_aclosing,
]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("cut_short", CUT_SHORT)
def test_a_task_that_a_deadline_in_a_generator_has_cut_short_fails(
    run: Run, cut_short: Callable[[], Any], alone: bool
) -> None:
    """Rule 6.12: nobody has caught that cancellation, whenever the generator is closed."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(cut_short)

    with pytest.raises(RuntimeError) as caught:
        run(cut_short if alone else main)
    assert "was cancelled inside of <giambio.CancelScope cancelled>" in str(caught.value)
    assert "in a scope with a deadline" in str(caught.value)
    assert "have no `yield` inside of it" in str(caught.value)


def test_a_task_that_is_cancelled_from_outside_as_well_is_cancelled(run: Run) -> None:
    """Rule 6.12: a block around it has caught that."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(is_collected_while_the_task_cleans_up)
            await giambio.sleep(1.5)
            manager.cancel()
        assert task.cancelled()

    run(main)


def test_a_task_that_has_caught_such_a_cancellation_goes_on(run: Run) -> None:
    """Rule 6.12: it returns, and is cancelled later by another scope."""

    async def catches() -> str:
        with suppress(giambio.CancelledError):
            await is_closed_by_aclosing()
        return "went on"

    async def is_cancelled() -> None:
        await catches()
        await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(is_cancelled)
            await giambio.sleep(5)
            manager.cancel()
        assert task.cancelled()
        with swallowed_cancellations() as report:
            async with giambio.TaskManager() as manager:
                task = manager.start_soon(catches)
        assert task.result() == "went on"
        assert len(report) == 1

    run(main)


def test_a_scope_around_it_that_is_cancelled_catches_it(run: Run) -> None:
    """Rules 5.2, 6.12: then it is neither swallowed, nor the end of the task."""

    async def is_caught() -> None:
        with giambio.CancelScope() as scope:
            async with aclosing(with_a_deadline()) as generator:
                async for _ in generator:
                    try:
                        await giambio.sleep(2)
                    finally:
                        scope.cancel()
        assert scope.cancelled_caught
        raise giambio.CancelledError

    async def main() -> None:
        stray = pytest.raises(RuntimeError, match="cannot be made by hand")
        with swallowed_cancellations() as report, stray:
            async with giambio.TaskManager() as manager:
                await manager.spawn(is_caught)
        assert report == []

    run(main)


# -- the tasks of a manager in a generator ----------------------------------------------------


def test_a_manager_in_a_generator_is_let_go_when_it_is_closed(run: Run) -> None:
    """Rule 7.27: or a task that leaves many generators would become slower and slower."""
    managers: list[weakref.ref[Any]] = []

    async def numbers() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            managers.append(weakref.ref(manager))
            manager.start_soon(giambio.sleep_forever)
            yield 1

    async def main() -> None:
        for _ in range(3):
            await leave(numbers)
        gc.collect()
        assert [manager() for manager in managers] == [None] * 3

    run(main)


def test_failures_that_come_too_late_for_the_main_task_leave_with_its_own(run: Run) -> None:
    """Rules 7.25, 8.10: they are named what they are."""

    async def main() -> None:
        generators.append(with_a_task_that_fails_late())
        await anext(generators[0])

    generators: list[AsyncIterator[int]] = []
    with pytest.raises(ExceptionGroup, match="and so did callbacks or tasks left behind") as caught:
        run(main)
    assert [type(problem) for problem in caught.value.exceptions] == [RuntimeError, ValueError]


@pytest.mark.parametrize("alone", [True, False])
def test_a_task_of_a_closed_generator_fails_at_once(run: Run, alone: bool) -> None:
    """Rules 7.27, 8.1: not when the task that has left the generator ends."""

    async def goes_on() -> None:
        await leave(with_a_task_that_fails_late)
        await giambio.sleep(DAY)

    async def main() -> float:
        started = giambio.current_time()
        with pytest.raises(ValueError, match="in a clean-up"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(goes_on)
        return giambio.current_time() - started

    async def main_goes_on() -> float:
        started = giambio.current_time()
        with pytest.raises(ValueError, match="in a clean-up"):
            await goes_on()
        return giambio.current_time() - started

    assert run(main_goes_on if alone else main) < DAY


def test_a_failure_before_the_generator_was_closed_is_given_away_with_its_tasks(run: Run) -> None:
    """Rules 7.27, 8.10: it has cancelled the manager, and nobody can raise it there."""

    async def numbers() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fails)
            yield 1

    async def catches() -> None:
        generator = numbers()
        await anext(generator)
        with suppress(giambio.CancelledError):
            await giambio.sleep_forever()
        del generator
        gc.collect()
        for _ in range(5):
            await giambio.cancel_shielded_checkpoint()
        await giambio.sleep(DAY)

    async def main() -> float:
        started = giambio.current_time()
        with pytest.raises(ValueError, match="in the clean-up"):
            async with giambio.TaskManager() as manager:
                await manager.spawn(catches)
        return giambio.current_time() - started

    assert run(main) < DAY


def test_the_tasks_of_a_generator_that_another_task_closes_are_joined_by_the_block_around(
    run: Run,
) -> None:
    """Rule 7.27: the one that closes it cannot wait for them."""
    log: list[str] = []

    async def child() -> None:
        try:
            await giambio.sleep_forever()
        finally:
            with giambio.CancelScope(shield=True):
                await giambio.sleep(1)
            log.append("child ended")

    async def numbers() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            manager.start_soon(child)
            await turns(1)
            yield 1

    async def host(generator: Any) -> None:
        await anext(generator)
        await giambio.sleep(0.5)

    async def main() -> None:
        generator: Any = numbers()
        async with giambio.TaskManager() as manager:
            manager.start_soon(host, generator)
            await turns(3)
            await generator.aclose()
            log.append("closed")
        assert log == ["closed", "child ended"]

    run(main)


def test_the_results_of_a_combinator_are_those_of_its_own_tasks(run: Run) -> None:
    """Rules 7.27, 9.1: the tasks of a generator that is left in one are not among them."""

    async def stays_alive() -> str:
        with suppress(giambio.CancelledError):
            await giambio.sleep_forever()
        return "not asked for"

    def with_a_task(function: Callable[[], Any]) -> Generator:
        async def numbers() -> AsyncIterator[int]:
            async with giambio.TaskManager() as manager:
                manager.start_soon(function)
                await turns(1)
                yield 1

        return numbers

    async def result(function: Callable[[], Any]) -> str:
        await leave(with_a_task(function))
        return "result"

    async def main() -> None:
        for function in (stays_alive, giambio.sleep_forever):
            assert await giambio.gather(result(function)) == ["result"]
            assert await giambio.race(lambda: result(function)) == "result"  # noqa: B023
            assert await giambio.map_concurrent(result, [function]) == ["result"]
            async with giambio.as_completed(result, [function]) as results:
                assert [one async for one in results] == ["result"]

    run(main)


def test_a_spawn_that_waits_for_a_place_in_a_closed_generator_is_told(run: Run) -> None:
    """Rules 7.9, 7.13: there will be no place any more."""
    managers: list[giambio.TaskManager] = []
    problems: list[BaseException] = []

    async def numbers() -> AsyncIterator[int]:
        async with giambio.TaskManager(limit=1) as manager:
            managers.append(manager)
            manager.start_soon(giambio.sleep_forever)
            yield 1

    async def spawns() -> None:
        try:
            await managers[0].spawn(giambio.checkpoint)
        except giambio.RunFinishedError as exc:
            problems.append(exc)

    async def host() -> None:
        generator = numbers()
        await anext(generator)
        await turns(3)
        del generator
        gc.collect()
        await turns(5)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(host)
            await turns(1)
            manager.start_soon(spawns)
            manager.start_soon(spawns)

    run(main)
    assert len(problems) == 2


def test_a_failure_in_a_generator_that_a_clean_up_has_left_is_reported(
    run: Run, unraisable: list[BaseException]
) -> None:
    """Rules 8.10, 14.5: nobody is left to catch it."""
    generators: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await leave(with_a_task_that_fails_late)

    async def main() -> None:
        generators.append(numbers())
        await anext(generators[0])

    run(main)
    (problem,) = unraisable
    assert isinstance(problem, ValueError)


def test_a_system_task_that_fails_is_reported(run: Run, unraisable: list[BaseException]) -> None:
    """Rules 8.10, 14.5: here, a clean-up that ends in a block it has not left."""
    generators: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            giambio.CancelScope().__enter__()

    async def main() -> None:
        generators.append(numbers())
        await anext(generators[0])

    run(main)
    (problem,) = unraisable
    assert "ended inside of <giambio.CancelScope active>" in str(problem)


def test_a_failure_that_was_kept_for_such_a_clean_up_is_reported(
    run: Run, unraisable: list[BaseException]
) -> None:
    """Rules 8.10, 14.5: the manager that has kept it was never left."""
    generators: list[AsyncIterator[int]] = []

    async def with_a_task_that_fails() -> AsyncIterator[int]:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fails)
            yield 1

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            generators.append(with_a_task_that_fails())
            await anext(generators[1])
            await giambio.cancel_shielded_checkpoint()

    async def main() -> None:
        generators.append(numbers())
        await anext(generators[0])

    run(main)
    assert {type(problem) for problem in unraisable} == {RuntimeError, ValueError}


# -- where the block was entered -----------------------------------------------------------------


async def in_a_scope() -> AsyncIterator[int]:
    with giambio.move_on_after(DAY):
        yield 1


async def in_a_manager() -> AsyncIterator[int]:
    async with giambio.TaskManager():
        yield 1


@pytest.mark.parametrize("generator", [in_a_scope, in_a_manager])
def test_a_block_that_is_left_open_names_its_generator_and_place(
    run: Run, generator: Generator
) -> None:
    """Rule 27.11."""
    held = []

    async def main() -> None:
        held.append(generator())
        await anext(held[0])

    name = generator.__name__
    line = generator.__code__.co_firstlineno + 2  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError) as caught:
        run(main)
    words = f"(entered in the async generator {name!r}, which is left at {__file__}:{line}), which"
    assert words in str(caught.value)
