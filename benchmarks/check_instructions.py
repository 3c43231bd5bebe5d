"""The regression gate: does an operation of the kernel take more instructions than before?

Times are too noisy for that, and instructions are not: callgrind counts the same for the same
program, whatever else the machine does. Each loop of `gate/loops.py` is counted per operation, as
a ratio to a reference loop of plain Python in the same process, and compared with what
`gate/expected.json` has for this version of Python.

Left out is what libc executes, because it chooses its functions by the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.callgrind import Counts, check, counted, parts
from harness.counted import PARTS
from harness.errors import BenchmarkError
from harness.processes import Command

BENCHMARKS = Path(__file__).resolve().parent
EXPECTED = BENCHMARKS / "gate" / "expected.json"
UPDATE = "python benchmarks/check_instructions.py --update"

COUNTS = {
    "reference": 2000,
    "spawn": 400,
    "spawn_block": 400,
    "checkpoint": 2000,
    "checkpoint_alone": 2000,
    "channel": 500,
    "timeout": 500,
    "sleep": 500,
    "lock": 500,
    "semaphore": 500,
    "cancel": 200,
    "echo": 300,
    "echo_parked": 300,
    "echo_monitored": 300,
    "echo_timed": 300,
}
"""How many operations of each loop are counted."""

LOOKED_INTO = {"echo_monitored": 0.02, "echo_timed": 0.25}
"""The same as `echo_parked`, of a program that is looked into; and what that may add."""

MARGIN = 0.05
"""More instructions than expected by this part are a regression."""

OTHER_MARGIN = 0.25
"""The same where Python was built in another way, or another patch release runs."""

NOT_COUNTED = ("/libc.so", "/libc-", "/ld-linux", "/ld-", "/vgpreload_")
"""Their functions differ from processor to processor; or they are valgrind's own."""

SECONDS = 600.0


def toolchain() -> dict[str, str]:
    """What decides how many instructions the same source becomes."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "python": f"{platform.python_version()}, {platform.python_compiler()}",
        "optimized": str("--enable-optimizations" in flags),
        "machine": platform.machine(),
    }


def measure() -> dict[str, float]:
    """Instructions per operation of each loop, as multiples of the reference loop's."""
    loops = [str(word) for loop in COUNTS.items() for word in loop]
    with tempfile.TemporaryDirectory(prefix="giambio-instructions-") as folder:
        output = Path(folder, "counts")
        inner = Command([sys.executable, "-m", "harness.counted", "gate.loops", *loops])
        command = counted(inner, output)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIAMBIO_", "PYTHON"))}
        words = [str(word) for word in command.words]
        done = subprocess.run(
            words,
            cwd=BENCHMARKS,
            env=kept | dict(command.variables),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        check(done, words)
        found = dict(_per_operation(parts(output)))
    reference = found.pop("reference")
    return {name: instructions / reference for name, instructions in found.items()}


def _per_operation(marked: list[Counts]) -> Iterator[tuple[str, float]]:
    for place, (name, count) in enumerate(COUNTS.items()):
        once, twice = marked[place * PARTS + 1], marked[place * PARTS + 2]
        yield name, (_instructions(twice) - _instructions(once)) / count


def _instructions(counts: Counts) -> int:
    return sum(
        instructions
        for place, instructions in counts.instructions.items()
        if not any(name in place.object for name in NOT_COUNTED)
    )


def compare(
    found: Mapping[str, float], expected: Mapping[str, float], margin: float
) -> tuple[list[str], list[str]]:
    """A line for each loop, and the names of those that take more than expected."""
    lines, worse = [], []
    for name, ratio in found.items():
        before = expected.get(name)
        if before is None:
            lines.append(f"{name:12} {ratio:8.3f}  not expected yet")
            worse.append(name)
            continue
        change = ratio / before - 1
        verdict = "ok"
        if change > margin:
            verdict = "MORE THAN EXPECTED"
            worse.append(name)
        elif change < -margin:
            verdict = "less: update what is expected, so that it stays so"
        lines.append(f"{name:12} {ratio:8.3f}  expected {before:8.3f}  {change:+7.1%}  {verdict}")
    return lines, worse


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Count the instructions of small loops through giambio's kernel, and compare "
        "them with what is expected for this Python.",
        epilog="Needs valgrind, and giambio's compiled build. Exit code: 0 if no loop takes more "
        "than expected, 1 if one does, 2 if nothing could be counted.",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="write what was counted to gate/expected.json, as what is expected from now on",
    )
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    try:
        found = measure()
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    added = {name: found.pop(name) / found["echo_parked"] - 1 for name in LOOKED_INTO}
    version = ".".join(platform.python_version_tuple()[:2])
    every = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    if options.update:
        ratios = {name: round(ratio, 4) for name, ratio in found.items()}
        every[version] = {"toolchain": toolchain(), "ratios": ratios}
        text = json.dumps(dict(sorted(every.items())), indent=1)
        EXPECTED.write_text(text + "\n", encoding="utf-8")
        print(f"expected from now on, on Python {version}: {ratios}")
        return 0
    if version not in every:
        print(f"error: nothing is expected for Python {version} yet: {UPDATE}", file=sys.stderr)
        return 2
    return max(report(found, every[version], version), report_looks(added))


def report(found: Mapping[str, float], expected: Mapping[str, Mapping], version: str) -> int:  # type: ignore[type-arg]
    same = expected["toolchain"] == toolchain()
    margin = MARGIN if same else OTHER_MARGIN
    lines, worse = compare(found, expected["ratios"], margin)
    print(f"Instructions per operation on Python {version}, as multiples of the reference loop:\n")
    print("\n".join(lines))
    if not same:
        print(
            f"\nThe expectations were made with {expected['toolchain']}, and this is "
            f"{toolchain()}: so {margin:.0%} more are let pass instead of {MARGIN:.0%}."
        )
    if not worse:
        return 0
    print(
        f"\nFAILED: more than {margin:.0%} above what is expected: {', '.join(worse)}.\n"
        "Either a change made them slower: `python benchmarks/profile_row.py` shows where the "
        "instructions go.\nOr they are worth it: then commit what this writes, and say why:\n"
        f"    {UPDATE}"
    )
    return 1


def report_looks(added: Mapping[str, float]) -> int:
    """Tell what looking into a program adds to an echo, whatever an echo takes."""
    print("\nWhat looking into a live program adds to an echo:\n")
    for name, part in added.items():
        verdict = "ok" if part <= LOOKED_INTO[name] else "MORE THAN PROMISED"
        print(f"{name:15} {part:+7.1%}  promised {LOOKED_INTO[name]:4.0%}  {verdict}")
    return int(any(part > LOOKED_INTO[name] for name, part in added.items()))


if __name__ == "__main__":
    sys.exit(main())
