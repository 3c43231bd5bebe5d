"""Objects whose constructor never ran: no Python code may crash the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import run_beside


def test_no_method_of_a_bare_object_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Class.__new__(Class)`, and a subclass that forgets to call `super().__init__()`."""
    monkeypatch.chdir(tmp_path)  # for what bare paths do
    ended = run_beside(__file__, "bare_objects.py")
    tried = ended.stdout.splitlines()
    assert tried[-1:] == ["done"], f"exit code {ended.returncode} in {tried[-1:]}: {ended.stderr}"
    assert len(tried) > 1000
