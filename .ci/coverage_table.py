"""Sums the coverage of a test run up, per package: `python .ci/coverage_table.py REPORT.json`.

The report is what `coverage json` writes. There is no threshold: the number is for people, who see
which package has fallen behind the others.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


def package_of(file: str) -> str:
    """Return the package of giambio that a file belongs to; "." for a module at the top."""
    parts = Path(file).parts
    inside = parts[len(parts) - parts[::-1].index("giambio") :]
    return inside[0] if len(inside) > 1 else "."


def rows(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> Iterator[str]:
    """Yield the lines of the table: a heading, the packages, and the total."""
    lines: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for file, found in report["files"].items():
        for name in (package_of(file), "total"):
            lines[name] += found["summary"]["num_statements"]
            covered[name] += found["summary"]["covered_lines"]
    width = max(map(len, lines))
    yield f"{'':{width}}  lines  missed  covered"
    for name in sorted(lines, key=lambda name: (name == "total", name)):
        share = 100 * covered[name] / max(1, lines[name])
        yield f"{name:{width}}  {lines[name]:5}  {lines[name] - covered[name]:6}  {share:6.1f}%"


if __name__ == "__main__":
    print("\n".join(rows(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
