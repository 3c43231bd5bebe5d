"""Programs in processes of their own: of the system (`openssl`, `curl`), and of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

Ended = subprocess.CompletedProcess[str]

#: Set to "required" where a test must not be skipped for want of a program.
REQUIRED = os.environ.get("GIAMBIO_TEST_PROGRAMS") == "required"


def program(name: str) -> str:
    """The path of a program; a test that needs one which is not installed is skipped."""
    path = shutil.which(name)
    if path is None:
        (pytest.fail if REQUIRED else pytest.skip)(f"there is no {name} here: please install it")
    return path


def run_beside(test: str, name: str, *arguments: str, seconds: int = 120) -> Ended:
    """Run a program that stands beside a test, in a process of its own.

    Parameters:
        test: the test's ``__file__``.
        name: the program's file name.
        arguments: of the program.
        seconds: its timeout.
    """
    command = [sys.executable, str(Path(test).with_name(name)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def printed(code: str, *path: Path, **environment: str) -> list[str]:
    """The lines that a program prints; warnings are errors, and so is anything on stderr."""
    inherited = [entry for entry in sys.path if entry]
    settings = {"PYTHONPATH": os.pathsep.join([*map(str, path), *inherited])}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **settings, **environment},
        timeout=50,
        check=False,
    )
    assert ended.stderr == ""
    return ended.stdout.splitlines()
