"""A signal handler of the program's own that raises, at random moments."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

import giambio
from giambio.runtime.recovery import mend
from giambio.tasks.cancel import Stop
from support.programs import run_beside
from support.sync import settled

Run = Callable[..., Any]
PURE = giambio.build_info().build == "pure"

#: Moments that are tried in one run of the suite.
MOMENTS = 200


def test_every_finally_runs_and_nobody_is_blamed() -> None:
    """Rule 1.18, in a process of its own."""
    ended = run_beside(__file__, "interrupted.py", "0", str(MOMENTS), seconds=50)
    assert ended.stdout == "done\n", ended.stdout + ended.stderr


@pytest.mark.skipif(not PURE, reason="compiled code is not interrupted between two lines")
def test_a_waiter_that_was_not_woken_is_woken_when_all_is_mended(run: Run) -> None:
    """Rule 1.18: whoever was to wake it was interrupted between two lines, and went on."""

    async def main() -> bool:
        event = giambio.Event()
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(event.wait)
            await settled()
            task._parked.abort()  # out of the queue: what `set` does first
            event.set()
            await settled()
            assert not task.done()
            mend(giambio.current_loop())
        return task.done()

    assert run(main)


@pytest.mark.skipif(not PURE, reason="compiled code is not interrupted between two lines")
def test_a_block_that_was_not_told_of_a_stop_is_told_when_all_is_mended(run: Run) -> None:
    """Rule 1.18: the one who stopped it was interrupted between two lines, and went on."""

    async def main() -> bool:
        async with giambio.TaskManager() as manager:
            task = manager.start_soon(giambio.wait_stopping)
            await settled()
            manager.cancel_scope._reason = Stop(inf, None)  # what `stop` does first
            await settled()
            assert not task.done()
            mend(giambio.current_loop())
        return task.done()

    assert run(main)
