"""One measurement: one fresh server, one load, one window of time.

Everything is read at both edges of the window and by one process: how many
echoes were counted, the clock, and the CPU time of server and generator. So the
generator needs no clock, and no line has to travel between processes in time.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BenchmarkError
from harness.processes import child, last_words, read_line
from harness.usage import Usage, peak_memory, usage

START_SECONDS = 20.0
CONNECT_SECONDS = 30.0


@dataclass(frozen=True)
class Load:
    """What the generator does."""

    connections: int
    size: int

    def __str__(self) -> str:
        return f"{self.connections} connections, {self.size} B"


@dataclass(frozen=True)
class Timing:
    warmup: float
    window: float


@dataclass(frozen=True)
class Bench:
    """Where measurements take place, and the compiled programs."""

    c_server: Path
    generator: Path
    server_core: int
    load_core: int
    logs: Path


@dataclass(frozen=True)
class Sample:
    """What one measurement found."""

    throughput: float
    """Echoes per second."""
    cpu_per_message: float
    """CPU seconds, user and system, that the server spent per echo."""
    user_per_message: float
    """The user part of it: the runtime's own, without its system calls."""
    server_busy: float
    generator_busy: float
    disturbed: float
    """The part of the window that either process waited for its own core."""
    peak_memory: int
    description: str


class Counters:
    """The memory the generator counts into; see `struct counters` in loadgen.c."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("counters")
        os.ftruncate(self.descriptor, mmap.PAGESIZE)
        self._words = memoryview(mmap.mmap(self.descriptor, mmap.PAGESIZE)).cast("Q")

    @property
    def messages(self) -> int:
        return self._words[0]

    @property
    def answered(self) -> int:
        return self._words[1]

    def close(self) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True)
class Reading:
    """One edge of the window."""

    messages: int
    when: float
    server: Usage
    generator: Usage


def measure(command: Sequence[str | Path], load: Load, timing: Timing, bench: Bench) -> Sample:
    """Start the server `command`, put `load` on it and measure one window."""
    server_log, load_log = bench.logs / "server.log", bench.logs / "load.log"
    with ExitStack() as stack:
        server = stack.enter_context(child(command, bench.server_core, server_log))
        port, description = _await_port(server, server_log)
        counters = Counters()
        stack.callback(counters.close)
        generate: list[str | Path] = [bench.generator, port, str(load.connections), str(load.size)]
        generate.append(str(counters.descriptor))
        generator = stack.enter_context(
            child(generate, bench.load_core, load_log, inherit=[counters.descriptor])
        )
        pair = Pair(server, server_log, generator, load_log, counters)
        pair.await_connections(load.connections)
        time.sleep(timing.warmup)
        before = pair.read()
        time.sleep(timing.window)
        after = pair.read()
        memory = peak_memory(server.pid)
        pair.check_alive()
    return _sample(before, after, memory, description)


def _await_port(server: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    line = read_line(server, START_SECONDS)
    if not line:
        raise BenchmarkError(f"did not start: {last_words(log) or 'it said nothing'}")
    port, _, description = line.partition(" ")
    return port, description


@dataclass(frozen=True)
class Pair:
    """A server and the generator that talks to it."""

    server: subprocess.Popen[bytes]
    server_log: Path
    generator: subprocess.Popen[bytes]
    load_log: Path
    counters: Counters

    def await_connections(self, connections: int) -> None:
        """Wait until every connection has had its first echo."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while self.counters.answered < connections:
            self.check_alive()
            if time.monotonic() > deadline:
                raise BenchmarkError(
                    f"only {self.counters.answered} of {connections} connections "
                    f"were answered within {CONNECT_SECONDS:.0f} s"
                )
            time.sleep(0.01)

    def read(self) -> Reading:
        # Should either have ended, it is not reaped before `check_alive`, so its
        # clocks can still be read and the failure is reported there, by its cause.
        return Reading(
            self.counters.messages,
            time.perf_counter(),
            usage(self.server.pid),
            usage(self.generator.pid),
        )

    def check_alive(self) -> None:
        ended = [p for p in (self.server, self.generator) if p.poll() is not None]
        if ended:
            who = "server" if self.server in ended else "load generator"
            words = filter(None, (last_words(self.server_log), last_words(self.load_log)))
            raise BenchmarkError(f"the {who} ended: {'; '.join(words) or 'it said nothing'}")


def _sample(before: Reading, after: Reading, memory: int, description: str) -> Sample:
    seconds = after.when - before.when
    messages = after.messages - before.messages
    server = after.server.since(before.server)
    generator = after.generator.since(before.generator)
    if not messages:
        raise BenchmarkError("no message was echoed during the whole measurement")
    return Sample(
        throughput=messages / seconds,
        cpu_per_message=server.cpu / messages,
        user_per_message=server.cpu * server.user_share / messages,
        server_busy=server.cpu / seconds,
        generator_busy=generator.cpu / seconds,
        disturbed=max(server.waited, generator.waited) / seconds,
        peak_memory=memory,
        description=description,
    )
