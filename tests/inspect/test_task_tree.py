"""The tree of tasks: as data and as text, with the user's frames only."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import giambio
import giambio.asyncio
from giambio.inspect import task_tree as module
from giambio.testing import wait_all_tasks_blocked

Run = Callable[..., Any]


async def inner() -> None:
    await giambio.sleep_forever()


async def outer() -> None:
    await inner()


def line_of(function: Any, offset: int) -> int:
    """The number of a line in a function of this file."""
    number: int = function.__code__.co_firstlineno + offset
    return number


def tree_with(run: Run, *functions: Any) -> tuple[giambio.TaskInfo, ...]:
    """The children of a main task that has spawned these functions and let them park."""

    async def main() -> tuple[giambio.TaskInfo, ...]:
        async with giambio.TaskManager() as manager:
            for function in functions:
                await manager.spawn(function)
            await wait_all_tasks_blocked()
            (root,) = giambio.task_tree()
            manager.cancel()
        return root.children

    children: tuple[giambio.TaskInfo, ...] = run(main)
    return children


def test_the_running_task_is_at_the_top_with_its_place(run: Run) -> None:
    """Rule 18.1: the task tree, live, from inside."""

    def helper() -> tuple[giambio.TaskInfo, ...]:
        return giambio.task_tree()

    async def main() -> tuple[giambio.TaskInfo, ...]:
        return helper()

    (root,) = run(main)
    assert (root.id, root.state, root.waits_for, root.children) == (1, "running", "", ())
    assert [frame.function.rpartition(".")[2] for frame in root.frames] == ["main", "helper"]
    assert root.frames[1].line == line_of(helper, 1)
    assert root.name.endswith("main")


def test_a_parked_task_shows_every_frame_of_the_users_and_none_of_ours(run: Run) -> None:
    """Rule 18.2: user frames only."""
    (child,) = tree_with(run, outer)
    assert child.state == "waiting"
    assert child.waits_for == "sleep_forever()"
    assert child.frames == (
        giambio.FrameInfo(__file__, line_of(outer, 1), "outer"),
        giambio.FrameInfo(__file__, line_of(inner, 1), "inner"),
    )


def test_frames_are_found_through_async_generators(run: Run) -> None:
    """Rule 18.2: where each one stands, also behind Python's own helper objects."""

    async def numbers() -> AsyncIterator[int]:
        await inner()
        yield 1

    async def loop_over() -> None:
        async for _ in numbers():
            pass

    async def next_of() -> None:
        generator = numbers()
        await anext(generator)

    for function in (loop_over, next_of):
        (child,) = tree_with(run, function)
        names = [frame.function.rpartition(".")[2] for frame in child.frames]
        assert names == [function.__name__, "numbers", "inner"]


def test_frames_are_found_through_objects_with_await(run: Run) -> None:
    """Rule 18.2: a coroutine behind `__await__` is the user's as well."""

    class Page:
        def __await__(self) -> Any:
            return inner().__await__()

    class Generator:
        def __await__(self) -> Any:
            yield from inner().__await__()

    async def wait_for_page() -> None:
        await Page()

    async def wait_for_generator() -> None:
        await Generator()

    page, generator = tree_with(run, wait_for_page, wait_for_generator)
    assert [frame.function for frame in page.frames][-1] == "inner"
    names = [frame.function.rpartition(".")[2] for frame in generator.frames]
    assert names == ["wait_for_generator", "__await__", "inner"]


def test_a_task_that_waits_for_its_turn_is_ready(run: Run) -> None:
    """Rule 18.1: a task that waits for its turn is ready."""

    async def main() -> list[str]:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.checkpoint)
            (root,) = giambio.task_tree()
        return [child.state for child in root.children]

    assert run(main) == ["ready"]


def test_the_tree_follows_managers_and_the_order_of_spawning(run: Run) -> None:
    """Rule 18.1: who runs below whom."""

    async def parent() -> None:
        async with giambio.TaskManager() as manager:
            for number in range(3):
                await manager.spawn(giambio.sleep_forever, name=f"child {number}")

    async def other() -> None:
        await giambio.sleep_forever()

    first, second = tree_with(run, parent, other)
    assert [child.name for child in first.children] == ["child 0", "child 1", "child 2"]
    assert first.waits_for == "TaskManager.__aexit__() on <giambio.TaskManager open, 3 running>"
    assert second.children == ()


def test_what_a_task_waits_for_is_named(run: Run) -> None:
    """Rule 18.3: a lock and its holder, an event, a task."""

    async def main() -> dict[str, str]:
        lock = giambio.Lock()
        event = giambio.Event()
        async with giambio.TaskManager() as manager, lock:
            sleeper = await manager.spawn(giambio.sleep, 60, name="sleeper")
            await manager.spawn(lock.acquire, name="lock")
            await manager.spawn(event.wait, name="event")
            await manager.spawn(sleeper.join, name="join")
            await wait_all_tasks_blocked()
            (root,) = giambio.task_tree()
            manager.cancel()
        return {child.name: child.waits_for for child in root.children}

    waits = run(main)
    assert waits["sleeper"] == "sleep()"
    assert re.fullmatch(
        r"Lock\.acquire\(\) on <giambio\.Lock held by task '.*main', 1 waiting>", waits["lock"]
    )
    assert waits["event"] == "Event.wait() on <giambio.Event not set, 1 waiting>"
    assert waits["join"] == "Task.join() on <giambio.Task 'sleeper' running>"


def test_the_text_draws_the_tree(run: Run) -> None:
    """Rule 18.1: as text."""
    leaf = giambio.TaskInfo(3, "leaf", "ready", "", (giambio.FrameInfo("a.py", 7, "leaf"),), ())
    middle = giambio.TaskInfo(
        2, "middle", "waiting", "sleep()", (giambio.FrameInfo("a.py", 5, "middle"),), (leaf,)
    )
    last = giambio.TaskInfo(4, "last", "waiting", "sleep()", (), ())
    root = giambio.TaskInfo(
        1, "main", "running", "", (giambio.FrameInfo("a.py", 2, "main"),), (middle, last)
    )
    assert giambio.format_task_tree([root]).splitlines() == [
        "main (1) is running",
        "│   a.py:2 in main",
        "├── middle (2) waits for sleep()",
        "│   │   a.py:5 in middle",
        "│   └── leaf (3) is ready",
        "│           a.py:7 in leaf",
        "└── last (4) waits for sleep()",
    ]


def test_the_text_is_of_the_running_loop_without_a_tree(run: Run) -> None:
    """Rule 18.1: live, from inside."""

    async def main() -> str:
        return giambio.format_task_tree()

    first, second = run(main).splitlines()
    assert first.endswith("main (1) is running")
    assert second.startswith("    ")
    assert second.endswith("main")


@pytest.mark.parametrize("function", [giambio.task_tree, giambio.format_task_tree])
def test_outside_of_a_loop_it_says_so(function: Callable[[], object]) -> None:
    """Rule 19.1: outside of a loop the error says so."""
    with pytest.raises(RuntimeError, match="no giambio loop runs in this thread"):
        function()


@pytest.mark.usefixtures("in_turn")
def test_a_callback_may_look_at_the_tree(run: Run) -> None:
    """Rule 18.1: also when no task runs."""
    trees = []

    async def main() -> None:
        giambio.current_loop().call_soon(lambda: trees.append(giambio.task_tree()))
        await giambio.sleep(0.01)

    run(main)
    assert [root.state for root in trees[0]] == ["waiting"]


def test_a_tree_of_a_thousand_levels_is_drawn(run: Run) -> None:
    """Rule 18.1: of any depth, without recursion."""

    async def level(number: int) -> None:
        async with giambio.TaskManager() as manager:
            if number:
                manager.start_soon(level, number - 1)
            else:
                lines.extend(giambio.format_task_tree().splitlines())

    lines: list[str] = []
    run(level, 1000)
    assert sum(" (" in line for line in lines) == 1001


def test_a_task_that_moves_while_it_is_looked_at_is_told_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 26.7: between two looks it goes from the block that starts it into its manager."""
    children_of = module.children_of

    def met_twice(task: Any) -> Any:
        for child in children_of(task):
            yield child
            yield child

    async def parent() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(inner)

    monkeypatch.setattr(module, "children_of", met_twice)
    (child,) = tree_with(run, parent)
    assert [below.name for below in child.children] == [f"{__name__}.inner"]


def test_the_frames_of_others_are_not_those_of_a_task_that_has_just_parked() -> None:
    """Rule 26.7: it is taken for the one that runs, but its loop's thread is elsewhere by now."""
    coro = outer()
    try:
        frames = module.stack_of(coro, threading.get_ident())
    finally:
        coro.close()
    assert [frame.f_code for frame in frames if frame] == [outer.__code__]


def test_an_object_that_cannot_be_shown_is_no_obstacle() -> None:
    """Rule 26.6: a future may be of another library's class, and its `repr` may fail."""

    class Nameless(asyncio.Future[None]):
        def __repr__(self) -> str:
            raise ValueError("it has no name")

    async def main() -> str:
        async def wait() -> None:
            await Nameless()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0.01)
        tree = giambio.format_task_tree()
        task.cancel()
        return tree

    assert "waits for <Nameless, whose repr raised ValueError>\n" in giambio.asyncio.run(main())
