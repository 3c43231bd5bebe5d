"""`python -m giambio run`: a program runs as Python runs it, and the monitor is on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import os, sys
print(__name__, sys.argv, sys.path[0], os.environ["GIAMBIO_MONITOR"], sys.flags.dev_mode)
sys.stdout.flush()
if "fail" in sys.argv:
    raise ValueError("a mistake")
if "kill" in sys.argv:
    os.kill(os.getpid(), 9)
sys.exit(len(sys.argv))
"""


def run_in(
    folder: Path, *arguments: str, options: tuple[str, ...] = ("-m", "giambio", "run")
) -> subprocess.CompletedProcess[str]:
    """`python -m giambio run` in a folder, to its end."""
    return subprocess.run(
        [sys.executable, *options, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a program."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.py").write_text(PROGRAM)
    return tmp_path


def test_a_file_runs_with_its_arguments(folder: Path) -> None:
    """Rule 27.7."""
    ended = run_in(folder, "sub/inner.py", "-h", "--driver", "x y")
    place = folder / "sub"
    expected = f"__main__ ['sub/inner.py', '-h', '--driver', 'x y'] {place} 1 False\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (4, expected, "")


def test_a_module_runs_with_its_arguments(folder: Path) -> None:
    """Rule 27.7."""
    ended = run_in(folder, "-m", "program", "-m")
    path = str(folder / "program.py")
    expected = f"__main__ [{path!r}, '-m'] {folder} 1 False\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, expected, "")


@pytest.mark.parametrize(
    "options",
    [("-X", "dev", "-m", "giambio", "run"), ("-Xdev", "-um", "giambio", "run")],
    ids=["apart", "together"],
)
def test_the_options_of_python_stay(folder: Path, options: tuple[str, ...]) -> None:
    """Rule 27.7."""
    ended = run_in(folder, "program.py", options=options)
    assert ended.returncode == 1
    assert ended.stdout.endswith(" 1 True\n")


def test_a_traceback_is_the_programs_own(folder: Path) -> None:
    """Rule 27.7."""
    ended = run_in(folder, "program.py", "fail")
    assert ended.returncode == 1
    begin = f'Traceback (most recent call last):\n  File "{folder / "program.py"}", line 5'
    assert ended.stderr.startswith(begin)
    assert ended.stderr.endswith("ValueError: a mistake\n")


def test_a_signal_that_kills_the_program_is_seen_outside(folder: Path) -> None:
    """Rule 27.7."""
    assert run_in(folder, "program.py", "kill").returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_is_pythons_own_error(folder: Path) -> None:
    """Rule 27.7."""
    ended = run_in(folder, "nowhere.py")
    assert ended.returncode == 2
    assert "can't open file" in ended.stderr


def test_without_a_program_the_usage_is_shown(folder: Path) -> None:
    """Rule 27.7."""
    ended = run_in(folder)
    assert ended.returncode == 2
    assert "name one: `run app.py` or `run -m app`" in ended.stderr
    assert "run (FILE | -m MODULE) [ARGS ...]" in run_in(folder, "--help").stdout
