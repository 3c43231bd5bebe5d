"""A fresh server under load: one measured window, or the memory of connections at rest.

Everything is read at both edges of the window and by one process: how many
echoes were counted, the clock, and the CPU time of server and generator. So no
line has to travel between processes in time.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.bench import Bench
from harness.counters import Counters, percentile
from harness.errors import BenchmarkError
from harness.processes import Command, child, last_words, read_line
from harness.samples import Sample, Timing
from harness.usage import Usage, peak_memory, resident_memory, usage

START_SECONDS = 20.0
CONNECT_SECONDS = 60.0

SETTLE_SECONDS = 0.3
"""How long connections have been at rest before their memory is measured."""

FLAGS = {"tls": ("-DTLS", "-lssl", "-lcrypto"), "http": ("-DHTTP",)}
"""What the generator is compiled with for protocols on top of TCP."""


@dataclass(frozen=True)
class Load:
    """What the generator does."""

    protocol: str
    """`tcp`, `tls`, `http`, `udp` or `unix`."""
    connections: int
    size: int
    """Bytes of a message; of no account by HTTP, where it is always the same request."""
    messages: int = 0
    """After how many each connection rests; 0 for never."""
    resting: int = 0
    """How many of the connections rest after their first message."""
    renewed: bool = False
    """Whether each message after the first has a connection of its own."""

    @property
    def active(self) -> int:
        """How many connections go on after their first message."""
        return self.connections - self.resting


@dataclass(frozen=True)
class Reading:
    """One edge of the window."""

    messages: int
    times: Sequence[int]
    when: float
    server: Usage
    generator: Usage


@dataclass(frozen=True)
class Pair:
    """A server and the generator that talks to it."""

    server: subprocess.Popen[bytes]
    generator: subprocess.Popen[bytes]
    logs: Sequence[Path]
    counters: Counters
    description: str
    before: int
    """The bytes that the server had resident before anyone connected."""

    def await_first_echoes(self, connections: int, seconds: float) -> None:
        self._await(lambda: self.counters.answered, connections, "connections", seconds)

    def await_messages(self, messages: int, seconds: float) -> None:
        """Wait until so many echoes came back after the first ones."""
        self._await(lambda: self.counters.messages, messages, "messages", seconds)

    def _await(self, reached: Callable[[], int], wanted: int, what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while reached() < wanted:
            self.check_alive()
            if time.monotonic() > deadline:
                raise BenchmarkError(
                    f"only {reached()} of {wanted} {what} were answered within {seconds:.0f} s"
                )
            time.sleep(0.01)

    def read(self) -> Reading:
        # Should either have ended, it is not reaped before `check_alive`, so its
        # clocks can still be read and the failure is reported there, by its cause.
        return Reading(
            self.counters.messages,
            self.counters.times(),
            time.perf_counter(),
            usage(self.server.pid),
            usage(self.generator.pid),
        )

    def check_alive(self) -> None:
        ended = [p for p in (self.server, self.generator) if p.poll() is not None]
        if ended:
            who = "server" if self.server in ended else "load generator"
            words = filter(None, map(last_words, self.logs))
            raise BenchmarkError(f"the {who} ended: {'; '.join(words) or 'it said nothing'}")


def measure_echoes(command: Command, load: Load, timing: Timing, bench: Bench) -> Sample:
    """Start the server `command`, put `load` on it and measure one window."""
    with under_load(command, load, bench) as pair:
        time.sleep(timing.warmup)
        pair.await_messages(load.active, CONNECT_SECONDS)
        before = pair.read()
        time.sleep(timing.window)
        # However slow the server is, each connection has had a message on the average.
        pair.await_messages(before.messages + load.active, CONNECT_SECONDS)
        after = pair.read()
        memory = peak_memory(pair.server.pid)
        pair.check_alive()
        return _sample(before, after, memory, pair.description)


def measure_rest(command: Command, load: Load, bench: Bench) -> Sample:
    """How many bytes the server grew by for each connection, once all are at rest."""
    with under_load(command, load, bench) as pair:
        time.sleep(SETTLE_SECONDS)
        grown = resident_memory(pair.server.pid) - pair.before
        memory = peak_memory(pair.server.pid)
        pair.check_alive()
    return Sample(grown / load.connections, pair.description, peak_memory=memory)


@contextmanager
def under_load(command: Command, load: Load, bench: Bench, slowness: float = 1.0) -> Iterator[Pair]:
    """A server and its load, from when every connection has had its first echo.

    The server gets `slowness` times as long for it as others do.
    """
    generator = bench.program("loadgen", *FLAGS.get(load.protocol, ()))
    logs = bench.log("server"), bench.log("load")
    counters = Counters()
    try:
        with child(command, bench.server_core, logs[0]) as server:
            address, description = _await_address(server, logs[0], START_SECONDS * slowness)
            transport = "tcp" if load.protocol in FLAGS else load.protocol
            numbers = load.connections, load.size, load.messages, counters.descriptor, load.active
            renewal = "renew" if load.renewed else "keep"
            before = resident_memory(server.pid)
            with child(
                Command([generator, transport, address, *map(str, numbers), renewal]),
                bench.load_core,
                logs[1],
                inherit=[counters.descriptor],
            ) as client:
                pair = Pair(server, client, logs, counters, description, before)
                pair.await_first_echoes(load.connections, CONNECT_SECONDS * slowness)
                yield pair
    finally:
        counters.close()


def _await_address(server: subprocess.Popen[bytes], log: Path, seconds: float) -> tuple[str, str]:
    line = read_line(server, seconds)
    if not line:
        raise BenchmarkError(f"did not start: {last_words(log) or 'it said nothing'}")
    address, _, description = line.partition(" ")
    return address, description


def _sample(before: Reading, after: Reading, memory: int, description: str) -> Sample:
    seconds = after.when - before.when
    messages = after.messages - before.messages
    server = after.server.since(before.server)
    generator = after.generator.since(before.generator)
    return Sample(
        value=messages / seconds,
        description=description,
        disturbed=max(server.waited, generator.waited) / seconds,
        cpu=server.cpu / messages,
        user=server.cpu * server.user_share / messages,
        peak_memory=memory,
        busy=server.cpu / seconds,
        load_busy=generator.cpu / seconds,
        p99=percentile(0.99, before.times, after.times),
    )
