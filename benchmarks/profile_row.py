"""Where the instructions of a row go: counted by callgrind, by operation.

    python benchmarks/profile_row.py spawn
    python benchmarks/profile_row.py echo-50 --peer c

It runs the program of one row twice, the second time with twice as many operations, so
that what it costs to begin and to end falls out. What the system executes is not counted,
but how often it was asked is.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness import rows
from harness.bench import Bench
from harness.callgrind import SLOWNESS, Counts, Place, counted, parts, read, stop
from harness.counted import PARTS
from harness.errors import BenchmarkError
from harness.load import under_load
from harness.peers import GIAMBIO
from harness.processes import child, last_words, two_cores
from harness.ways import BENCHMARKS, Echo, Loop, python

OPERATIONS = 1000
MESSAGES = 20
"""For each connection."""

ACCOUNTED = 0.95
"""The table names modules and source files until it has accounted for this part."""

FUNCTIONS = 0.60
"""The same for functions, of which the last ones are many."""

SECONDS = 600.0

SYSTEM_CALLS = re.compile(
    r"(__)?(libc_)?(send|recv|sendto|recvfrom|sendmsg|recvmsg|read|write|pread\d*(v2)?|pwrite\d*(v2)?"
    r"|epoll_wait|epoll_ctl|accept4?|close|open\d*|lseek\d*|ioctl|syscall|poll|select"
    r"|clock_gettime)(@.*)?"
)
"""Functions of libc that do nothing but ask the system."""


def per_operation(row: rows.Row, peer: str, operations: int, bench: Bench) -> Counts:
    if isinstance(row.way, Loop):
        return _loop(row.way, peer, operations, bench)
    if isinstance(row.way, Echo):
        return _echo(row.way, peer, bench)
    raise BenchmarkError(f"{row.name} does not consist of operations whose instructions count")


def _loop(way: Loop, peer: str, operations: int, bench: Bench) -> Counts:
    output, log = bench.folder / "counts", bench.log("program")
    arguments = "-m", "harness.counted", way.modules[peer], way.function, str(operations)
    command = counted(python(peer, *arguments), output)
    with child(command, bench.server_core, log, folder=BENCHMARKS) as process:
        if process.wait(SECONDS):
            raise BenchmarkError(f"failed: {last_words(log, 5)}")
    found = parts(output)
    return found[PARTS - 1].since(found[PARTS - 2], operations)


def _echo(way: Echo, peer: str, bench: Bench) -> Counts:
    once, twice = (_served(way, peer, MESSAGES * n, bench) for n in (1, 2))
    return twice.since(once, MESSAGES * way.load.active)


def _served(way: Echo, peer: str, messages: int, bench: Bench) -> Counts:
    """What a server has executed after each connection has had so many echoes."""
    output = bench.folder / f"counts-{messages}"
    load = replace(way.load, messages=messages)
    with under_load(counted(way.command(peer, bench), output), load, bench, SLOWNESS) as pair:
        # The first echo of a connection is not counted.
        pair.await_messages((messages - 1) * load.active, SECONDS)
        stop(pair.server)
    return read(output)


# --- tables ---


def group(place: Place) -> str:
    """The module, program or library that a function belongs to."""
    name = Path(place.object).name
    if "/giambio/" in place.object:
        module = place.object.rpartition("/giambio/")[2].partition(".")[0]
        return f"giambio.{module.replace('/', '.')}"
    if name.startswith(("libpython", "python")):
        file = Path(place.file).name
        return f"CPython: {file}" if file.endswith((".c", ".h")) else "CPython"
    return name.partition(".so")[0].partition(".cpython")[0]


def table(counts: Counts) -> Iterator[str]:
    total = sum(counts.instructions.values())
    yield f"{total:,.0f} instructions per operation"
    yield ""
    groups: Counter[str] = Counter()
    for place, n in counts.instructions.items():
        groups[group(place)] += n
    yield from _share("where", groups, total, ACCOUNTED)
    yield ""
    functions: Counter[str] = Counter()
    for place, n in counts.instructions.items():
        functions[f"{group(place)}: {readable(place.function)}"] += n
    yield from _share("function", functions, total, FUNCTIONS)
    yield ""
    calls = sorted(
        ((n, function) for (object, function), n in counts.calls.items()
         if "/libc" in object and SYSTEM_CALLS.fullmatch(function) and n >= 0.005),
        reverse=True,
    )  # fmt: skip
    yield "The system was asked, per operation:"
    yield "  " + (", ".join(f"{function} {n:.2f}" for n, function in calls) or "hardly ever")


def _share(title: str, found: Counter[str], total: float, accounted: float) -> Iterator[str]:
    yield f"| {title} | instructions | part | together |"
    yield "| --- | ---: | ---: | ---: |"
    together = 0.0
    for name, n in found.most_common():
        together += n
        yield f"| {name} | {n:,.1f} | {n / total:.1%} | {together / total:.1%} |"
        if together >= accounted * total:
            break


def readable(function: str) -> str:
    """A function by the name that its author gave it, where a compiler has changed that."""
    name = re.sub(r"(\.(constprop|part|isra|cold)(\.\d+)?)+$|'\d+$", "", function)
    mangled = re.match(r"__pyx_(\w+?)_(?=\d)", name)
    if mangled is None:
        return name
    # Cython writes a.b.c of length 1 each as 1a_1b_c, and may number a method.
    parts, rest = [], name[mangled.end() :]
    while digits := re.match(r"\d+(?=[^\W\d])", rest):
        part, after = rest[digits.end() :][: int(digits[0])], digits.end() + int(digits[0])
        if not part.strip("_") or rest[after : after + 1] != "_":
            break
        parts.append(part)
        rest = rest[after + 1 :]
    kind = mangled[1].removeprefix("tp_")
    last = re.sub(r"^\d+", "", rest) or rest
    return ".".join([*parts[-1:], last]) + ("" if kind in ("f", "pw", "pf") else f" ({kind})")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Show where the instructions of a row go, per operation, until "
        f"{ACCOUNTED:.0%} are accounted for. Needs valgrind.",
    )
    names = [row.name for row in rows.ALL if isinstance(row.way, Loop | Echo)]
    add = parser.add_argument
    add("row", metavar="ROW", choices=names, help=f"one of {', '.join(names)}")
    add("--peer", default=GIAMBIO, metavar="PEER", help="whose program (default: giambio)")
    add(
        "--operations", type=int, default=OPERATIONS, metavar="N",
        help=f"how many to count, in rows without a server (default: {OPERATIONS})",
    )  # fmt: skip
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    (row,) = (row for row in rows.ALL if row.name == options.row)
    try:
        if options.peer not in row.way.peers:
            known = ", ".join(row.way.peers)
            raise BenchmarkError(f"{row.name} has no peer {options.peer!r}; it has {known}")
        with tempfile.TemporaryDirectory(prefix="giambio-profile-") as folder:
            bench = Bench(Path(folder), *two_cores())
            counts = per_operation(row, options.peer, options.operations, bench)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{row.title}: {options.peer}\n")
    print("\n".join(table(counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
