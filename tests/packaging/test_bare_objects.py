"""Objects whose constructor never ran: no Python code may crash the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_no_method_of_a_bare_object_crashes(tmp_path: Path) -> None:
    """`Class.__new__(Class)`, and a subclass that forgets to call `super().__init__()`."""
    program = Path(__file__).with_name("bare_objects.py")
    ended = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    tried = ended.stdout.splitlines()
    assert tried[-1:] == ["done"], f"exit code {ended.returncode} in {tried[-1:]}: {ended.stderr}"
    assert len(tried) > 1000
