"""What the READMEs say of the saved results: in which rows somebody is ahead, on which Python.

Written by the program, so that no row is forgotten that looks bad.
"""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BenchmarkError
from harness.peers import BLOCKING, GIAMBIO_PURE, C
from harness.summary import Finding

BENCHMARKS = Path(__file__).resolve().parent.parent
RESULTS = BENCHMARKS / "results"
PROJECT = BENCHMARKS.parent

BOUNDS = (C, BLOCKING)
"""What no library for concurrency could beat."""

BEGIN = "<!-- From the saved results, by benchmarks/run.py --summary: -->"
END = "<!-- End of what is from the saved results. -->"


def saved_as(kind: str) -> Path:
    """Where this Python's results are committed: as `md`, `json` or `svg`."""
    return RESULTS / f"results-{'.'.join(platform.python_version_tuple()[:2])}.{kind}"


@dataclass(frozen=True)
class Published:
    """The saved results of one Python."""

    python: str
    ahead: Mapping[str, Sequence[Finding]]
    """The peers that are ahead in each row, the best one first."""
    titles: Mapping[str, str]
    """What each row measures."""


def read(path: Path) -> Published:
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = document["rows"]
    return Published(
        python=path.stem.removeprefix("results-"),
        ahead={name: _ahead(row) for name, row in rows.items()},
        titles={name: row["title"] for name, row in rows.items()},
    )


def _ahead(row: Mapping[str, Any]) -> list[Finding]:
    found = map(Finding.of_document, row["found"])
    ratios = {f.peer: (f.ratio.median, f) for f in found if f.ratio and f.peer != GIAMBIO_PURE}
    return [f for ratio, f in sorted(ratios.values(), key=lambda pair: pair[0]) if ratio < 1]


def every() -> list[Published]:
    """What is saved, the newest Python first."""
    found = [read(path) for path in RESULTS.glob("results-*.json")]
    return sorted(found, key=lambda p: [int(n) for n in p.python.split(".")], reverse=True)


def in_short(found: Sequence[Published]) -> Iterator[str]:
    """The project's README: the rows in which somebody is ahead, by name."""
    for published in found:
        ahead = {
            row: [f.peer for f in peers if f.peer not in BOUNDS]
            for row, peers in published.ahead.items()
        }
        others = [f"`{row}` ({', '.join(peers)})" for row, peers in ahead.items() if peers]
        bounds = [f"`{row}`" for row, peers in published.ahead.items() if peers and not ahead[row]]
        text = (
            f"CPython {published.python}, in {len(ahead)} "
            f"[rows](benchmarks/results/results-{published.python}.md): other libraries are ahead "
            f"in {', '.join(others) or 'none'}; C or plain `open()` alone in "
            f"{', '.join(bounds) or 'none'}."
        )
        yield textwrap.fill(
            text, 98, initial_indent="- ", subsequent_indent="  ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip


def at_length(found: Sequence[Published]) -> Iterator[str]:
    """The benchmarks' README: by how much, on each Python, and where the tables are."""
    for published in found:
        name = f"results/results-{published.python}"
        yield f"CPython {published.python}: [tables]({name}.md), [picture]({name}.svg)."
        yield ""
    yield f"| row | {' | '.join(f'on {published.python}' for published in found)} |"
    yield "| --- |" + " --- |" * len(found)
    titles = {
        row: title for published in reversed(found) for row, title in published.titles.items()
    }
    for row in dict.fromkeys(row for published in found for row in published.ahead):
        cells = [_cell(published, row) for published in found]
        if any(cell not in ("", "-") for cell in cells):
            yield f"| `{row}`: {titles[row]} | {' | '.join(cells)} |"


def _cell(published: Published, row: str) -> str:
    """Each peer that is ahead, and how fast giambio is as a part of it."""
    if row not in published.ahead:
        return "-"
    return ", ".join(f"{f.peer} {f.ratio.median:.2f}" for f in published.ahead[row] if f.ratio)


def readmes() -> dict[Path, str]:
    """The texts of both READMEs, as they should be."""
    found = every()
    return {
        PROJECT / "README.md": _replaced(PROJECT / "README.md", in_short(found)),
        BENCHMARKS / "README.md": _replaced(BENCHMARKS / "README.md", at_length(found)),
    }


def _replaced(path: Path, lines: Iterator[str]) -> str:
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{path} has no place for the saved results: {BEGIN}")
    return "\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"])
