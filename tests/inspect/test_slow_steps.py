"""The watchdog: `EventLoop(slow_step=)` logs a step that blocks the loop while it does."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import giambio

Run = Callable[..., Any]


def block_until_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Hold the loop, and give way only when that was noticed."""
    end = time.monotonic() + 20
    while not caplog.records and time.monotonic() < end:
        time.sleep(0.005)


def test_a_slow_step_is_logged_while_it_blocks(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 18.4: logged with task, file and line."""

    async def blocker() -> int:
        block_until_logged(caplog)
        return len(caplog.records)

    async def main() -> int:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(blocker, name="the blocker")
        return task.result()

    with caplog.at_level(logging.WARNING, "giambio"):
        assert run(main, slow_step=0.05) == 1
    (record,) = caplog.records
    assert record.name == "giambio"
    message = record.getMessage()
    assert message.startswith("task 'the blocker' has held the loop for 0.")
    assert f"{__file__}:" in message
    assert "in block_until_logged" in message


def test_a_step_is_logged_once_and_the_next_one_anew(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 18.4: one line for each step that blocks."""

    async def main() -> list[int]:
        counts = []
        for number in range(2):
            patience = time.monotonic() + 30
            while len(caplog.records) <= number and time.monotonic() < patience:
                time.sleep(0.01)
            time.sleep(0.2)  # long enough for a second line, if there were one
            counts.append(len(caplog.records))
            await giambio.checkpoint()
        return counts

    with caplog.at_level(logging.WARNING, "giambio"):
        assert run(main, slow_step=0.05) == [1, 2]


def test_steps_that_give_way_and_waits_are_not_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 18.4: waiting is not blocking."""

    async def main() -> None:
        await giambio.sleep(0.4)
        for _ in range(10):
            await giambio.checkpoint()

    with caplog.at_level(logging.WARNING, "giambio"):
        run(main, slow_step=0.1)
    assert caplog.records == []


def test_nobody_watches_unless_asked(run: Run) -> None:
    """Rule 18.5: a watchdog thread only when asked for."""

    async def names() -> list[str]:
        return [thread.name for thread in threading.enumerate()]

    assert "giambio-watchdog" not in run(names)
    assert "giambio-watchdog" in run(names, slow_step=1)
    assert "giambio-watchdog" not in [thread.name for thread in threading.enumerate()]


def test_the_watchdog_does_not_hide_a_deadlock(run: Run) -> None:
    """Rule 11.11: the watchdog does not count."""
    with pytest.raises(giambio.DeadlockError):
        run(giambio.Event().wait, slow_step=1)


@pytest.mark.parametrize("failing", [False, True])
def test_the_watchdog_ends_with_the_run_also_when_that_fails(run: Run, failing: bool) -> None:
    """Rule 18.5: nothing is left behind."""

    async def main() -> None:
        if failing:
            raise ValueError("failed")

    if failing:
        with pytest.raises(ValueError, match="failed"):
            run(main, slow_step=1)
    else:
        run(main, slow_step=1)
    assert "giambio-watchdog" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("value", "error"),
    [("0.1", TypeError), (float("nan"), ValueError), (0, ValueError), (-1, ValueError)],
)
def test_a_slow_step_that_is_no_time_is_refused(value: Any, error: type[Exception]) -> None:
    """Rule 19.6: nonsense for seconds."""
    with pytest.raises(error, match="slow_step"):
        giambio.EventLoop(slow_step=value)


PROGRAM = """
import giambio, logging, time
async def main():
    time.sleep(0.5)
giambio.run(main)
"""


@pytest.mark.parametrize(
    ("options", "debug", "logged"),
    [
        ([], "1", True),
        ([], "0", False),
        ([], "", False),
        ([], None, False),
        (["-X", "dev"], None, True),
        (["-X", "dev"], "0", False),
    ],
)
def test_the_environment_and_the_development_mode_turn_it_on(
    options: list[str], debug: str | None, logged: bool
) -> None:
    """Rule 18.4: without a change to the program."""
    environment = {**os.environ}
    environment.pop("GIAMBIO_DEBUG", None)
    if debug is not None:
        environment["GIAMBIO_DEBUG"] = debug
    ended = subprocess.run(
        [sys.executable, *options, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ("has held the loop for" in ended.stderr) == logged


BESIDE_ASYNCIO = """
import giambio, os, sys
async def nothing():
    pass
giambio.run(nothing)
assert "asyncio" not in sys.modules
import asyncio
async def main():
    print(asyncio.get_running_loop().get_debug())
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("options", "debug", "of_asyncio", "found"),
    [
        ([], "1", None, True),
        ([], "1", "", False),  # asyncio's own variable is the program's to set
        ([], "0", None, False),
        ([], "0", "1", True),
        ([], None, None, False),
        (["-X", "dev"], None, None, True),
    ],
)
def test_one_switch_is_enough_for_asyncio_too(
    options: list[str], debug: str | None, of_asyncio: str | None, found: bool
) -> None:
    """Rule 18.10: without importing it."""
    environment = {**os.environ}
    for name, value in (("GIAMBIO_DEBUG", debug), ("PYTHONASYNCIODEBUG", of_asyncio)):
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    ended = subprocess.run(
        [sys.executable, *options, "-c", BESIDE_ASYNCIO],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.strip() == str(found)
