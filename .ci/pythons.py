"""Finds the Pythons of this machine that giambio can be compiled for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ASK = """
import importlib.util, json, os, sys, sysconfig
print(json.dumps({
    "path": sys.executable,
    "version": list(sys.version_info[:3]),
    "released": sys.version_info.releaselevel == "final",
    "cpython": sys.implementation.name == "cpython",
    "gil": not sysconfig.get_config_var("Py_GIL_DISABLED"),
    "venv": None not in map(importlib.util.find_spec, ("ensurepip", "venv")),
    "headers": os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")),
}))
"""


@dataclass
class Python:
    """An interpreter: its path, its version, and what it lacks for our purpose ("" if nothing)."""

    path: str
    version: tuple[int, int, int]
    lacks: str

    @property
    def short(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.version))} ({self.path})"


def find_pythons() -> list[Python]:
    """Return one CPython for each version from 3.11 up, the oldest first.

    Of several with the same version the first on PATH counts, unless it lacks something
    that another one has.
    """
    chosen: dict[str, Python] = {}
    for candidate in _candidates():
        python = _ask(candidate)
        if python is None or python.version < (3, 11):
            continue
        known = chosen.get(python.short)
        if known is None or (known.lacks and not python.lacks):
            chosen[python.short] = python
    return sorted(chosen.values(), key=lambda python: python.version)


def _candidates() -> Iterator[Path]:
    for folder in os.environ["PATH"].split(os.pathsep):
        # pyenv's shims fail for versions which are installed but not switched on.
        if Path(folder).name == "shims" or not Path(folder).is_dir():
            continue
        yield from sorted(
            path for path in Path(folder).iterdir() if re.fullmatch(r"python3\.\d+", path.name)
        )
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob("versions/*/bin/python3"))
    yield Path(sys.executable)


def _ask(path: Path) -> Python | None:
    done = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    facts = json.loads(done.stdout)
    if not (facts["released"] and facts["cpython"] and facts["gil"]):
        return None
    lacks = ", ".join(name for name in ("venv", "headers") if not facts[name])
    return Python(facts["path"], tuple(facts["version"]), lacks)
