"""Counts instructions with valgrind's callgrind: the same figure every time, on a busy machine too.

What is counted is what a process executes itself, in user mode. What the system does for
it is not among it, only how often it was asked.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BenchmarkError
from harness.processes import Command

SLOWNESS = 100.0
"""About how many times longer a program takes when it is counted."""

MARK = "getpgid"
"""A function of libc that nobody calls, but for who wants what was counted so far written down."""


@dataclass(frozen=True)
class Place:
    """Where instructions were executed."""

    object: str
    """The path of the program or library."""
    file: str
    """Its source, where the debugging symbols tell; else `???`."""
    function: str


@dataclass
class Counts:
    """Instructions by place, without those of functions called; and who was called how often."""

    instructions: Counter[Place] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By object and function."""

    def since(self, earlier: Counts, times: float = 1.0) -> Counts:
        """What came after `earlier`, by operation if there were `times` of them."""
        return Counts(
            _less(self.instructions, earlier.instructions, times),
            _less(self.calls, earlier.calls, times),
        )


def _less(late: Counter, early: Counter, times: float) -> Counter:  # type: ignore[type-arg]
    keys = dict.fromkeys((*late, *early))
    return Counter({key: n / times for key in keys if (n := late[key] - early[key])})


def mark() -> None:
    """Have what was counted so far written to a file of its own."""
    os.getpgid(0)


def counted(command: Command, output: Path) -> Command:
    """The command that does the same under callgrind, which writes to `output`."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise BenchmarkError("valgrind was not found, which counts instructions: install valgrind")
    words = [
        valgrind, "--tool=callgrind", "--quiet", f"--callgrind-out-file={output}",
        f"--dump-before={MARK}", "--compress-strings=no", "--compress-pos=no",
    ]  # fmt: skip
    return Command([*words, *command.words], {**command.variables, "PYTHONHASHSEED": "0"})


def parts(output: Path) -> list[Counts]:
    """What was counted between two marks each, and after the last one."""
    marked = sorted(output.parent.glob(f"{output.name}.*"), key=lambda path: int(path.suffix[1:]))
    return [read(path) for path in (*marked, output)]


def read(path: Path) -> Counts:
    """Read a file that callgrind wrote, without compressed names."""
    found = Counts()
    place = {"ob": "???", "fl": "???", "fn": "???"}
    called = {"ob": "???", "fn": "???"}
    costs_of_callee = False
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line[0].isdigit():
                if not costs_of_callee:
                    instructions = int(line.split()[1])
                    found.instructions[Place(place["ob"], place["fl"], place["fn"])] += instructions
                costs_of_callee = False
                continue
            key, _, value = line.rstrip("\n").partition("=")
            if key in place:
                place[key] = value
                called["ob"] = place["ob"]
            elif key in ("cob", "cfn"):
                called[key[1:]] = value
            elif key == "calls":
                costs_of_callee = True
                found.calls[called["ob"], called["fn"]] += int(value.split()[0])
                called["ob"] = place["ob"]
    return found


def stop(process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """End a process under callgrind, which writes what it has counted."""
    process.send_signal(signal.SIGTERM)
    process.wait(seconds)


def check(process: subprocess.CompletedProcess[str], words: Sequence[str | Path]) -> None:
    if process.returncode:
        ran = " ".join(map(str, words[-3:]))
        raise BenchmarkError(f"{ran} failed: {process.stderr.strip()[-2000:]}")
