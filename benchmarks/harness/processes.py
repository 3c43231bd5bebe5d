"""Starts children on a core of their own, and makes sure none outlives the run.

A benchmark that leaves a server behind spoils the next benchmark. So a child
exists only inside a `with` block, and the kernel is asked to kill it should the
harness itself be killed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BenchmarkError

PR_SET_PDEATHSIG = 1

# Settings that slow the interpreter down or change what runs: a peer must not be
# measured in somebody's debugging environment.
DEBUGGING = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONTRACEMALLOC", "PYTHONMALLOC", "GIAMBIO_")

_libc = ctypes.CDLL(None, use_errno=True)


def two_cores() -> tuple[int, int]:
    """The first two cores this process may use: server's and generator's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchmarkError("two cores are needed: one for the server, one for the load")
    return cores[0], cores[1]


def allow_many_descriptors() -> int:
    """Raise the soft limit on open files to the hard one; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _prepare_child(core: int) -> Callable[[], None]:
    def prepare() -> None:
        os.sched_setaffinity(0, {core})
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return prepare


@dataclass(frozen=True)
class Command:
    """What to run, and the variables it needs besides the usual ones."""

    words: Sequence[str | Path]
    variables: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def child(
    command: Command,
    core: int,
    log: Path,
    inherit: Sequence[int] = (),
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in `folder`, pinned to `core`; kill it when the block is left.


    Its standard output is a pipe, its standard error goes to `log`.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(DEBUGGING)}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [str(word) for word in command.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=environment | dict(command.variables),
            pass_fds=inherit,
            preexec_fn=_prepare_child(core),
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_line(process: subprocess.Popen[bytes], seconds: float) -> str:
    """The first line the child prints; empty if it ends or stays silent."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        patience = max(0.0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], patience)[0]:
            return ""
        piece = os.read(descriptor, 4096)
        if not piece:
            return ""
        line += piece
    return line.decode(errors="replace").strip()


def last_words(log: Path, lines: int = 1) -> str:
    """The end of what a child wrote to its standard error."""
    words = log.read_text(errors="replace").strip().splitlines()
    return "\n".join(words[-lines:])
