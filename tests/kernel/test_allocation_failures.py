"""Memory that is short: an error, and never a hang or a crash."""

from __future__ import annotations

import importlib.util

import pytest

from support.programs import run_beside


@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None,
    reason="this Python lacks _testcapi, which makes allocations fail",
)
@pytest.mark.parametrize(
    "program", ["empty", "spawn", "scope", "channel", "socket", "thread", "file"]
)
def test_each_allocation_may_fail(program: str) -> None:
    """One after the other, until none is left: each run ends, with its result or an error."""
    ended = run_beside(__file__, "allocation_failures.py", program, seconds=300)
    assert ended.returncode == 0, ended.stderr
    *problems, last = ended.stdout.splitlines()
    assert not problems, ended.stdout
    assert last.startswith("done: ")
