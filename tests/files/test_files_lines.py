"""Iteration over lines: those that were read ahead come without a turn, and lose nothing by it."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]

MANY = 5_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is read ahead in several pieces."""
    path = tmp_path / "lines"
    path.write_text("".join(f"line {n} of a file\n" for n in range(MANY)) + "the end")
    return path


def number(line: str) -> int:
    return int(line.split()[1])


@pytest.mark.parametrize("mode", ["r", "rb"])
@pytest.mark.parametrize("buffering", [-1, 100])
def test_every_line_comes_once_and_in_order(
    run: Run, path: Path, mode: str, buffering: int
) -> None:
    async def main() -> list[Any]:
        async with await giambio.open_file(path, mode, buffering) as file:
            return [line async for line in file]

    with open(path, mode) as file:
        assert run(main) == list(file)


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_lines_end_where_those_of_open_end(run: Run, tmp_path: Path, newline: str | None) -> None:
    path = tmp_path / "ends"
    path.write_bytes(b"one\ntwo\r\nthree\rfour\n\r\n\r" * 1000)

    async def main() -> list[str]:
        async with await giambio.open_file(path, newline=newline) as file:
            return [line async for line in file]

    with open(path, newline=newline) as file:
        assert run(main) == list(file)


def test_other_ways_of_reading_go_on_after_a_line(run: Run, path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(path) as file:
            lines = aiter(file)
            assert number(await anext(lines)) == 0
            assert number(await file.readline()) == 1
            assert await file.read(5) == "line "
            assert await anext(lines) == "2 of a file\n"
            place = await file.tell()
            assert number(await anext(lines)) == 3
            await file.seek(place)
            assert number(await anext(file)) == 3
            assert number((await file.read()).splitlines()[0]) == 4
            with pytest.raises(StopAsyncIteration):
                await anext(lines)

    run(main)


def test_tasks_share_the_lines_of_a_file(run: Run, path: Path) -> None:
    """Each line goes to one of them, also when they are many and yield control in between."""
    found: list[int] = []

    async def read(file: giambio.AsyncFile[str]) -> None:
        async for line in file:
            if line != "the end":
                found.append(number(line))

    async def main() -> None:
        async with await giambio.open_file(path) as file, giambio.TaskManager() as manager:
            for _ in range(10):
                manager.start_soon(read, file)

    run(main)
    assert sorted(found) == list(range(MANY))


def test_lines_at_hand_let_other_tasks_run(run: Run, path: Path) -> None:
    """A file in memory is no reason to hold the loop."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await giambio.checkpoint()
            turns += 1

    async def main() -> None:
        async with await giambio.open_file(path) as file, giambio.TaskManager() as manager:
            manager.start_soon(count)
            async for _ in file:
                pass
            manager.cancel()

    run(main)
    assert turns > MANY / 1000


def test_a_cancelled_task_gets_no_line_and_loses_none(run: Run, path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(path) as file:
            lines = aiter(file)
            assert number(await anext(lines)) == 0
            with giambio.CancelScope() as scope:
                scope.cancel()
                await anext(lines)
            assert scope.cancelled_caught
            assert number(await anext(lines)) == 1

    run(main)


def test_a_file_closed_in_between_says_so(run: Run, path: Path) -> None:
    async def main() -> None:
        file = await giambio.open_file(path)
        async for _ in file:
            await file.close()
            break
        with pytest.raises(giambio.ClosedResourceError, match="open it again"):
            await anext(aiter(file))

    run(main)


def test_what_was_written_in_between_is_no_line(run: Run, path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(path, "r+") as file:
            assert number(await anext(aiter(file))) == 0
            await file.write("LINE")
            assert await anext(aiter(file)) == " 1 of a file\n"

    run(main)
    assert path.read_text().splitlines()[1] == "LINE 1 of a file"


def test_a_line_that_nobody_awaits_stays_and_is_reported(run: Run, path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(path) as file:
            lines: Any = aiter(file)
            await anext(lines)
            with pytest.warns(RuntimeWarning, match=r"AsyncFile\.__anext__\(\) was never awaited"):
                lines.__anext__()
            assert number(await anext(lines)) == 1

    run(main)


def test_a_line_is_awaited_once(run: Run, path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(path) as file:
            lines: Any = aiter(file)
            for _ in range(2):  # the first is read, the second was read ahead
                line = lines.__anext__()
                await line
                with pytest.raises(RuntimeError, match=r"awaited once|already awaited"):
                    await line

    run(main)


def test_a_line_that_is_gone_before_the_await_goes_on(run: Run, path: Path) -> None:
    """Only who drives awaitables by hand can do something in between."""

    @types.coroutine
    def awaited_late(file: giambio.AsyncFile[str]) -> Any:
        step = aiter(file).__anext__().__await__()
        yield from file.read().__await__()
        return (yield from step)

    async def main() -> None:
        async with await giambio.open_file(path) as file:
            await anext(file)
            with pytest.raises(RuntimeError, match="read or closed after the await"):
                await awaited_late(file)

    run(main)


def test_anext_takes_a_default(run: Run, path: Path) -> None:
    """For all lines: those at hand, those that are read, and where the budget is used up."""

    async def main() -> list[Any]:
        async with await giambio.open_file(path) as file:
            lines = aiter(file)
            found = []
            while (line := await anext(lines, None)) is not None:
                found.append(line)
            assert await anext(lines, None) is None
            return found

    with open(path) as file:
        assert run(main) == list(file)


def test_anext_with_a_default_is_cancelled_like_others(run: Run, path: Path) -> None:
    async def main() -> None:
        async with await giambio.open_file(path) as file:
            lines = aiter(file)
            for number_of_line in range(2):  # one to be read, and one at hand
                with giambio.CancelScope() as scope:
                    scope.cancel()
                    await anext(lines, None)
                assert scope.cancelled_caught
                assert number(await anext(lines, "")) == number_of_line

    run(main)
