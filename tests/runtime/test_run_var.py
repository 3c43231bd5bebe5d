"""`RunVar`: a variable that each run has for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


def test_all_tasks_of_a_run_see_one_value(run: Run) -> None:
    """Rule 1.21: unlike a context variable, of which each task has a copy."""
    variable = giambio.RunVar[str]("variable")

    async def child() -> None:
        assert variable.get() == "main's"
        variable.set("child's")

    async def main() -> str:
        variable.set("main's")
        async with giambio.TaskManager() as manager:
            manager.start_soon(child)
        return variable.get()

    assert run(main) == "child's"


def test_each_run_begins_anew(run: Run) -> None:
    """Rule 1.21: also on one loop, and beside each other in two threads."""
    variable = giambio.RunVar("variable", default=0)

    async def count() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    async def main() -> None:
        assert await count() == 1
        assert await giambio.to_thread(giambio.run, count) == 1
        assert await count() == 2

    with giambio.Runner() as runner:
        runner.run(main)
        runner.run(main)
    run(main)


def test_a_run_that_fails_leaves_nothing(run: Run) -> None:
    """Rule 1.21."""
    variable = giambio.RunVar("variable", default=0)

    async def fail() -> None:
        variable.set(1)
        raise ValueError("x")

    async def get() -> int:
        return variable.get()

    with giambio.Runner() as runner:
        with pytest.raises(ValueError):
            runner.run(fail)
        assert runner.run(get) == 0


def test_defaults(run: Run) -> None:
    """Rule 1.21: that of the call comes before that of the variable, as in AnyIO and Trio."""

    async def main() -> None:
        variable = giambio.RunVar("variable", default=None)
        assert variable.get() is None
        assert variable.get(5) == 5
        variable.set(None)
        assert variable.get(5) is None
        bare = giambio.RunVar[int]("bare")
        assert bare.get(5) == 5
        with pytest.raises(LookupError, match=r"the RunVar 'bare' has no value in this run"):
            bare.get()

    run(main)


def test_a_token_restores_what_was_there(run: Run) -> None:
    """Rule 1.21: in any order; also that there was nothing."""
    variable = giambio.RunVar[int]("variable")

    async def main() -> None:
        first = variable.set(1)
        second = variable.set(2)
        variable.reset(second)
        assert variable.get() == 1
        variable.reset(first)
        with pytest.raises(LookupError):
            variable.get()

    run(main)


def test_a_first_token_may_be_reset_after_others(run: Run) -> None:
    """Rule 1.21: out of order, too."""
    variable = giambio.RunVar[int]("variable")

    async def main() -> None:
        tokens = [variable.set(n) for n in range(2)]
        variable.reset(tokens[0])
        variable.reset(tokens[1])
        assert variable.get() == 0

    run(main)


def test_a_token_is_used_once_in_its_run(run: Run) -> None:
    """Rules 1.21, 19.1: each mistake says what it is."""
    variable = giambio.RunVar[int]("variable")
    other = giambio.RunVar[int]("other")
    kept: list[Any] = []

    async def main() -> None:
        kept.append(variable.set(1))
        token = variable.set(2)
        with pytest.raises(ValueError, match="belongs to the RunVar 'variable'"):
            other.reset(token)
        variable.reset(token)
        with pytest.raises(ValueError, match="was used already"):
            variable.reset(token)
        with pytest.raises(TypeError, match="needs what set"):
            variable.reset(None)  # type: ignore[arg-type]

    async def next_run() -> None:
        with pytest.raises(ValueError, match="made in another run"):
            variable.reset(kept[0])

    run(main)
    run(next_run)


def test_outside_of_a_run(run: Run) -> None:
    """Rule 19.1: there is no value to be found or set."""
    variable = giambio.RunVar("variable", default=0)
    uses: list[Callable[[], object]] = [variable.get, lambda: variable.set(1)]
    for use in uses:
        with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
            use()
        with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
            run(giambio.to_thread, use)
    with pytest.raises(TypeError, match=r"RunVar\(name\) needs a string, not 5"):
        giambio.RunVar(5)  # type: ignore[arg-type]
    assert repr(variable) == "<giambio.RunVar 'variable'>"
