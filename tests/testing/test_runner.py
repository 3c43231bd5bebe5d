"""The runner of fixtures and tests, which both pytest plugins use."""

from __future__ import annotations

from typing import Any

import giambio
from giambio.testing import VirtualClock
from giambio.testing.runner import Runner


def failure(text: str, _: bool) -> BaseException:
    return RuntimeError(text)


def test_a_job_that_is_done_does_not_wait_for_anything_else() -> None:
    """A fixture's task sleeps; the virtual clock would jump if a test waited for it."""
    runner = Runner(failure, clock=VirtualClock())
    manager: Any = giambio.TaskManager()

    async def fixture() -> None:
        await manager.__aenter__()
        manager.start_soon(giambio.sleep, 30 * 60)

    async def trivial() -> float:
        return giambio.current_time()

    async def teardown() -> None:
        manager.cancel()
        await manager.__aexit__(None, None, None)

    runner.run("the fixture", fixture, None)
    times = [runner.run("a test", trivial, None, is_test=True) for _ in range(3)]
    times.append(runner.run("another fixture", trivial, None))
    runner.run("the teardown", teardown, None)
    runner.close()
    assert times == [0.0] * 4
