"""Describes the machine, so that numbers are not read without knowing where they come from."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from harness.errors import BenchmarkError
from harness.native import compiler_version


def describe() -> dict[str, str]:
    return {
        "processor": f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": _compiler(),
    }


def _compiler() -> str:
    try:
        return compiler_version()
    except BenchmarkError:
        return "none"


def _field(path: str, wanted: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == wanted:
            return value.strip()
    return platform.machine()
