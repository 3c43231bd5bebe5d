"""CONTRIBUTING.md: its commands run, and its worked example is a primitive that works.

Blocks are marked by the line before them:

    <!-- run: commands -->   each line is run, with the Python that runs the tests
    <!-- file: PATH -->      the file of that name, of the worked example
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import giambio

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECONDS = 60

BLOCKS = re.findall(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)
COMMANDS = [
    line for mark, _, code in BLOCKS if mark == "run: commands" for line in code.splitlines()
]
FILES = {mark.removeprefix("file: "): code for mark, _, code in BLOCKS if mark.startswith("file: ")}


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command, and return what it prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_runs(line: str) -> None:
    words = shlex.split(line)
    variables = dict(words.pop(0).split("=", 1) for word in list(words) if "=" in word)
    assert words.pop(0) == "python"
    if words[0].startswith(".ci/") and not (CHECKOUT / words[0]).exists():
        pytest.skip("not a checkout: the source distribution has no .ci")
    run([sys.executable, *words], CHECKOUT, **variables)


def test_there_are_commands_that_run() -> None:
    assert len(COMMANDS) == 3


def test_what_it_names_exists() -> None:
    named = set(re.findall(r"[\s`]((?:src|tests|docs|benchmarks|changelog\.d)/[\w/.]+)", TEXT))
    package = Path(giambio.__file__).parent

    def exists(name: str) -> bool:
        # Where an installed wheel is tested, the sources are where it was installed.
        return (CHECKOUT / name).exists() or (package.parent / name.removeprefix("src/")).exists()

    missing = {name for name in named - set(FILES) if not exists(name)}
    assert missing <= {"changelog.d/13.fixed.md"}  # a release takes it away
    rooms = re.findall(r"`(\w+/\w+\.py)`", TEXT)
    assert rooms
    assert [room for room in rooms if not (package / room).exists()] == []


def test_the_worked_example_works(tmp_path: Path) -> None:
    """In a copy of the package, as a contributor does it: in the pure build, without building."""
    source = tmp_path / "src" / "giambio"
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "_built.py")
    shutil.copytree(Path(giambio.__file__).parent, source, ignore=ignored)
    shutil.copytree(CHECKOUT / "tests" / "support", tmp_path / "tests" / "support")
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    (tmp_path / "tests" / "sync").mkdir()
    assert sorted(FILES) == [
        "src/giambio/sync/gate.pxd",
        "src/giambio/sync/gate.py",
        "tests/sync/test_gate.py",
    ]
    for name, code in FILES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    variables = {"GIAMBIO_PURE": "1", "PYTHONPATH": str(tmp_path / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sync"]
    printed = run(command, tmp_path, **variables)
    tests = len(re.findall("^def test_", FILES["tests/sync/test_gate.py"], re.M))
    drivers = 2 if sys.platform == "linux" else 1
    assert f"{tests * drivers} passed" in printed
