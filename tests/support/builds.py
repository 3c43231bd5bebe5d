"""Environments in which giambio is installed from this checkout, for tests marked `builds`."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

__all__ = ["SECONDS", "environment", "python_with"]

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = ("pyproject.toml", "setup.py", "MANIFEST.in", "LICENSE", "README.md", "src")
SECONDS = 600


def environment() -> dict[str, str]:
    """The environment without what would change a build, an import or a test."""
    swayed = ("GIAMBIO_", "PYTHON", "PYTEST_", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(swayed)}
    return kept | {"GIAMBIO_NO_EXTENSIONS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def python_with(folder: Path, *packages: str, extra: str = "") -> Path:
    """The Python of a new environment with giambio, in the pure build, and packages."""
    sources = folder / "sources"
    sources.mkdir()
    for name in PACKAGE:
        path = CHECKOUT / name
        if not path.exists():
            pytest.skip("the sources are not here: an installed wheel is tested alone")
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        (shutil.copytree if path.is_dir() else shutil.copy)(
            path, sources / name, **({"ignore": ignored} if path.is_dir() else {})
        )
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [str(python), "-m", "pip", "install", "-q", f"{sources}{extra}", *packages]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return python
