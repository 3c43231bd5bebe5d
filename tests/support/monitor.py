"""Programs that are looked into from outside, and the commands that do it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["Program", "asked", "folder", "living", "tool"]

Program = subprocess.Popen[str]

SECONDS = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the monitors' sockets, for the test and what it starts."""
    path = tmp_path / "monitors"
    monkeypatch.setenv("GIAMBIO_MONITOR_DIR", str(path))
    return path


@contextmanager
def living(code: str, monitor: str = "1", **environment: str) -> Iterator[Program]:
    """A program that has printed ``ready``, and is killed at the end if it still lives."""
    settings = {"GIAMBIO_MONITOR": monitor, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=os.environ | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            assert line == "ready\n", (line, program.stderr and program.stderr.read())
            yield program
        finally:
            program.kill()


def tool(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m giambio`` to its end."""
    command = [sys.executable, "-m", "giambio", *map(str, arguments)]
    return subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def asked(*arguments: object) -> str:
    """What a command prints that succeeds."""
    ended = tool(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout
