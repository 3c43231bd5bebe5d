"""Leaks: no memory, tasks or descriptors are left behind, and no frames after an error."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


GROWTH = """
import gc, os, sys
import giambio

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

def live_tasks():
    return sum(type(thing) is giambio.Task for thing in gc.get_objects())

async def child(number):
    await giambio.checkpoint()
    if number % 10 == 3:
        await giambio.sleep_forever()
    return number

async def main():
    before = len(os.listdir("/proc/self/fd"))
    async with giambio.TaskManager(limit=100) as manager:
        for number in range(100_000):
            task = await manager.spawn(child, number)
            if number % 10 == 3:
                task.cancel()
            elif number % 7 == 0:
                await task
            if number == 20_000:
                early = resident()
    del task
    grown = resident() - early
    assert grown < 1024 * 1024, f"grown by {grown} bytes"
    assert len(os.listdir("/proc/self/fd")) == before
    gc.collect()
    assert live_tasks() <= 1, live_tasks()  # the main task itself

gc.disable()
giambio.run(main, driver=sys.argv[1])
print("held")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc to see its memory")
def test_memory_does_not_grow_with_the_number_of_spawns(driver: str) -> None:
    """Rule 7.24: memory after 100 000 spawns (in a process of its own)."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, driver], capture_output=True, text=True, check=False
    )
    assert done.stdout == "held\n", done.stderr


class Witness:
    """An object in a frame, to see whether the frame is gone."""


refs: list[weakref.ref[Witness]] = []


@pytest.fixture(autouse=True)
def fresh_references() -> Iterator[None]:
    refs.clear()
    yield
    refs.clear()


def witness() -> Witness:
    """An object that a frame is to hold."""
    thing = Witness()
    refs.append(weakref.ref(thing))
    return thing


def alive() -> list[Any]:
    """Those that are still held."""
    return [ref() for ref in refs if ref() is not None]


async def fail() -> None:
    thing = witness()
    await giambio.checkpoint()
    raise ValueError(f"with {type(thing).__name__}")


async def wait() -> None:
    thing = witness()
    await giambio.sleep_forever()
    print(thing)


@pytest.mark.usefixtures("no_collector")
def test_a_failure_in_a_task_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def main() -> None:
        for _ in range(3):
            with suppress(ValueError):
                async with giambio.TaskManager() as manager:
                    await manager.spawn(fail)
        del manager
        await giambio.checkpoint()

    run(main)
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_failure_of_the_main_task_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    with suppress(ValueError):
        run(fail)
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_failure_through_a_block_that_waits_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(fail)
            await wait()

    with suppress(ValueError):
        run(main)
    assert len(refs) == 2
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_group_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def fail_at_once() -> None:
        thing = witness()
        raise ValueError(f"with {type(thing).__name__}")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(fail_at_once)
            manager.start_soon(fail_at_once)

    with suppress(ExceptionGroup):
        run(main)
    assert len(refs) == 2
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_joined_failure_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def join(task: giambio.Task[None]) -> None:
        with giambio.CancelScope(shield=True), suppress(ValueError):
            await task

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(fail)
            manager.start_soon(join, task)
            manager.start_soon(join, task)
            del task  # nothing above gives way, so `main` never holds what is raised in it

    with suppress(ValueError):
        run(main)
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_cancelled_task_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def main() -> giambio.Task[None]:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(wait)
            await giambio.checkpoint()
            task.cancel()
        await giambio.checkpoint()
        assert alive() == []
        return task

    assert run(main).cancelled()


@pytest.mark.usefixtures("no_collector")
def test_a_time_out_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def main() -> None:
        for _ in range(3):
            with suppress(TimeoutError), giambio.fail_after(0.001):
                await wait()
        await giambio.checkpoint()
        assert alive() == []

    run(main)


@pytest.mark.usefixtures("no_collector")
def test_a_failed_operation_as_a_task_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    class Failing:
        def __await__(self) -> Iterator[Any]:
            thing = witness()
            yield from giambio.checkpoint().__await__()
            raise ValueError(f"with {type(thing).__name__}")

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.spawn(Failing())

    with suppress(ValueError):
        run(main)
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_failure_out_of_start_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def server(task_status: giambio.TaskStatus) -> None:
        await fail()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            await manager.start(server)

    with suppress(ValueError):
        run(main)
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_a_failed_threadsafe_spawn_keeps_no_frame(run: Run) -> None:
    """Rule 8.19: no reference cycle keeps a frame alive after an error."""

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            manager.spawn_threadsafe(fail)

    with suppress(ValueError):
        run(main)
    assert alive() == []


@pytest.mark.usefixtures("no_collector")
def test_tasks_die_with_their_last_reference(run: Run) -> None:
    """Rule 7.24: live `Task` objects return to 0."""
    tasks: list[weakref.ref[Any]] = []

    async def child(number: int) -> None:
        tasks.append(weakref.ref(giambio.current_task()))
        await giambio.checkpoint()
        if number == 1:
            await giambio.sleep_forever()

    async def main() -> None:
        tasks.append(weakref.ref(giambio.current_task()))
        async with giambio.TaskManager() as manager:
            for number in range(3):
                await manager.spawn(child, number)
            with giambio.move_on_after(0.01):
                await giambio.sleep_forever()
            manager.cancel()

    run(main)
    assert len(tasks) == 4
    assert [ref() for ref in tasks if ref() is not None] == []
