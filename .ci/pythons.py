"""Finds the Pythons that giambio can be compiled for: this machine's, and Debian unstable's.

Each of `WANTED` has to be found. Where one cannot be had, that is said, and nothing fails.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import debian
from jobs import Unavailable

#: The versions that giambio supports.
WANTED = ("3.11", "3.12", "3.13", "3.14", "3.15")

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
    """An interpreter: its path, its version, and why it is of no use to us ("" if it is).

    `prefix` is what a command of it begins with if it does not run on this machine as it is; the
    same for the environments that are made with it.
    """

    path: str
    version: tuple[int, ...]
    problem: str = ""
    prefix: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def command(self) -> list[str]:
        """What a command begins with that this interpreter runs."""
        return [*self.prefix, self.path]

    def of_environment(self, folder: Path) -> list[str]:
        """Return what a command begins with that an environment's interpreter runs."""
        return [*self.prefix, str(folder / "bin" / "python")]

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        inside = ", in Debian unstable" if self.prefix else ""
        return f"{version} ({self.path}{inside})" if self.path else version


def find_pythons(folder: Path) -> list[Python]:
    """Return one CPython for each version from 3.11 up, the oldest first.

    Of several with the same version the first on PATH counts, unless it has a problem that
    another one has not. Those in Debian unstable work in `folder` only.
    """
    chosen: dict[str, Python] = {}
    for candidate in _candidates():
        python = _ask(str(candidate), folder)
        if python is None or python.version < (3, 11):
            continue
        known = chosen.get(python.short)
        if known is None or (known.problem and not python.problem):
            chosen[python.short] = python
    missing = [short for short in WANTED if short not in chosen or chosen[short].problem]
    for python in _of_debian(missing, folder):
        if python.short not in chosen or not python.problem:
            chosen[python.short] = python
    return sorted(chosen.values(), key=lambda python: python.version)


def _of_debian(missing: list[str], folder: Path) -> Iterator[Python]:
    """Yield the Pythons that this machine does not have, with a problem if there is no way."""
    problem = "is not on this machine, and Debian unstable has others"
    prefix: tuple[str, ...] = ()
    if set(missing) & set(debian.VERSIONS):
        try:
            prefix = debian.entrance(folder)
        except Unavailable as reason:
            problem = f"is not on this machine, and cannot be had from Debian unstable: {reason}"
    for short in missing:
        python = _ask(f"python{short}", folder, prefix) if prefix else None
        yield python or Python("", tuple(map(int, short.split("."))), problem)


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


def _ask(path: str, folder: Path, prefix: tuple[str, ...] = ()) -> Python | None:
    command = [*prefix, path, "-c", ASK]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    facts = json.loads(done.stdout)
    if not (facts["released"] and facts["cpython"] and facts["gil"]):
        return None
    lacks = [name for name in ("venv", "headers") if not facts[name]]
    problem = f"has no {' and no '.join(lacks)}" if lacks else ""
    return Python(facts["path"], tuple(facts["version"]), problem, prefix)
