"""Awaiting objects of other libraries: refused at that await, unless a loop of theirs is hosted.

What is refused while asyncio's is hosted is in `tests/asyncio/test_hosting.py`, too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


class Yields:
    """An awaitable of another library: it yields an object, and wants to be resumed."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __await__(self) -> Generator[Any, Any, Any]:
        yield self.thing


@pytest.mark.parametrize("thing", ["their thing", 42], ids=["object", "number"])
def test_a_foreign_yield_is_a_type_error_at_that_await_that_names_the_object(
    run: Run, thing: object
) -> None:
    """Rules 3.1, 3.2: a `TypeError` that names the foreign object is raised at that `await`."""

    async def main() -> str:
        with pytest.raises(TypeError, match=rf"something that is not giambio's: {thing!r};"):
            await Yields(thing)
        await giambio.checkpoint()
        return "goes on"

    assert run(main) == "goes on"


def test_the_error_tells_what_to_do(run: Run) -> None:
    with pytest.raises(TypeError, match="needs that library's loop"):
        run(Yields, "their thing")


def test_the_traceback_of_a_refused_await_shows_only_the_users_frames(run: Run) -> None:
    async def main() -> None:
        await Yields("their thing")

    with pytest.raises(TypeError) as caught:
        run(main)
    names = [entry.name for entry in caught.traceback]
    assert names[-2:] == ["main", "__await__"]
    assert not [entry for entry in caught.traceback if "giambio/kernel" in str(entry.path)]


def test_one_who_catches_the_error_of_a_foreign_yield_again_and_again_starves_nobody(
    run: Run,
) -> None:
    """Rule 4.8: a busy task cannot starve the others."""

    async def main() -> int:
        tries = 0
        giambio.current_loop().call_later(0, stop.append, True)
        while not stop:
            tries += 1
            try:
                await Yields("their thing")
            except TypeError:
                pass
        return tries

    stop: list[bool] = []
    assert run(main) > 0
