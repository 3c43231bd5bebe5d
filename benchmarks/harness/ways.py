"""The ways to measure: what each kind of row does with one of its peers.

All of them start a fresh process for each measurement, on a core of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Protocol

from harness.bench import Bench
from harness.errors import BenchmarkError
from harness.load import Load, measure_echoes, measure_rest
from harness.peers import ENVIRONMENT, library
from harness.processes import Command, child, last_words, read_line
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
    warmup: int = 0
    """How many before them, where their number is given."""
    by_cpu: bool = False
    """Count CPU seconds, because most of the time is spent waiting."""

    @property
    def peers(self) -> Sequence[str]:
        return list(self.modules)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        module = self.modules[peer]
        numbers = map(str, (timing.loop, self.count, self.warmup))
        found = json.loads(_first_line(inside(peer, module, self.function, *numbers), bench))
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
    function: str = "idle_tasks"
    what: str = "memory"
    """`memory`; or `crowd`, which also looks for pauses of the loop."""

    @property
    def peers(self) -> Sequence[str]:
        return list(self.modules)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        module = self.modules[peer]
        command = inside(peer, module, self.function, self.what, str(self.count))
        found = json.loads(_first_line(command, bench))
        return Sample(
            value=found["grown"] / found["operations"],
            description=found["description"],
            pause=found.get("pause"),
            peak_memory=found["peak_memory"],
        )


@dataclass(frozen=True)
class Import:
    """What `import MODULE` takes in a fresh process: seconds."""

    peers: Sequence[str]

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        module = library(peer)
        code = (
            "from time import perf_counter as now, process_time as cpu\n"
            f"began, spent = now(), cpu()\nimport {module}\n"
            "print(now() - began, cpu() - spent)"
        )
        command = python(peer, "-c", code)
        taken = [_first_line(command, bench).split() for _ in range(IMPORTS)]
        seconds = median(float(wall) for wall, _ in taken)
        cpu = median(float(spent) for _, spent in taken)
        return Sample(
            value=seconds,
            description="",  # other rows say which version it is
            disturbed=1 - cpu / seconds,
            cpu=cpu,
        )


@dataclass(frozen=True)
class Echo:
    """A server that sends everything back: messages per second."""

    load: Load
    servers: Mapping[str, str]
    """The server of each peer: a file in `servers/`, or a program in `native/`."""
    patience: float = 1.0
    """How many times longer to look, where a round of all connections takes long."""

    @property
    def peers(self) -> Sequence[str]:
        return list(self.servers)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        longer = replace(timing, window=timing.window * self.patience)
        return measure_echoes(self.command(peer, bench), self.load, longer, bench)

    def command(self, peer: str, bench: Bench) -> Command:
        return _server(peer, self.servers[peer], self.load, bench)


@dataclass(frozen=True)
class ConnectionMemory:
    """What a connection that has had an echo and is now idle adds to the server: bytes."""

    load: Load
    servers: Mapping[str, str]

    @property
    def peers(self) -> Sequence[str]:
        return list(self.servers)

    def measure(self, peer: str, timing: Timing, bench: Bench) -> Sample:
        command = _server(peer, self.servers[peer], self.load, bench)
        return measure_rest(command, self.load, bench)


def _server(peer: str, name: str, load: Load, bench: Bench) -> Command:
    unix = ["unix"] if load.protocol == "unix" else []
    if not name.endswith(".py"):
        return Command([bench.program(name), *unix])
    certificate = [bench.certificate()] if load.protocol == "tls" else []
    return python(peer, "-u", BENCHMARKS / "servers" / name, *certificate, *unix)


def inside(peer: str, *arguments: str) -> Command:
    """Run one function of a program; see `harness/inside.py`."""
    return python(peer, "-m", "harness.inside", *arguments)


def python(peer: str, *arguments: str | Path) -> Command:
    return Command([sys.executable, *arguments], ENVIRONMENT.get(peer, {}))


def _first_line(command: Command, bench: Bench) -> str:
    log = bench.log("program")
    with child(command, bench.server_core, log, folder=BENCHMARKS) as process:
        line = read_line(process, PATIENCE)
    if not line:
        raise BenchmarkError(f"failed: {last_words(log) or f'no end after {PATIENCE:.0f} s'}")
    return line
