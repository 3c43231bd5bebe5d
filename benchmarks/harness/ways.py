"""The ways to measure: what each kind of row does with one of its peers.

All of them start a fresh process for each measurement, on a core of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from harness.bench import Bench
from harness.errors import BenchmarkError
from harness.load import Load, measure_echoes, measure_rest
from harness.processes import child, last_words, read_line
from harness.samples import Sample, Timing

BENCHMARKS = Path(__file__).resolve().parent.parent
PATIENCE = 120.0
"""Seconds that one program may take."""

IMPORTS = 10
"""How many processes one measurement of an import looks at."""


class Way(Protocol):
    """How the peers of a row are measured."""

    @property
    def peers(self) -> Sequence[str]: ...

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample: ...


@dataclass(frozen=True)
class Loop:
    """A function that does an operation many times: operations per second."""

    function: str
    modules: Mapping[str, str]
    """The module with this function, for each peer."""
    count: int = 0
    """How many operations; 0 for as many as fill the time."""
    by_cpu: bool = False
    """Count CPU seconds, because most of the time is spent waiting."""

    @property
    def peers(self) -> Sequence[str]:
        return list(self.modules)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        module = self.modules[peer]
        found = _run_inside(bench, module, self.function, str(timing.loop), str(self.count))
        operations, elapsed = found["operations"], found["seconds"]
        return Sample(
            value=operations / (found["cpu"] if self.by_cpu else elapsed),
            description=found["description"],
            disturbed=found["waited"] / elapsed,
            cpu=found["cpu"] / operations,
            user=found["user"] / operations,
            peak_memory=found["peak_memory"],
        )


@dataclass(frozen=True)
class TaskMemory:
    """What a parked task adds to the process: bytes."""

    modules: Mapping[str, str]
    count: int

    @property
    def peers(self) -> Sequence[str]:
        return list(self.modules)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        module = self.modules[peer]
        found = _run_inside(bench, module, "idle_tasks", "memory", str(self.count))
        return Sample(
            value=found["grown"] / found["operations"],
            description=found["description"],
            peak_memory=found["peak_memory"],
        )


@dataclass(frozen=True)
class Import:
    """What `import MODULE` takes in a fresh process: seconds."""

    peers: Sequence[str]

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        code = (
            "from time import perf_counter as now; began = now()\n"
            f"import {peer}\n"
            f"print(now() - began, getattr({peer}, '__version__', ''), flush=True)"
        )
        seconds, version = [], ""
        for _ in range(IMPORTS):
            taken, _, version = _first_line([sys.executable, "-c", code], bench).partition(" ")
            seconds.append(float(taken))
        return Sample(value=median(seconds), description=f"{peer} {version}".strip())


@dataclass(frozen=True)
class Echo:
    """A server that sends everything back: messages per second."""

    load: Load
    servers: Mapping[str, str]
    """The server of each peer: a file in `servers/`, or a program in `native/`."""

    @property
    def peers(self) -> Sequence[str]:
        return list(self.servers)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        command = _server(self.servers[peer], self.load, bench)
        return measure_echoes(command, self.load, timing, bench)


@dataclass(frozen=True)
class ConnectionMemory:
    """What a connection that has had an echo and is now idle adds to the server: bytes."""

    load: Load
    servers: Mapping[str, str]

    @property
    def peers(self) -> Sequence[str]:
        return list(self.servers)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        return measure_rest(_server(self.servers[peer], self.load, bench), self.load, bench)


def _server(name: str, load: Load, bench: Bench) -> list[str | Path]:
    if not name.endswith(".py"):
        return [bench.program(name)]
    certificate = [bench.certificate()] if load.protocol == "tls" else []
    return [sys.executable, "-u", BENCHMARKS / "servers" / name, *certificate]


def _run_inside(bench: Bench, *arguments: str) -> dict[str, Any]:
    line = _first_line([sys.executable, "-m", "harness.inside", *arguments], bench)
    found: dict[str, Any] = json.loads(line)
    return found


def _first_line(command: Sequence[str], bench: Bench) -> str:
    log = bench.log("program")
    with child(command, bench.server_core, log, folder=BENCHMARKS) as process:
        line = read_line(process, PATIENCE)
    if not line:
        raise BenchmarkError(f"failed: {last_words(log) or f'no end after {PATIENCE:.0f} s'}")
    return line
