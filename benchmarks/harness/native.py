"""Compiles the C programs, outside the checkout, with flags anyone can repeat."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.errors import BenchmarkError

SOURCES = Path(__file__).resolve().parent.parent / "native"
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra"]


def compiler() -> str:
    path = shutil.which("gcc")
    if path is None:
        raise BenchmarkError(
            "gcc was not found. The load generator and the C servers are compiled "
            "when they are first needed: install gcc and the C library's headers."
        )
    return path


def compiler_version() -> str:
    done = subprocess.run([compiler(), "-dumpfullversion"], capture_output=True, text=True)
    return f"gcc {done.stdout.strip()} {' '.join(FLAGS)}"


def compile_program(name: str, output: Path, flags: Sequence[str] = ()) -> None:
    """Compile `native/NAME.c` to `output`."""
    command = [compiler(), *FLAGS, str(SOURCES / f"{name}.c"), *flags, "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        hint = " (libssl-dev is needed)" if "openssl" in done.stderr else ""
        raise BenchmarkError(f"gcc could not compile {name}.c{hint}: {'; '.join(errors)}")
