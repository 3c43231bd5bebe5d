"""Writes down what was found: aligned or Markdown tables, or JSON with every sample."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.rows import Row
from harness.schedule import Plan, Results
from harness.summary import (
    DISTURBED,
    GENERATOR_BOUND,
    Finding,
    Spread,
    Verdict,
    findings,
    verdicts,
)

LEGEND = (
    "Each row was measured in rounds, with every peer once per round. Figures are medians over "
    "the rounds, with the lowest and the highest behind them. “giambio is” says how many times "
    "better giambio is than this peer, faster or smaller: the median of the ratios within "
    "each round.",
    "“CPU µs” is the user and system time of the process for one operation, “user” its part "
    "outside the kernel; “by CPU” compares operations per second of CPU time.",
    f"void: the load generator was more than {GENERATOR_BOUND:.0%} busy, so it may be what was "
    "measured. A goal is decided by CPU time then, and where most rounds were disturbed.",
)


@dataclass(frozen=True)
class Column:
    """A column of a row's table; it is left out where no peer has anything in it."""

    title: str
    cell: Callable[[Finding], str]


def _spread(spread: Spread | None, form: Callable[[float], str]) -> str:
    return "" if spread is None else f"{form(spread.low)}..{form(spread.high)}"


def _median(spread: Spread | None, form: Callable[[float], str]) -> str:
    return "" if spread is None else form(spread.median)


def figure(value: float) -> str:
    """Three digits or all there are, whichever is more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _times(value: float) -> str:
    return f"{value:.2f} ×" if value < 10 else f"{value:.1f} ×"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.2f}"


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _better(finding: Finding) -> str:
    if finding.better is None:
        return "void" if finding.better_by_cpu is not None else ""
    return _times(finding.better.median)


COLUMNS = (
    Column("giambio is", _better),
    Column("min..max", lambda f: _spread(f.better, _times)),
    Column("CPU µs", lambda f: _median(f.cpu, _microseconds)),
    Column("user", lambda f: "" if f.user is None else _microseconds(f.user)),
    Column("by CPU", lambda f: _median(f.better_by_cpu, _times)),
    Column("p99 ms", lambda f: "" if f.p99 is None else figure(f.p99 * 1e3)),
    Column("pause ms", lambda f: "" if f.pause is None else figure(f.pause * 1e3)),
    Column("peak MiB", lambda f: "" if f.peak_memory is None else f"{f.peak_memory / 2**20:.1f}"),
    Column("busy", lambda f: _part(f.busy)),
    Column("load busy", lambda f: _part(f.load_busy)),
)


class Report:
    """Everything there is to say about a run."""

    def __init__(self, plan: Plan, results: Results, facts: Mapping[str, str]) -> None:
        self.plan = plan
        self.results = results
        self.facts = facts
        self.found: list[tuple[Row, list[Finding]]] = [
            (row, findings(results, row, names)) for row, names in plan.rows
        ]

    def verdicts(self) -> list[Verdict]:
        return [
            verdict
            for row, names in self.plan.rows
            for verdict in verdicts(self.results, row, names)
        ]

    def text(self) -> str:
        """For a terminal."""
        return self._render(_plain_heading, _aligned)

    def markdown(self) -> str:
        return self._render(_markdown_heading, _markdown_table) + "\n"

    def write_json(self, path: Path) -> None:
        """The machine, the method, what the tables say, and every sample."""
        document = {
            "machine": dict(self.facts),
            "programs": self.results.descriptions(),
            "rounds": self.plan.rounds,
            "timing": asdict(self.plan.timing),
            "rows": {row.name: self._row_document(row, found) for row, found in self.found},
        }
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def _row_document(self, row: Row, found: Sequence[Finding]) -> dict[str, object]:
        return {
            "title": row.title,
            "unit": row.unit,
            "less_is_better": row.less_is_better,
            "goals": [asdict(goal) for goal in row.goals],
            "found": [asdict(finding) for finding in found],
            "samples": {
                peer: [asdict(sample) for sample in samples.values()]
                for (name, peer), samples in self.results.samples.items()
                if name == row.name
            },
            "failures": self._failures(row),
        }

    def _failures(self, row: Row) -> dict[str, str]:
        failures = self.results.failures.items()
        return {peer: error for (name, peer), error in failures if name == row.name}

    def _render(
        self, heading: Callable[[str], str], table: Callable[[Sequence[Sequence[str]]], str]
    ) -> str:
        parts = [heading("The machine"), "\n".join(f"- {line}" for line in self._circumstances())]
        goals = self.verdicts()
        if goals:
            lines = [("row", "what", "goal", "found", "min..max", "")]
            parts += [heading("The goals"), table([*lines, *map(_verdict_cells, goals)])]
        for row, found in self.found:
            parts.append(heading(f"{row.name}: {row.title}"))
            if found:
                parts.append(table(_row_table(row, found)))
            parts += [f"{peer} FAILED: {error}" for peer, error in self._failures(row).items()]
        parts += [heading("How to read it"), *LEGEND, *self._disturbances()]
        return "\n\n".join(parts)

    def _circumstances(self) -> Iterable[str]:
        yield from (f"{name}: {fact}" for name, fact in self.facts.items())
        yield "; ".join(self.results.descriptions())
        timing = self.plan.timing
        yield (
            f"{self.plan.rounds} rounds; servers: {timing.window:g} s after {timing.warmup:g} s "
            f"of load; other programs: about {timing.loop:g} s"
        )

    def _disturbances(self) -> Iterable[str]:
        disturbed = sum(f.disturbed_rounds for _, found in self.found for f in found)
        if disturbed:
            measured = sum(f.rounds for _, found in self.found for f in found)
            yield (
                f"In {disturbed} of {measured} measurements another program took more than "
                f"{DISTURBED:.0%} of a core. They are left out where most rounds of a peer were "
                "quiet; if there are many, repeat on an idle machine."
            )


def _row_table(row: Row, found: Sequence[Finding]) -> list[list[str]]:
    columns = [column for column in COLUMNS if any(map(column.cell, found))]
    lines = [["", row.unit, "min..max", *(column.title for column in columns)]]
    for finding in found:
        void = "*" if finding.generator_bound else ""
        figures = [f"{figure(finding.value.median)}{void}", _spread(finding.value, figure)]
        cells = [column.cell(finding) or "-" for column in columns]
        lines.append([finding.peer, *figures, *cells])
    return lines


def _verdict_cells(verdict: Verdict) -> list[str]:
    found = verdict.found
    outcome = "reached" if verdict.reached else "missed"
    return [
        verdict.row.name,
        f"{verdict.row.title}, {'smaller' if verdict.row.less_is_better else 'faster'}",
        f"{verdict.goal.ours} ≥ {verdict.goal.times:g} × {verdict.goal.theirs}",
        _median(found, _times) + (" (CPU)" if verdict.by_cpu else "") or "-",
        _spread(found, _times) or "-",
        outcome if found else "not measured",
    ]


def goals_reached(found: Sequence[Verdict]) -> str:
    measured = [verdict for verdict in found if verdict.found]
    reached = f"{sum(v.reached for v in measured)} of {len(measured)} goals reached"
    lacking = len(found) - len(measured)
    return f"{reached}, {lacking} not measured" if lacking else reached


def _plain_heading(text: str) -> str:
    return f"{text}\n{'=' * len(text)}"


def _markdown_heading(text: str) -> str:
    return f"## {text}"


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


def _markdown_table(lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(lines[0]) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
