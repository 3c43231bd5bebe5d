"""Deep nesting: what happens inside costs the same, however much is around it.

There is no timing here. The numbers are chosen so that a cost that grows with the depth would
take minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


def test_cancelling_an_innermost_scope_does_not_look_at_the_scopes_around(run: Run) -> None:
    """Rule 5.16: 20 000 cancellations inside of 50 000 scopes."""

    async def main() -> int:
        caught = 0
        with ExitStack() as around:
            for _ in range(50_000):
                around.enter_context(giambio.CancelScope())
            for _ in range(20_000):
                with giambio.CancelScope() as scope:
                    scope.cancel()
                    await giambio.checkpoint_if_cancelled()
                caught += scope.cancelled_caught
        return caught

    assert run(main) == 20_000


def test_cancelling_an_innermost_scope_does_not_look_at_the_managers_around(run: Run) -> None:
    """Rule 5.16: 20 000 cancellations inside of 1 000 managers of the same task."""

    async def main() -> None:
        async with AsyncExitStack() as around:
            for _ in range(1_000):
                await around.enter_async_context(giambio.TaskManager())
            for _ in range(20_000):
                with giambio.CancelScope() as scope:
                    scope.cancel()

    run(main)


def test_cancelling_in_the_middle_reaches_all_that_is_inside_and_nothing_else(run: Run) -> None:
    """Rules 6.1, 7.2: scopes and managers of one task, in turn, with a task in each manager."""

    async def main() -> list[str]:
        ended: list[str] = []

        async def child(name: str) -> None:
            try:
                await giambio.sleep_forever()
            finally:
                ended.append(name)

        async with AsyncExitStack() as around:
            scopes = []
            for depth in range(6):
                scopes.append(around.enter_context(giambio.CancelScope()))
                manager = await around.enter_async_context(giambio.TaskManager())
                await manager.spawn(child, f"child {depth}")
            await giambio.checkpoint()
            scopes[3].cancel()
            with giambio.CancelScope(shield=True):
                await giambio.sleep(0)
                await giambio.sleep(0)
            inside = list(ended)
            scopes[0].cancel()
        return inside

    assert run(main) == ["child 3", "child 4", "child 5"]


@pytest.mark.parametrize("depth", [1_000, 5_000])
def test_a_failure_in_strict_managers_does_not_grow_dearer_with_each(run: Run, depth: int) -> None:
    """Rule 8.9: deeper than Python's recursion limit, and each block makes a group."""

    async def main() -> None:
        async with AsyncExitStack() as around:
            for _ in range(depth):
                await around.enter_async_context(giambio.TaskManager(strict=True))
            raise KeyError("failed")

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    inner: BaseException = caught.value
    groups = 0
    while isinstance(inner, ExceptionGroup):
        (inner,) = inner.exceptions
        groups += 1
    assert (type(inner), groups) == (KeyError, depth)


def test_the_report_of_a_deadlock_in_a_deep_tree_is_short(run: Run) -> None:
    """Rule 11.20: a thousand nested managers; the innermost task is the one that matters."""

    async def level(depth: int) -> None:
        if depth == 0:
            await giambio.Event().wait()
        async with giambio.TaskManager() as manager:
            await manager.spawn(level, depth - 1, name=f"level {depth - 1}")

    with pytest.raises(giambio.DeadlockError) as caught:
        run(level, 1_000, detect_deadlocks=True)
    text = str(caught.value)
    assert len(text) < 30_000
    assert "level 999 (2) waits for TaskManager.__aexit__()" in text
    assert "lines are left out here)" in text
    assert "level 0 (1001) waits for Event.wait()" in text
