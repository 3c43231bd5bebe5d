"""Compiles the C programs, outside the checkout, with flags anyone can repeat."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from harness.errors import BenchmarkError

SOURCES = Path(__file__).resolve().parent.parent / "native"
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra"]


def compiler() -> str:
    path = shutil.which("gcc")
    if path is None:
        raise BenchmarkError(
            "gcc was not found. The load generator and the C server are compiled "
            "when the benchmark starts: install gcc and the C library's headers."
        )
    return path


def compiler_version() -> str:
    done = subprocess.run([compiler(), "-dumpfullversion"], capture_output=True, text=True)
    return f"gcc {done.stdout.strip()} {' '.join(FLAGS)}"


def compile_program(name: str, folder: Path) -> Path:
    """Compile `native/NAME.c` into `folder` and return the program's path."""
    program = folder / name
    command = [compiler(), *FLAGS, str(SOURCES / f"{name}.c"), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchmarkError(f"gcc could not compile {name}.c:\n{done.stderr.strip()}")
    return program
