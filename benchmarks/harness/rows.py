"""The rows of the suite: what is measured, against whom, and what giambio owes there.

The goals were set before anything was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.load import Load
from harness.peers import (
    ASYNCIO_SOCKETS,
    ASYNCIO_STREAMS,
    BLOCKING,
    EAGER,
    GIAMBIO,
    GIAMBIO_BUFFERED,
    GIAMBIO_HOSTING,
    GIAMBIO_LOOP,
    GIAMBIO_PROTOCOL,
    GIAMBIO_PURE,
    GIAMBIO_STREAMS,
    RLOOP,
    RLOOP_PROTOCOL,
    UVLOOP_BUFFERED,
    UVLOOP_PROTOCOL,
    UVLOOP_STREAMS,
    C,
    library,
)
from harness.ways import ConnectionMemory, Echo, Import, Loop, TaskMemory, Way

TCP = {
    GIAMBIO: "tcp_giambio.py",
    GIAMBIO_PURE: "tcp_giambio.py",
    C: "tcp_server",
    UVLOOP_PROTOCOL: "tcp_uvloop_protocol.py",
    UVLOOP_STREAMS: "tcp_uvloop_streams.py",
    ASYNCIO_STREAMS: "tcp_asyncio_streams.py",
    ASYNCIO_SOCKETS: "tcp_asyncio_sockets.py",
    "trio": "tcp_trio.py",
    "anyio": "tcp_anyio.py",
    "gevent": "tcp_gevent.py",
}
ECHO = TCP | {RLOOP_PROTOCOL: "tcp_rloop_protocol.py"}
TLS = {peer: server for peer, server in TCP.items() if peer not in (C, ASYNCIO_SOCKETS)}
GROWING = {
    peer: TCP[peer]
    for peer in (GIAMBIO, C, UVLOOP_PROTOCOL, UVLOOP_STREAMS, ASYNCIO_STREAMS, "trio")
}
"""Those that are measured at every number of connections."""
UDP = {
    GIAMBIO: "udp_giambio.py",
    GIAMBIO_PURE: "udp_giambio.py",
    C: "udp_server",
    UVLOOP_PROTOCOL: "udp_uvloop_protocol.py",
    "asyncio-protocol": "udp_asyncio_protocol.py",
    "trio": "udp_trio.py",
    "anyio": "udp_anyio.py",
    "gevent": "udp_gevent.py",
}

HTTP = {
    peer: f"http_{peer.replace('-', '_')}.py"
    for peer in (GIAMBIO, UVLOOP_STREAMS, ASYNCIO_STREAMS, "trio", "anyio", "gevent")
} | {GIAMBIO_PURE: "http_giambio.py"}
PROTOCOLS = {
    GIAMBIO_PROTOCOL: "tcp_giambio_protocol.py",
    UVLOOP_PROTOCOL: "tcp_uvloop_protocol.py",
}
"""asyncio's programs: how much faster they get by giambio's loop than by uvloop."""
BUFFERED = {
    GIAMBIO_BUFFERED: "tcp_giambio_buffered.py",
    UVLOOP_BUFFERED: "tcp_uvloop_buffered.py",
}
STREAMS = {
    GIAMBIO_STREAMS: "tcp_giambio_streams.py",
    UVLOOP_STREAMS: "tcp_uvloop_streams.py",
}
DATAGRAMS = {
    GIAMBIO_PROTOCOL: "udp_giambio_protocol.py",
    UVLOOP_PROTOCOL: "udp_uvloop_protocol.py",
}

PEERS_OF_TASKS = (GIAMBIO, GIAMBIO_PURE, "uvloop", "asyncio", "trio", "anyio", "gevent")
PEERS_OF_FILES = (GIAMBIO, GIAMBIO_PURE, "aiofiles", "trio", "anyio", "gevent")
TASKS = {peer: f"tasks.{library(peer)}_" for peer in PEERS_OF_TASKS}
IN_C = TASKS | {C: f"tasks.{C}_"}
"""With what a runtime has to do at least."""
LOOPS = {RLOOP: f"tasks.{RLOOP}_"}
"""Another event loop, which has a row only where it is what is measured."""
SPAWNING = IN_C | LOOPS | {EAGER: "tasks.asyncio_eager_"}
SCOPES = {peer: program for peer, program in TASKS.items() if peer != "gevent"}
CALLBACKS = {GIAMBIO_LOOP: "tasks.giambio_loop_", "uvloop": "tasks.uvloop_"}
FUTURES = CALLBACKS | {GIAMBIO_HOSTING: "tasks.giambio_hosting_"}
CROWD = {peer: TASKS[peer] for peer in (GIAMBIO, "uvloop", "asyncio", "trio")}
"""Those of which a million tasks fit into 4 GiB, and begin and end within a minute."""
FILES = {peer: f"files.{library(peer)}_" for peer in PEERS_OF_FILES}
ANY_FILES = FILES | {BLOCKING: f"files.{BLOCKING}_"}
"""With plain Python: so much it may cost that other tasks go on meanwhile."""
LINES = {peer: ANY_FILES[peer] for peer in (GIAMBIO, GIAMBIO_PURE, BLOCKING)}
"""Those that need no thread for each line; the others would take a minute for 50 MB."""

MANY = 99

ECHO_GOALS = {UVLOOP_PROTOCOL: 1.1, UVLOOP_STREAMS: 1.8, "trio": 2.0, C: 0.9}
SPAWN_GOALS = {"uvloop": 2.5, "trio": 6.0}
A_THREAD_HOP = {"aiofiles": 5.0, "trio": 5.0, "anyio": 5.0}


@dataclass(frozen=True)
class Goal:
    """`ours` is to be so many times better than `theirs`: faster, or smaller."""

    ours: str
    times: float
    theirs: str
    by_cpu: bool = False
    """What counts is operations per second of CPU time."""

    def __str__(self) -> str:
        return f"{self.ours} {self.times:g} × {self.theirs}{' by CPU' if self.by_cpu else ''}"


@dataclass(frozen=True)
class Row:
    name: str
    """What `--rows` takes."""
    title: str
    unit: str
    way: Way
    owed: Mapping[str, float] = field(default_factory=dict)
    """How many times better than these peers giambio is to be."""
    owed_by_cpu: Mapping[str, float] = field(default_factory=dict)
    """The same, by operations per second of CPU time."""
    others: tuple[Goal, ...] = ()
    """What is owed by other ways to use giambio than its own."""
    less_is_better: bool = False
    scale: float = 1.0
    """What one of the way's own units is in `unit`."""
    most_rounds: int = MANY
    """It takes long and hardly varies, so these are enough."""

    @property
    def goals(self) -> list[Goal]:
        """What is owed; and that the pure build is nowhere behind Trio."""
        goals = [Goal(GIAMBIO, times, peer) for peer, times in self.owed.items()]
        by_cpu = self.owed_by_cpu.items()
        goals += [Goal(GIAMBIO, times, peer, by_cpu=True) for peer, times in by_cpu]
        if {GIAMBIO_PURE, "trio"} <= set(self.way.peers):
            goals.append(Goal(GIAMBIO_PURE, 1.0, "trio"))
        return [*goals, *self.others]


def _echo(
    connections: int,
    servers: Mapping[str, str],
    owed: Mapping[str, float],
    patience: float = 1.0,
    most_rounds: int = MANY,
) -> Row:
    load = Load("tcp", connections, 1024)
    plural = "s" if connections > 1 else ""
    title = f"TCP echo of 1 KiB, {connections} connection{plural}"
    way = Echo(load, servers, patience)
    return Row(f"echo-{connections}", title, "messages/s", way, owed, most_rounds=most_rounds)


def _drop_in(name: str, title: str, unit: str, way: Way, times: float, scale: float = 1.0) -> Row:
    """asyncio's programs, whose last peer is uvloop: the others are to be so many times better."""
    *ours, theirs = sorted(way.peers)
    others = tuple(Goal(peer, times, theirs) for peer in ours)
    return Row(f"asyncio-{name}", f"asyncio: {title}", unit, way, others=others, scale=scale)


def connections_of(row: Row) -> int | None:
    """The number of connections, if the row is one of those in which only it differs."""
    return int(row.name.removeprefix("echo-")) if row in GROWTH else None


GROWTH = (
    _echo(1, GROWING, {}),
    _echo(10, GROWING, {}),
    _echo(50, ECHO, ECHO_GOALS),
    _echo(100, GROWING, {}),
    _echo(1_000, ECHO, ECHO_GOALS),
    _echo(10_000, GROWING, {}, patience=3.0, most_rounds=3),
)

ALL = (
    *GROWTH,
    Row(
        "echo-64k", "TCP echo of 64 KiB, 50 connections", "messages/s",
        Echo(Load("tcp", 50, 65536), TCP), {UVLOOP_PROTOCOL: 1.2},
    ),
    Row(
        "echo-1000-10", "TCP echo of 1 KiB, 1000 connections, 10 of them active", "messages/s",
        Echo(Load("tcp", 1_000, 1024, resting=990), GROWING), {UVLOOP_PROTOCOL: 1.05},
    ),
    Row(
        "echo-9000-10", "TCP echo of 1 KiB, 9000 connections, 10 of them active", "messages/s",
        Echo(Load("tcp", 9_000, 1024, resting=8_990), GROWING), most_rounds=3,
    ),
    Row(
        "accept", "TCP connect, echo of 1 KiB and close, 50 at a time", "connections/s",
        Echo(Load("tcp", 50, 1024, renewed=True), TCP), {UVLOOP_PROTOCOL: 1.15, C: 0.75},
    ),
    Row(
        "unix-echo", "Unix socket echo of 1 KiB, 50 connections", "messages/s",
        Echo(Load("unix", 50, 1024), TCP), {UVLOOP_PROTOCOL: 1.05},
    ),
    Row(
        "tls", "TLS echo of 16 KiB, 50 connections", "MiB/s",
        Echo(Load("tls", 50, 16384), TLS), {"gevent": 1.1}, scale=1 / 64,
    ),
    Row(
        "handshake", "TLS connect, echo of 1 KiB and close, 50 at a time", "handshakes/s",
        Echo(Load("tls", 50, 1024, renewed=True), TLS), {UVLOOP_PROTOCOL: 1.0},
    ),
    Row(
        "http", "HTTP/1.1 requests by h11, 50 connections", "requests/s",
        Echo(Load("http", 50, 0), HTTP),
    ),
    Row(
        "udp", "UDP echo of 512 bytes, 50 senders", "packets/s",
        Echo(Load("udp", 50, 512), UDP), {UVLOOP_PROTOCOL: 1.1, "gevent": 1.1},
    ),
    Row(
        "connection-memory", "memory of an idle connection, at 10 000", "bytes",
        ConnectionMemory(Load("tcp", 10_000, 1024, messages=1), TCP), {ASYNCIO_STREAMS: 2.0},
        less_is_better=True, most_rounds=2,
    ),
    Row(
        "spawn", "spawn a task and join it, one after the other", "tasks/s",
        Loop("spawn", SPAWNING), SPAWN_GOALS | {EAGER: 1.5},
    ),
    Row(
        "spawn-block", "spawn 100 tasks and join them all", "tasks/s",
        Loop("spawn_block", SPAWNING), SPAWN_GOALS,
    ),
    Row(
        "checkpoint", "a checkpoint among 500 tasks", "checkpoints/s",
        Loop("checkpoint", TASKS | LOOPS), {"uvloop": 2.0},
    ),
    Row(
        "checkpoint-alone", "a checkpoint of the only task", "checkpoints/s",
        Loop("checkpoint_alone", TASKS | LOOPS), {RLOOP: 2.0},
    ),
    Row(
        "cancel", "spawn a task, cancel it and join it", "tasks/s",
        Loop("cancel", TASKS), {"uvloop": 1.7, "gevent": 1.7},
    ),
    Row(
        "deep-scopes", "a cancelled scope in 1000 others", "scopes/s",
        Loop("deep_scopes", SCOPES),
    ),
    Row(
        "lock", "a lock that is free", "acquisitions/s",
        Loop("lock", TASKS),
    ),
    Row(
        "semaphore", "a semaphore that is free", "acquisitions/s",
        Loop("semaphore", TASKS),
    ),
    Row(
        "channel", "an item through a channel of size 1", "items/s",
        Loop("channel", TASKS), {"uvloop": 3.0},
    ),
    Row(
        "sleepers", "100 000 tasks asleep at the same time", "sleepers per CPU second",
        Loop("sleepers", IN_C, count=100_000, by_cpu=True), {"asyncio": 5.0}, most_rounds=3,
    ),
    Row(
        "timeout", "a timeout that does not fire", "timeouts/s",
        Loop("timeout", IN_C), {"asyncio": 5.0},
    ),
    Row(
        "thread", "a call in a thread and back", "calls/s",
        Loop("thread", TASKS), {"asyncio": 2.0}, {"uvloop": 2.2, "gevent": 1.5},
    ),
    Row(
        "subprocess", "run /bin/true and wait for its end", "processes/s",
        Loop("process", TASKS, count=300, warmup=10),
    ),
    Row(
        "file-read", "read 4 KiB of an open file, cached", "reads/s",
        Loop("read", FILES), A_THREAD_HOP,
    ),
    Row(
        "file-open", "open a file of 4 KiB, read it, close it", "files/s",
        Loop("open_and_read", ANY_FILES), {BLOCKING: 0.5},
    ),
    Row(
        "file-whole", "read an open file of 1 MiB, cached", "MiB/s",
        Loop("read_whole", ANY_FILES), {BLOCKING: 0.9},
    ),
    Row(
        "file-lines", "the lines of a text of 50 MB, cached", "MB/s",
        Loop("read_lines", LINES, count=2, warmup=1), {BLOCKING: 0.35}, scale=50,
    ),
    Row(
        "file-copy", "copy a file, by 64 KiB", "MiB/s",
        Loop("copy", FILES), scale=1 / 16,
    ),
    Row(
        "task-memory", "memory of a parked task", "bytes",
        TaskMemory(TASKS, 50_000), less_is_better=True, most_rounds=2,
    ),
    Row(
        "million-tasks", "memory of a task, and the loop's longest pause, at a million", "bytes",
        TaskMemory(CROWD, 1_000_000, "crowd", "crowd"), less_is_better=True, most_rounds=2,
    ),
    *(
        _drop_in(
            f"{name}-{connections}", f"{kind} echo of 1 KiB, {connections} connections",
            "messages/s", Echo(Load("tcp", connections, 1024), servers), times,
        )
        for connections in (50, 1_000)
        for name, kind, servers, times in (
            ("echo", "Protocol", PROTOCOLS, 1.1),
            ("buffered", "BufferedProtocol", BUFFERED, 1.1),
            ("streams", "streams", STREAMS, 1.5),
        )
    ),
    _drop_in(
        "64k", "Protocol echo of 64 KiB, 50 connections", "messages/s",
        Echo(Load("tcp", 50, 65536), PROTOCOLS), 1.1,
    ),
    _drop_in(
        "tls", "Protocol echo of 16 KiB by TLS, 50 connections", "MiB/s",
        Echo(Load("tls", 50, 16384), PROTOCOLS), 1.1, 1 / 64,
    ),
    _drop_in(
        "udp", "UDP echo of 512 bytes, 50 senders", "packets/s",
        Echo(Load("udp", 50, 512), DATAGRAMS), 1.1,
    ),
    _drop_in("call-soon", "call_soon", "calls/s", Loop("call_soon", CALLBACKS), 1.2),
    _drop_in("call-later", "call_later, and cancel", "timers/s",
             Loop("call_later", CALLBACKS), 1.2),
    _drop_in("future", "a future that a callback completes", "futures/s",
             Loop("future", FUTURES), 1.0),
    _drop_in("task", "create a task and await it", "tasks/s", Loop("spawn", CALLBACKS), 1.0),
    Row(
        "import", "import time", "ms",
        Import(PEERS_OF_TASKS), owed_by_cpu={"asyncio": 1.5, "anyio": 1.0},
        less_is_better=True, scale=1e3,
    ),
)  # fmt: skip
