"""Async generators that are left unfinished: collected, alive at the end, failing to close."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

import giambio
from support.kernel import turns

Run = Callable[..., Any]

log: list[str] = []


@pytest.fixture(autouse=True)
def fresh_log() -> None:
    log.clear()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was given to `sys.unraisablehook`."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    return seen


async def numbers(name: str = "numbers") -> AsyncGenerator[int, None]:
    """Counts, and says in the log how it was closed."""
    try:
        for number in range(10):
            yield number
    finally:
        log.append(f"{name} closing")
        try:
            await giambio.checkpoint()
        except giambio.CancelledError:
            log.append(f"{name} cancelled")
            raise
        log.append(f"{name} closed")


async def first_of(generator: AsyncGenerator[int, None]) -> int:
    """Iterate once, and leave the generator unfinished."""
    return await anext(generator)


def test_a_collected_generator_is_closed_by_the_loop_in_a_cancelled_scope(run: Run) -> None:
    """Rules 14.1, 14.3: closed in a cancelled scope, with a `ResourceWarning` that names it."""

    async def main() -> list[str]:
        await first_of(numbers())
        gc.collect()
        await turns(5)
        return list(log)

    with pytest.warns(ResourceWarning, match=r"async generator 'numbers' \(.*:\d+\): .*aclosing"):
        assert run(main) == ["numbers closing", "numbers cancelled"]


def test_a_generator_collected_in_the_last_step_is_closed_too(run: Run) -> None:
    """Rule 14.2: the last step of the run is not too late."""

    async def main() -> None:
        async for _ in numbers():
            break
        gc.collect()

    with pytest.warns(ResourceWarning, match="collected unfinished"):
        run(main)
    assert log == ["numbers closing", "numbers cancelled"]


def test_a_generator_may_be_collected_in_another_thread(run: Run) -> None:
    """Rule 14.2: collected in another thread."""

    async def main() -> None:
        generators = [numbers()]
        await first_of(generators[0])
        thread = threading.Thread(target=lambda: (generators.clear(), gc.collect()))
        thread.start()
        thread.join()
        await turns(5)

    with pytest.warns(ResourceWarning, match="collected unfinished"):
        run(main)
    assert log == ["numbers closing", "numbers cancelled"]


def test_a_generator_whose_clean_up_does_not_wait_is_closed_without_a_warning(run: Run) -> None:
    """Rule 14.3: `async for ...: break` is no mistake if nothing has to wait for it."""

    async def plain() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            log.append("closed")

    async def main() -> None:
        async for _ in plain():
            break
        gc.collect()
        await turns(5)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
    assert log == ["closed"]


def test_the_warning_names_a_line_of_the_generator(run: Run) -> None:
    """Rule 14.3: the file of the user, and the line at which the generator was left."""

    async def main() -> None:
        await first_of(numbers())
        gc.collect()
        await turns(5)

    with pytest.warns(ResourceWarning) as seen:
        run(main)
    (warning,) = seen
    lines, first = inspect.getsourcelines(numbers)
    assert warning.filename == __file__
    assert lines[warning.lineno - first].strip() == "yield number"


def test_a_warning_that_is_an_error_does_not_end_the_loop(run: Run, unraisable: list[Any]) -> None:
    """Rule 14.3: with `-W error` it goes to `sys.unraisablehook`, as in Trio."""

    async def main() -> str:
        await first_of(numbers())
        gc.collect()
        await turns(5)
        return "unharmed"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(main) == "unharmed"
    assert log == ["numbers closing", "numbers cancelled"]
    assert [type(seen.exc_value) for seen in unraisable] == [ResourceWarning]
    assert "collected unfinished" in str(unraisable[0].exc_value)


def test_generators_alive_at_the_end_are_closed_last_started_first_uncancelled(
    run: Run,
) -> None:
    """Rule 14.4: closed before `start` returns, last started first, in an uncancelled scope."""
    alive = [numbers("a"), numbers("b"), numbers("never started"), numbers("c")]

    async def main() -> str:
        for index in (0, 1, 3):
            await first_of(alive[index])
        return "result"

    assert run(main) == "result"
    assert log == ["c closing", "c closed", "b closing", "b closed", "a closing", "a closed"]


def test_generators_alive_are_closed_also_when_main_fails_or_is_cancelled(
    loop: giambio.EventLoop,
) -> None:
    alive = [numbers("a"), numbers("b")]

    async def fails() -> None:
        await first_of(alive[0])
        raise KeyError("main")

    async def is_cancelled() -> None:
        await first_of(alive[1])
        giambio.current_task().cancel()
        await giambio.checkpoint()

    with pytest.raises(KeyError):
        loop.start(fails)
    with pytest.raises(giambio.TaskCancelled):
        loop.start(is_cancelled)
    assert log == ["a closing", "a closed", "b closing", "b closed"]


def test_a_generator_started_while_others_are_closed_is_closed_as_well(run: Run) -> None:
    alive: list[Any] = []

    async def starts_another() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            alive.append(numbers("another"))
            await first_of(alive[-1])

    async def main() -> None:
        alive.append(starts_another())
        await first_of(alive[0])

    run(main)
    assert log == ["another closing", "another closed"]


def test_a_finished_or_closed_generator_is_left_in_peace(run: Run) -> None:
    async def main() -> list[int]:
        one, other = numbers("finished"), numbers("closed")
        result = [number async for number in one]
        await first_of(other)
        await other.aclose()
        return result

    assert run(main) == list(range(10))
    assert sorted(log) == ["closed closed", "closed closing", "finished closed", "finished closing"]


@pytest.mark.parametrize("error", [KeyError("cleanup"), SystemExit(3)], ids=repr)
def test_errors_of_closing_go_to_the_unraisablehook_and_the_others_are_closed(
    run: Run, unraisable: list[Any], error: BaseException
) -> None:
    """Rule 14.5: errors go to `sys.unraisablehook`."""

    async def fails() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise error

    alive = [numbers("first"), fails()]

    async def main() -> None:
        for generator in alive:
            await first_of(generator)

    run(main)
    assert [seen.exc_value for seen in unraisable] == [error]
    assert unraisable[0].object is alive[1]
    assert log == ["first closing", "first closed"]


def test_a_generator_that_will_not_close_is_reported(run: Run, unraisable: list[Any]) -> None:
    """Rule 14.5: errors go to `sys.unraisablehook`."""

    async def stubborn() -> AsyncGenerator[int, None]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    alive = [stubborn()]
    run(first_of, alive[0])
    assert "ignored GeneratorExit" in str(unraisable[0].exc_value)


def test_a_generator_collected_after_its_loop_has_ended_is_warned_about(
    loop: giambio.EventLoop,
) -> None:
    alive: list[Any] = []

    async def main() -> None:
        alive.append(numbers())
        await first_of(alive[0])
        loop._stop_between_steps(KeyboardInterrupt())
        await giambio.checkpoint()

    with pytest.raises(KeyboardInterrupt):
        loop.start(main)
    with pytest.warns(ResourceWarning, match="'numbers' .*its loop had ended, so it is not closed"):
        alive.clear()


def test_the_hooks_of_the_thread_are_restored(loop: giambio.EventLoop) -> None:
    before = sys.get_asyncgen_hooks()

    async def main() -> None:
        assert sys.get_asyncgen_hooks() != before

    task = loop.begin(main)
    assert sys.get_asyncgen_hooks() == before
    while not task.done():
        loop.turn(0)
        assert sys.get_asyncgen_hooks() == before
    loop.end()
    assert sys.get_asyncgen_hooks() == before


def test_pythons_own_hook_takes_the_report() -> None:
    """Rule 14.5: it takes no objects but those of a class of its own."""
    program = """
        import giambio

        async def generator():
            try:
                yield
            finally:
                raise ValueError("in the clean-up")

        async def main():
            async for _ in generator():
                break
            await giambio.checkpoint()
            await giambio.checkpoint()
            return "went on"

        print(giambio.run(main))
        """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "went on\n", ended.stderr
    assert "giambio: an error while closing an async generator: <async_gen" in ended.stderr
    assert "ValueError: in the clean-up" in ended.stderr
