"""What a type checker must infer of `gather` and its like, and what it must refuse.

Nothing in here runs; see `check_types`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import giambio


async def text() -> str:
    await giambio.checkpoint()
    return ""


async def number() -> int:
    await giambio.checkpoint()
    return 0


async def length(item: str) -> int:
    await giambio.checkpoint()
    return len(item)


def not_async(item: str) -> int:
    return len(item)


async def words() -> AsyncIterator[str]:
    await giambio.checkpoint()
    yield "word"


def lines() -> Iterator[str]:
    yield "line"


async def gathering(task: giambio.Task[bytes]) -> None:
    assert_type(await giambio.gather(text(), number), tuple[str, int])
    assert_type(await giambio.gather(text, task, giambio.sleep(1)), tuple[str, bytes, None])
    first, second = await giambio.gather(text, number, return_exceptions=True)
    assert_type(first, str | Exception)
    assert_type(second, int | Exception)
    assert_type(await giambio.gather(*[text() for _ in range(9)]), list[str])
    many = await giambio.gather(*[text for _ in range(9)], return_exceptions=True)
    assert_type(many, list[str | Exception])
    assert_type(await giambio.gather(lambda: length("word")), tuple[int])


async def racing(task: giambio.Task[bytes]) -> None:
    assert_type(await giambio.race(text(), number), str | int)
    assert_type(await giambio.race(text, task), str | bytes)
    assert_type(await giambio.race(*[text() for _ in range(9)]), str)


async def mapping() -> None:
    assert_type(await giambio.map_concurrent(length, ["word"], limit=20), list[int])
    assert_type(await giambio.map_concurrent(length, words()), list[int])
    assert_type(await giambio.map_concurrent(length, lines()), list[int])
    some = await giambio.map_concurrent(length, ["word"], return_exceptions=True)
    assert_type(some, list[int | Exception])


async def as_they_come() -> None:
    async with giambio.as_completed(length, ["word"], limit=20) as results:
        async for result in results:
            assert_type(result, int)
    async with giambio.as_completed(length, words(), return_exceptions=True) as either:
        assert_type([one async for one in either], list[int | Exception])


async def found() -> int:
    """A block may swallow a cancellation, so what follows it runs."""
    async with giambio.as_completed(length, lines()) as results:
        async for result in results:
            return result
    return 0


async def badly() -> None:
    await giambio.gather(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await giambio.gather([text()])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await giambio.race(length)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await giambio.map_concurrent(not_async, ["word"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    giambio.as_completed([text()])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    giambio.as_completed(length)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
