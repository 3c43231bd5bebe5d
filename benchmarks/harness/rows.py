"""The rows of the suite: what is measured, against whom, and what giambio owes there.

A goal says how many times better than a peer giambio has to be: faster, or
smaller. They were set before anything was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.peers import GIAMBIO
from harness.ways import Import, Loop, TaskMemory, Way

PEERS_OF_TASKS = (GIAMBIO, "uvloop", "asyncio", "trio", "anyio", "gevent")
TASKS = {peer: f"tasks.{peer}_" for peer in PEERS_OF_TASKS}
FILES = {peer: f"files.{peer}_" for peer in (GIAMBIO, "aiofiles", "trio", "anyio", "gevent")}

SPAWN_GOALS = {"uvloop": 2.5, "trio": 6.0}
A_THREAD_HOP = {"aiofiles": 5.0, "trio": 5.0, "anyio": 5.0}


@dataclass(frozen=True)
class Row:
    name: str
    """What `--rows` takes."""
    title: str
    unit: str
    way: Way
    goals: Mapping[str, float] = field(default_factory=dict)
    """How many times better than these peers giambio is to be."""
    less_is_better: bool = False
    scale: float = 1.0
    """What one of the way's own units is in `unit`."""


ALL = (
    Row(
        "spawn", "spawn a task and join it, one after the other", "tasks/s",
        Loop("spawn", TASKS), SPAWN_GOALS,
    ),
    Row(
        "spawn-block", "spawn 100 tasks and join them all", "tasks/s",
        Loop("spawn_block", TASKS), SPAWN_GOALS,
    ),
    Row(
        "checkpoint", "a checkpoint among 500 tasks", "checkpoints/s",
        Loop("checkpoint", TASKS), {"uvloop": 2.0},
    ),
    Row(
        "channel", "an item through a channel of size 1", "items/s",
        Loop("channel", TASKS), {"uvloop": 3.0},
    ),
    Row(
        "sleepers", "100 000 tasks asleep at the same time", "sleepers per CPU second",
        Loop("sleepers", TASKS, count=100_000, by_cpu=True), {"asyncio": 5.0},
    ),
    Row(
        "timeout", "a timeout that does not fire", "timeouts/s",
        Loop("timeout", TASKS), {"asyncio": 5.0},
    ),
    Row(
        "thread", "a call in a thread and back", "calls/s",
        Loop("thread", TASKS), {"asyncio": 2.0},
    ),
    Row(
        "file-read", "read 4 KiB of an open file, cached", "reads/s",
        Loop("read", FILES), A_THREAD_HOP,
    ),
    Row(
        "file-open", "open a file of 4 KiB, read it, close it", "files/s",
        Loop("open_and_read", FILES),
    ),
    Row(
        "file-copy", "copy a file, by 64 KiB", "MiB/s",
        Loop("copy", FILES), scale=1 / 16,
    ),
    Row(
        "task-memory", "memory of a parked task", "bytes",
        TaskMemory(TASKS, 50_000), less_is_better=True,
    ),
    Row(
        "import", "import time", "ms",
        Import((GIAMBIO, "asyncio", "uvloop", "trio", "anyio", "gevent")), {"asyncio": 1.0},
        less_is_better=True, scale=1e3,
    ),
)  # fmt: skip
