"""Compares TCP echo servers on the loopback: giambio, its peers, and plain C.

Echo is the benchmark every event loop publishes, because it contains little but
the loop itself: wait for readiness, resume a task, read, write. It is also easy
to get wrong, by measuring the client, by comparing numbers from different days,
or by letting both ends fight for a core. This one command measures all servers
in one interleaved run, each alone on a core, and tells when the client was what
limited them. `benchmarks/README.md` explains the method.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import machine, peers
from harness.errors import BenchmarkError
from harness.measure import Bench, Load, Timing
from harness.native import compile_program
from harness.processes import allow_many_descriptors, two_cores
from harness.progress import Progress
from harness.report import tables, write_json
from harness.schedule import Plan, Results, run_interleaved

SPARE_DESCRIPTORS = 64
"""What a server has open besides its connections, generously."""


def positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def positive_seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare TCP echo servers on the loopback, in one interleaved run.",
        epilog="Needs Linux, gcc and two cores. Peers that are not installed are skipped: "
        "pip install uvloop trio",
    )
    names = [peer.name for peer in peers.ALL]
    # fmt: off
    add = parser.add_argument
    add(
        "--connections", type=positive_int, nargs="+", default=[50, 1000], metavar="N",
        help="how many connections are open, all of them busy; each number gives a table "
        "(default: 50 1000)",
    )
    add(
        "--size", type=positive_int, nargs="+", default=[1024], metavar="BYTES",
        help="length of a message; each number gives a table (default: 1024)",
    )
    add(
        "--seconds", type=positive_seconds, default=2.0, metavar="S",
        help="length of one measured window (default: %(default)s)",
    )
    add(
        "--warmup", type=positive_seconds, default=0.5, metavar="S",
        help="load before the window (default: %(default)s)",
    )
    add(
        "--rounds", type=positive_int, default=5, metavar="N",
        help="how often each server is measured (default: %(default)s)",
    )
    add(
        "--servers", nargs="+", default=names, choices=names, metavar="NAME",
        help=f"which ones to compare: {', '.join(names)} (default: all); the ratios need "
        f"{' and '.join(peers.BASELINES)}",
    )
    add("--json", type=Path, metavar="FILE", help="also write every sample to this file")
    add("--markdown", action="store_true", help="print the tables in Markdown")
    # fmt: on
    return parser.parse_args(arguments)


def choose_peers(names: Sequence[str]) -> list[peers.Peer]:
    """The peers that were asked for and can run; says which cannot."""
    chosen = []
    for peer in peers.ALL:
        if peer.name not in names:
            continue
        if peer.available():
            chosen.append(peer)
        else:
            print(f"skipped: {peer.name} ({peer.requires} is not installed)", file=sys.stderr)
    if not chosen:
        raise BenchmarkError("none of the chosen servers can run here")
    return chosen


def choose_loads(options: argparse.Namespace) -> list[Load]:
    available = allow_many_descriptors() - SPARE_DESCRIPTORS
    if max(options.connections) > available:
        raise BenchmarkError(
            f"{max(options.connections)} connections are too many: the limit on open "
            f"files (ulimit -Hn) allows {available}"
        )
    return [Load(n, size) for size in options.size for n in options.connections]


def run(options: argparse.Namespace) -> Results:
    facts = machine.describe()
    timing = Timing(options.warmup, options.seconds)
    plan = Plan(choose_peers(options.servers), choose_loads(options), options.rounds, timing)
    with tempfile.TemporaryDirectory(prefix="echo-benchmark-") as folder:
        place = Path(folder)
        programs = compile_program("echo_server", place), compile_program("loadgen", place)
        bench = Bench(*programs, *two_cores(), logs=place)
        results = run_interleaved(plan, bench, Progress(plan.steps))

    for name, fact in {**facts, **results.descriptions()}.items():
        print(f"- {name}: {fact}")
    print(f"- rounds: {plan.rounds}, of {timing.window:g} s after {timing.warmup:g} s\n")
    print(tables(results, plan, options.markdown))
    if options.json:
        write_json(options.json, results, plan, facts)
    return results


def main() -> int:
    # Leave through the `finally` clauses when told to stop, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        results = run(parse_arguments())
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
