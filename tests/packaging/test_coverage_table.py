"""The table of coverage that CI prints."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "coverage_table.py"

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="not a checkout: the source distribution has no .ci"
)


def test_files_are_summed_up_per_package() -> None:
    files = {
        "giambio/__init__.py": (10, 10),
        "/env/lib/giambio/net/tcp.py": (100, 90),
        "/env/lib/giambio/net/tls/stream.py": (100, 60),
        "/work/giambio/src/giambio/sync/lock.py": (50, 49),
    }
    summaries = {
        name: {"summary": {"num_statements": lines, "covered_lines": covered}}
        for name, (lines, covered) in files.items()
    }
    assert list(runpy.run_path(str(SCRIPT))["rows"]({"files": summaries})) == [
        "       lines  missed  covered",
        ".         10       0   100.0%",
        "net      200      50    75.0%",
        "sync      50       1    98.0%",
        "total    260      51    80.4%",
    ]
