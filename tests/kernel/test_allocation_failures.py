"""Memory that is short: an error, and never a hang or a crash."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None,
    reason="this Python lacks _testcapi, which makes allocations fail",
)
@pytest.mark.parametrize(
    "program", ["empty", "spawn", "scope", "channel", "socket", "thread", "file"]
)
def test_each_allocation_may_fail(program: str) -> None:
    """One after the other, until none is left: each run ends, with its result or an error."""
    path = Path(__file__).with_name("allocation_failures.py")
    ended = subprocess.run(
        [sys.executable, str(path), program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    *problems, last = ended.stdout.splitlines()
    assert not problems, ended.stdout
    assert last.startswith("done: ")
