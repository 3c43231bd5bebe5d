"""watchfiles inside giambio tasks: changes in real folders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import giambio
from support.net import open_descriptors

watchfiles = pytest.importorskip("watchfiles")

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def until_it_has_closed() -> Iterator[None]:
    """A thread of watchfiles' own closes its descriptors, and nobody is told when."""
    before = open_descriptors()
    yield
    until = time.monotonic() + 30
    while open_descriptors() - before and time.monotonic() < until:
        time.sleep(0.01)


async def changing(path: Path, seen: giambio.Event) -> None:
    """Write a file until it has been noticed: watching begins at a time of its own."""
    number = 0
    while not seen.is_set():
        number += 1
        path.write_text(str(number))
        await giambio.sleep(0.05)


def test_changes_are_told(run: Run, tmp_path: Path) -> None:
    """A file that is made, and one that is deleted, until an event of giambio's ends it."""
    path = tmp_path / "file"

    async def main() -> list[str]:
        stop, seen = giambio.Event(), giambio.Event()
        kinds: list[str] = []
        async with giambio.TaskManager() as manager:
            manager.start_soon(changing, path, seen)
            async for changes in watchfiles.awatch(tmp_path, stop_event=stop, step=10):
                for change, changed in changes:
                    assert changed == str(path)
                    kinds.append(change.name)
                if not seen.is_set():
                    seen.set()
                    path.unlink()
                elif "deleted" in kinds:
                    stop.set()
        return kinds

    assert {"added", "deleted"} <= set(run(main))


def test_cancelled_it_ends_with_its_thread(run: Run, tmp_path: Path) -> None:
    """Rule 13.8: the task waits for the thread, which looks up every `rust_timeout`."""

    async def watch() -> None:
        async for _ in watchfiles.awatch(tmp_path, rust_timeout=100, yield_on_timeout=True):
            waiting.set()

    waiting = giambio.Event()

    async def main() -> None:
        async with giambio.TaskManager() as manager:
            task = await manager.spawn(watch)
            await waiting.wait()
            task.cancel()
        assert task.cancelled()

    run(main)
