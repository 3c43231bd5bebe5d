"""Blocks of one kind, used as the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import giambio
from giambio.testing import assert_checkpoints, swallowed_cancellations

Run = Callable[..., Any]

ASYNC = {
    "a Lock": giambio.Lock,
    "a Semaphore": lambda: giambio.Semaphore(1),
    "a CapacityLimiter": lambda: giambio.CapacityLimiter(1),
    "a Barrier": lambda: giambio.Barrier(1),
    "a Condition": giambio.Condition,
    "a TaskManager": giambio.TaskManager,
    "as_completed()": lambda: giambio.as_completed(giambio.sleep, [0]),
    "a BlockingPortal": giambio.BlockingPortal,
    "a TemporaryFile": giambio.TemporaryFile,
    "a NamedTemporaryFile": giambio.NamedTemporaryFile,
    "a SpooledTemporaryFile": giambio.SpooledTemporaryFile,
    "a TemporaryDirectory": giambio.TemporaryDirectory,
    "a RateLimiter": lambda: giambio.RateLimiter(1),
}
SYNC = {
    "a CancelScope": lambda: giambio.move_on_after(1),
    "external_wakeups()": giambio.external_wakeups,
    "open_signal_receiver()": lambda: giambio.open_signal_receiver(2),
    "start_blocking_portal()": giambio.start_blocking_portal,
    "assert_checkpoints()": assert_checkpoints,
    "swallowed_cancellations()": swallowed_cancellations,
}


@pytest.mark.parametrize("name", ASYNC)
def test_with_says_async_with(run: Run, name: str) -> None:
    """Rule 19.1: the error names the block, and the word that is missing."""

    async def main() -> None:
        block: Any = ASYNC[name]()
        with pytest.raises(TypeError) as caught, block:
            pass
        assert str(caught.value) == f"{name} is entered with `async with`, not `with`"

    run(main)


@pytest.mark.parametrize("name", SYNC)
def test_async_with_says_with(run: Run, name: str) -> None:
    """Rules 6.13, 19.1: the error names the block, and the word that is too many."""

    async def main() -> None:
        block: Any = SYNC[name]()
        with pytest.raises(TypeError) as caught:
            async with block:
                pass
        assert str(caught.value) == f"{name} is entered with `with`, not `async with`"

    run(main)


def test_every_block_of_one_kind_has_an_error_for_the_other() -> None:
    """Rule 19.1: also those that are made by functions."""
    classes = [cls for cls in vars(giambio).values() if isinstance(cls, type)]
    one_sided = [
        cls.__name__ for cls in classes if hasattr(cls, "__aenter__") != hasattr(cls, "__enter__")
    ]
    assert one_sided == []
