"""The benchmark suite: giambio against asyncio, uvloop, Trio, AnyIO, gevent and plain C.

One command measures everything that giambio promises about speed and memory, each
time in a fresh process with a core of its own, and says which goals were reached.
`benchmarks/README.md` explains the method.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from harness import machine, peers, published, rows
from harness.bench import Bench
from harness.errors import BenchmarkError
from harness.plot import draw
from harness.processes import allow_many_descriptors, two_cores
from harness.progress import Progress
from harness.report import Report, goals_reached
from harness.samples import Timing
from harness.schedule import Plan, run_interleaved
from harness.ways import ConnectionMemory, Echo

USUAL = {"rounds": 5, "seconds": 0.8, "warmup": 0.3}
QUICK = {"rounds": 1, "seconds": 0.4, "warmup": 0.2}
SPARE_DESCRIPTORS = 64
"""What a server has open besides its connections, generously."""

LOOP = 0.5
"""A program without a server works this part of a server's window."""

T = TypeVar("T", int, float)


def more_than_zero(kind: Callable[[str], T]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError("must be more than 0")
        return value

    parse.__name__ = kind.__name__
    return parse


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure giambio and its peers in one interleaved run, and compare.",
        epilog="Needs Linux and two cores, gcc for the servers, openssl and libssl-dev for TLS. "
        "Peers that are not installed are named and skipped: pip install 'giambio[bench]'. "
        "Exit code: 0, also when goals are missed; 1 if a peer failed; 2 if nothing could run.",
    )
    everyone = sorted({peer for row in rows.ALL for peer in row.way.peers})
    # fmt: off
    add = parser.add_argument
    add("--list", action="store_true", help="list the rows, their peers and goals, and end")
    add(
        "--rows", nargs="+", metavar="ROW", default=[row.name for row in rows.ALL],
        help="which rows to measure (default: all); a part of a name stands for all rows that "
        "begin with it, as in 'file'",
    )
    add(
        "--peers", nargs="+", metavar="PEER", default=everyone,
        help=f"whom to measure: {', '.join(everyone)} (default: all); a library stands for its "
        "ways where it is no peer itself, as 'uvloop' for 'uvloop-streams'; the ratios need "
        "giambio",
    )
    add(
        "--quick", action="store_true",
        help="a rough picture in some six minutes: one round, short windows",
    )
    add(
        "--rounds", type=more_than_zero(int), metavar="N",
        help=f"how often each peer is measured (default: {USUAL['rounds']})",
    )
    add(
        "--seconds", type=more_than_zero(float), metavar="S",
        help=f"length of one measured window (default: {USUAL['seconds']}); programs without "
        "a server work half as long",
    )
    add(
        "--warmup", type=more_than_zero(float), metavar="S",
        help=f"load on a server before its window (default: {USUAL['warmup']})",
    )
    add("--markdown", type=Path, metavar="FILE", help="also write the tables in Markdown")
    add("--json", type=Path, metavar="FILE", help="also write every sample")
    add("--svg", type=Path, metavar="FILE", help="also draw a picture")
    add(
        "--save", action="store_true",
        help="write all three to benchmarks/results/, by the version of this Python, where they "
        "are committed, and say in the READMEs where others are ahead",
    )
    add(
        "--summary", action="store_true",
        help="measure nothing; say in the READMEs what was saved, and end",
    )
    # fmt: on
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else USUAL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.save:
        options.markdown = options.markdown or published.saved_as("md")
        options.json = options.json or published.saved_as("json")
        options.svg = options.svg or published.saved_as("svg")
    return options


def choose_rows(names: Sequence[str]) -> list[rows.Row]:
    for name in names:
        if not any(row.name.startswith(name) for row in rows.ALL):
            known = ", ".join(row.name for row in rows.ALL)
            raise BenchmarkError(f"there is no row {name!r}; the rows are {known}")
    exact = {row.name for row in rows.ALL} & set(names)
    parts = tuple(set(names) - exact)
    return [row for row in rows.ALL if row.name in exact or row.name.startswith(parts)]


def choose_peers(names: Sequence[str]) -> Callable[[rows.Row], list[str]]:
    """Which of a row's peers were asked for and can run; says which cannot."""
    everyone = {peer for row in rows.ALL for peer in row.way.peers}
    for name in names:
        if name not in everyone and name not in map(peers.library, everyone):
            known = ", ".join(sorted(everyone))
            raise BenchmarkError(f"there is no peer {name!r}; the peers are {known}")
    absent = set()
    for peer in sorted(everyone):
        if {peer, peers.library(peer)} & set(names) and (why := peers.hindrance(peer)):
            print(f"skipped: {peer} ({why})", file=sys.stderr)
            absent.add(peer)

    def chosen(row: rows.Row) -> list[str]:
        # A library stands for its ways where it is no peer itself.
        ways = set(names) - set(row.way.peers)
        return [
            peer
            for peer in row.way.peers
            if (peer in names or peers.library(peer) in ways) and peer not in absent
        ]

    return chosen


def make_plan(options: argparse.Namespace) -> Plan:
    chosen_peers = choose_peers(options.peers)
    chosen = [(row, names) for row in choose_rows(options.rows) if (names := chosen_peers(row))]
    if not chosen:
        raise BenchmarkError("none of the chosen peers can run in any of the chosen rows")
    timing = Timing(options.warmup, options.seconds, options.seconds * LOOP)
    return Plan(chosen, options.rounds, timing)


def check_descriptors(plan: Plan) -> None:
    """Allow as many open files as the largest row needs, or say that it cannot be had."""
    available = allow_many_descriptors() - SPARE_DESCRIPTORS
    for row, _ in plan.rows:
        if isinstance(row.way, Echo | ConnectionMemory) and row.way.load.connections > available:
            raise BenchmarkError(
                f"{row.name} needs {row.way.load.connections} connections, but the limit on open "
                f"files (ulimit -Hn) allows {available}: raise it, or leave the row out"
            )


def show_rows() -> None:
    for row in rows.ALL:
        print(f"{row.name}: {row.title} ({row.unit})")
        print(f"    peers: {', '.join(row.way.peers)}")
        if row.goals:
            goals = map(str, row.goals)
            print(f"    goals: {', '.join(goals)}")


def run(options: argparse.Namespace) -> Report:
    plan = make_plan(options)
    check_descriptors(plan)
    with tempfile.TemporaryDirectory(prefix="giambio-benchmark-") as folder:
        bench = Bench(Path(folder), *two_cores())
        results = run_interleaved(plan, bench, Progress(plan.steps))
    report = Report(plan, results, machine.describe())
    print(report.text())
    write_files(options, report)
    print(f"\n{goals_reached(report.verdicts())}")
    return report


def write_files(options: argparse.Namespace, report: Report) -> None:
    for path in filter(None, (options.markdown, options.json, options.svg)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.markdown:
        options.markdown.write_text(report.markdown(), encoding="utf-8")
    if options.json:
        report.write_json(options.json)
    if options.svg:
        facts = report.facts
        subtitle = f"{facts['python']}, {facts['kernel']}, {facts['processor']}"
        options.svg.write_text(draw(report.found, subtitle), encoding="utf-8")
    if options.save:
        write_summaries()


def write_summaries() -> None:
    for path, text in published.readmes().items():
        path.write_text(text, encoding="utf-8")


def main() -> int:
    # Leave through the `finally` clauses when told to stop, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        options = parse_arguments()
        if options.list:
            show_rows()
            return 0
        if options.summary:
            write_summaries()
            return 0
        report = run(options)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return 1 if report.results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
