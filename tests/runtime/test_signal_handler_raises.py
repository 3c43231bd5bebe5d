"""A signal handler of the program's own that raises, at random moments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import giambio

#: Moments that are tried in one run of the suite.
MOMENTS = 200


@pytest.mark.skipif(
    giambio.build_info().build == "pure",
    reason="interpreted, the runtime itself is interrupted between any two of its lines",
)
def test_every_finally_runs_and_nobody_is_blamed() -> None:
    """Rule 1.17 and its like, in a process of its own."""
    program = Path(__file__).with_name("interrupted.py")
    ended = subprocess.run(
        [sys.executable, str(program), "0", str(MOMENTS)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.stdout == "done\n", ended.stdout + ended.stderr
