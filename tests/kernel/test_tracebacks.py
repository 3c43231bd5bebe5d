"""Tracebacks of user errors hold the user's frames, and none of ours between them."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


async def deeper() -> None:
    await giambio.checkpoint()
    raise ValueError("x")


async def child() -> None:
    await deeper()


def modules_and_names(exc: BaseException) -> list[tuple[str, str]]:
    """What the frames of a traceback belong to, from the outermost one in `main` on."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    names = [(str(frame.f_globals["__name__"]), frame.f_code.co_name) for frame in frames]
    return names[names.index((__name__, "main")) :]


def own(*functions: str) -> list[tuple[str, str]]:
    """The entries that only this module leaves."""
    return [(__name__, name) for name in functions]


def failure_of(run: Run, main: Callable[[], Awaitable[object]]) -> BaseException:
    """What a main function ends with."""
    with pytest.raises((ValueError, ExceptionGroup)) as caught:
        run(main)
    return caught.value


def test_through_the_block(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)

    assert modules_and_names(failure_of(run, main)) == own("main", "child", "deeper")


def test_through_the_block_while_the_body_waits(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)
            await giambio.sleep_forever()

    assert modules_and_names(failure_of(run, main)) == own("main", "child", "deeper")


def test_from_the_body(run: Run) -> None:
    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(giambio.sleep_forever)
            await child()

    assert modules_and_names(failure_of(run, main)) == own("main", "child", "deeper")


@pytest.mark.parametrize("way", ["await", "join"])
def test_through_a_join(run: Run, way: str) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(child)
            with giambio.CancelScope(shield=True):
                await (task if way == "await" else task.join())

    names = modules_and_names(failure_of(run, main))
    assert names == own("main", "child", "deeper")


@pytest.mark.parametrize("way", ["await", "join"])
def test_through_a_join_of_a_task_that_has_ended(run: Run, way: str) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            async with giambio.TaskManager() as manager:
                task = await manager.spawn(child)
        await (task if way == "await" else task.join())

    assert modules_and_names(failure_of(run, main)) == own("main", "child", "deeper")


def test_through_nested_managers(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def middle() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(child)
            await giambio.sleep_forever()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(middle)

    assert modules_and_names(failure_of(run, main)) == own("main", "middle", "child", "deeper")


def test_through_managers_and_joins(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def join(task: giambio.Task[Any]) -> None:
        await task

    async def main() -> None:
        with giambio.CancelScope(shield=True):
            async with giambio.TaskManager() as outer, giambio.TaskManager() as inner:
                await inner.spawn(join, await outer.spawn(child))

    for name, _ in modules_and_names(failure_of(run, main)):
        assert name == __name__


def test_the_leaves_of_a_group(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def fail() -> None:
        raise ValueError("x")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fail)
            manager.start_soon(fail)

    group = failure_of(run, main)
    assert isinstance(group, ExceptionGroup)
    assert modules_and_names(group) == own("main")
    for leaf in group.exceptions:
        frames = [frame for frame, _ in traceback.walk_tb(leaf.__traceback__)]
        assert [frame.f_code.co_name for frame in frames] == ["fail"]


def test_through_start(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def server(task_status: giambio.TaskStatus) -> None:
        await child()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(server)

    assert modules_and_names(failure_of(run, main)) == own("main", "server", "child", "deeper")


@pytest.mark.parametrize("way", ["spawn", "start"])
def test_what_the_call_of_the_function_raises(run: Run, way: str) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    def function(task_status: giambio.TaskStatus | None = None) -> Awaitable[None]:
        raise ValueError("x")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await getattr(manager, way)(function)

    assert modules_and_names(failure_of(run, main)) == own("main", "function")


def test_through_an_awaitable_of_the_users(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    class Awaited:
        def __await__(self) -> Generator[Any, Any, None]:
            yield from giambio.checkpoint().__await__()
            raise ValueError("x")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(Awaited())

    assert modules_and_names(failure_of(run, main)) == own("main", "__await__")


def test_through_a_scope(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> None:
        with giambio.CancelScope(), giambio.move_on_after(60), giambio.fail_after(60):
            await child()

    assert modules_and_names(failure_of(run, main)) == own("main", "child", "deeper")


def test_through_a_scope_that_takes_its_cancellations_out_of_a_group(run: Run) -> None:
    """Rule 8.17: no frame of ours between the user's."""

    async def mixed() -> None:
        try:
            await giambio.checkpoint()
        except giambio.CancelledError as exc:
            raise BaseExceptionGroup("mixed", [exc, ValueError("x")]) from None

    async def main() -> None:
        with giambio.CancelScope() as scope:
            scope.cancel()
            await mixed()

    names = modules_and_names(failure_of(run, main))
    last_of_the_user = max(index for index, (name, _) in enumerate(names) if name == __name__)
    assert {name for name, _ in names[: last_of_the_user + 1]} == {__name__}


def test_the_cancellation_of_an_operation_is_raised_in_the_users_frame(run: Run) -> None:
    """Rule 8.17: the tracebacks of user errors contain no frame of ours."""

    async def main() -> list[tuple[str, str]]:
        with giambio.CancelScope() as scope:
            scope.cancel()
            try:
                await giambio.sleep(1)
            except giambio.CancelledError as exc:
                names = modules_and_names(exc)
                raise
        return names

    assert run(main) == own("main")


def test_the_printed_traceback_has_only_the_users_files(run: Run) -> None:
    """Rule 8.17: what a user reads is their own code."""

    async def main() -> str:
        try:
            async with giambio.TaskManager() as manager:
                await manager.spawn(child)
                await giambio.sleep_forever()
        except ValueError:
            return traceback.format_exc()
        return ""

    text = run(main)
    assert "/giambio/" not in text.replace("\\", "/").replace("/tests/", "/")
    assert "During handling" not in text
