"""Prints what was found: an aligned table, a Markdown table, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from harness.measure import Load
from harness.peers import C_EPOLL, UVLOOP_PROTOCOL
from harness.schedule import Plan, Results
from harness.summary import DISTURBED, GENERATOR_BOUND, Row, Spread, rows

HEADER = (
    "server", "msg/s", "min..max", "vs C", "vs uvloop",
    "CPU µs/msg", "min..max", "user", "per CPU s: vs C", "vs uvloop",
    "peak MiB", "server busy", "load busy",
)  # fmt: skip

LEGEND = f"""\
Ratios are medians of the ratios within each round; more is better in all of them.
"vs C" is to {C_EPOLL}, "vs uvloop" to {UVLOOP_PROTOCOL}. CPU is the server's, user + system;
"user" is its user part. "per CPU s" compares messages per second of that CPU time.
* void: the load generator was more than {GENERATOR_BOUND:.0%} busy, so it may be what was
  measured; the CPU time per message decides."""


def tables(results: Results, plan: Plan, markdown: bool) -> str:
    """One table for each load, and how to read them."""
    render = _markdown if markdown else _aligned
    parts = []
    for load in plan.loads:
        found = rows(results, load, plan.names)
        parts.append(f"**{load}**\n" if markdown else f"{load}")
        parts.append(render([HEADER, *map(_cells, found)]))
        parts.extend(_remarks(results, load, found))
        parts.append("")
    parts.append(LEGEND)
    return "\n".join(parts)


def write_json(path: Path, results: Results, plan: Plan, machine: Mapping[str, str]) -> None:
    """Everything: the machine, the method, the rows of the tables, and every sample."""
    document = {
        "machine": dict(machine),
        "rounds": plan.rounds,
        "timing": asdict(plan.timing),
        "loads": [
            {
                **asdict(load),
                "rows": [asdict(row) for row in rows(results, load, plan.names)],
                "samples": {
                    n: [asdict(s) for s in results.samples[load, n].values()]
                    for n in plan.names
                    if (load, n) in results.samples
                },
                "failures": {n: e for (at, n), e in results.failures.items() if at == load},
            }
            for load in plan.loads
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _remarks(results: Results, load: Load, found: Sequence[Row]) -> list[str]:
    remarks = [f"{n} FAILED: {e}" for (at, n), e in results.failures.items() if at == load]
    disturbed = [f"{row.server} {row.disturbed_rounds}" for row in found if row.disturbed_rounds]
    if disturbed:
        remarks.append(
            f"Rounds in which another program took more than {DISTURBED:.0%} of a core: "
            f"{', '.join(disturbed)}. They are left out where most rounds were quiet."
        )
    # A blank line before them, or Markdown takes them for part of the table.
    return [text for remark in remarks for text in ("", remark)]


def _cells(row: Row) -> tuple[str, ...]:
    speed, cpu = row.throughput, row.cpu_per_message
    void = "*" if row.generator_bound else ""
    return (
        row.server,
        f"{speed.median:,.0f}{void}",
        f"{speed.low:,.0f}..{speed.high:,.0f}",
        _ratio(row.throughput_ratios, C_EPOLL, row.efficiency_ratios),
        _ratio(row.throughput_ratios, UVLOOP_PROTOCOL, row.efficiency_ratios),
        f"{cpu.median * 1e6:.2f}",
        f"{cpu.low * 1e6:.2f}..{cpu.high * 1e6:.2f}",
        f"{row.user_per_message * 1e6:.2f}",
        _ratio(row.efficiency_ratios, C_EPOLL),
        _ratio(row.efficiency_ratios, UVLOOP_PROTOCOL),
        f"{row.peak_memory / 2**20:.1f}",
        f"{row.server_busy:.0%}",
        f"{row.generator_busy:.0%}",
    )


def _ratio(
    ratios: Mapping[str, Spread], baseline: str, measured: Mapping[str, Spread] | None = None
) -> str:
    """The ratio, or why there is none: the baseline did not run, or it is void."""
    if baseline in ratios:
        return f"{ratios[baseline].median:.2f}"
    return "void" if measured and baseline in measured else "-"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (lines[0], rule, *lines[1:])
    )


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(lines[0]) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
