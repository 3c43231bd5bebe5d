"""Tools that know Python but not giambio: awaited coroutines, `sys.monitoring`, a profiler."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import CodeType, CoroutineType
from typing import Any

import pytest

import giambio
from giambio.kernel.operation import Operation
from giambio.testing import wait_all_tasks_blocked
from support.threads import Gate

Run = Callable[..., Any]


# -- cr_await ------------------------------------------------------------------------------


async def outer(operation: Callable[[], Awaitable[object]]) -> None:
    await inner(operation)


async def inner(operation: Callable[[], Awaitable[object]]) -> None:
    await operation()


def waits(gate: Gate) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Operations of all kinds, and what they are called; the first one ends by the gate."""
    queue: giambio.Queue[int] = giambio.Queue()
    yield "to_thread()", lambda: giambio.to_thread(gate)
    yield "sleep()", lambda: giambio.sleep(60)
    yield "Event.wait()", giambio.Event().wait
    yield "Queue.get()", queue.get
    yield "race()", lambda: giambio.race(giambio.sleep(60), giambio.sleep(60))


def test_cr_await_leads_to_the_operation_that_a_task_waits_in(run: Run) -> None:
    """Rule 18.9."""
    gate = Gate()

    async def main() -> None:
        for what, operation in waits(gate):
            coro: Any = outer(operation)
            async with giambio.TaskManager() as manager:
                manager.start_soon(coro)
                await wait_all_tasks_blocked()
                awaited: Any = coro.cr_await
                assert isinstance(awaited, CoroutineType)
                assert awaited.cr_code.co_name == "inner"
                assert isinstance(awaited.cr_await, Operation)
                assert awaited.cr_await.what == what
                gate.open.set()
                manager.cancel()
            assert coro.cr_await is None

    run(main)


def test_cr_await_of_a_task_that_waits_in_a_block_or_for_a_task(run: Run) -> None:
    """Rule 18.9."""

    async def block() -> None:
        async with giambio.TaskManager() as manager:
            manager.start_soon(giambio.sleep_forever)

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            blocked: Any = block()
            task = manager.start_soon(blocked)
            joining: Any = outer(task.join)
            manager.start_soon(joining)
            await wait_all_tasks_blocked()
            assert isinstance(blocked.cr_await, Operation)
            assert joining.cr_await.cr_await.what == "Task.join()"
            manager.cancel()

    run(main)


# -- sys.monitoring ------------------------------------------------------------------------

TOOL = 4


@pytest.fixture
def monitored() -> Iterator[Callable[[CodeType], list[str]]]:
    """Have `sys.monitoring` write down what happens to a code object."""
    if sys.version_info < (3, 12):
        pytest.skip("sys.monitoring is new in Python 3.12")
    monitoring = sys.monitoring
    kinds = ("PY_START", "PY_YIELD", "PY_RESUME", "PY_RETURN", "PY_THROW", "PY_UNWIND")
    seen: list[str] = []
    code_of: list[CodeType] = []

    def watch(code: CodeType) -> list[str]:
        code_of.append(code)
        return seen

    def note(kind: str) -> Callable[..., None]:
        def noted(code: CodeType, *_: object) -> None:
            if code in code_of:
                seen.append(kind)

        return noted

    monitoring.use_tool_id(TOOL, "giambio's tests")
    events = 0
    for kind in kinds:
        event = getattr(monitoring.events, kind)
        monitoring.register_callback(TOOL, event, note(kind))
        events |= event
    monitoring.set_events(TOOL, events)
    yield watch
    monitoring.set_events(TOOL, 0)
    for kind in kinds:
        monitoring.register_callback(TOOL, getattr(monitoring.events, kind), None)
    monitoring.free_tool_id(TOOL)


def test_monitoring_sees_each_step_of_a_task(
    run: Run, monitored: Callable[[CodeType], list[str]]
) -> None:
    """Rule 18.9: it starts, yields when it waits, is resumed, and returns or is thrown into."""

    async def wait(event: giambio.Event) -> None:
        await event.wait()
        await giambio.sleep_forever()

    async def main() -> None:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(wait, event)
            await wait_all_tasks_blocked()
            assert seen == ["PY_START", "PY_YIELD"]
            event.set()
            await wait_all_tasks_blocked()
            assert seen[2:] == ["PY_RESUME", "PY_YIELD"]
            task.cancel()

    seen = monitored(wait.__code__)
    run(main)
    assert seen[4:] == ["PY_THROW", "PY_UNWIND"]


# -- the sampling profiler -----------------------------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 15), reason="the profiler is new in Python 3.15")
def test_the_sampling_profiler_shows_the_coroutines_of_the_task_that_runs(tmp_path: Path) -> None:
    """Rule 18.9."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
            import time
            import giambio

            def work():
                end = time.process_time() + 0.5
                while time.process_time() < end:
                    sum(range(100))

            async def inner():
                await giambio.checkpoint()
                work()

            async def outer():
                await inner()

            async def main():
                async with giambio.TaskManager() as manager:
                    manager.start_soon(outer)

            giambio.run(main)
        """)
    )
    stacks = tmp_path / "stacks"
    profiler = ["-m", "profiling.sampling", "run", "--collapsed", "-o", str(stacks)]
    done = subprocess.run(
        [sys.executable, *profiler, str(program)], capture_output=True, text=True, timeout=50
    )
    if "ermission" in done.stderr + done.stdout:
        pytest.skip("the system lets no process look into another")
    assert done.returncode == 0, done.stderr
    frames = [line.rsplit(" ", 1)[0].split(";") for line in stacks.read_text().splitlines()]
    names = [[frame.split(":")[1] for frame in stack if ":" in frame] for stack in frames]
    assert any(
        names_[place : place + 3] == ["outer", "inner", "work"]
        for names_ in names
        for place in range(len(names_))
    ), stacks.read_text()
